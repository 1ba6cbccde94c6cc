"""What the program is measured by; `.venv/bin/python tests/benchmarks` runs it."""
