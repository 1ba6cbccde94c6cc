"""Hostile and mutated answers for the judge; `.venv/bin/python tests/fuzz` runs it."""
