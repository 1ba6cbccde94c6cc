"""Meaning: the partition of answers into meaning classes, and the semantic entropy of a partition."""
