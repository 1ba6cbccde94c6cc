"""Benchmarks of the program; `.venv/bin/python tests/benchmarks` runs it."""
