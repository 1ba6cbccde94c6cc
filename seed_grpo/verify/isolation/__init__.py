"""Isolation: the bounds on one answer, the bounded process for comparisons, and the sandbox for programs."""
