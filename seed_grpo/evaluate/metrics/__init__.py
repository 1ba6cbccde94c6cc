"""Metrics of recorded groups: accuracy, uncertainty, early stopping, and their intervals."""
