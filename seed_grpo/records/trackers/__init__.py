"""Trackers: TensorBoard, W&B, MLflow, trackio, SwanLab, each in a process of its own."""
