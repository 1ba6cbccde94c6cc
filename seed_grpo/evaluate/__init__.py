"""Evaluation: accuracy with intervals, semantic entropy, reports and plots."""
