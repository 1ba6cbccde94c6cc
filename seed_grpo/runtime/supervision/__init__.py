"""Supervision of workers: heartbeats, events, hang reports, and metrics for Prometheus."""
