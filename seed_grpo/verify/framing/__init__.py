"""Framing: what stands around an answer and is no mathematics, the letter of an option and remarks behind a value."""
