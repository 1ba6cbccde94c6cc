"""Judging: answer extraction, parsing, equivalence, verdicts, and the bounded process in which they run."""
