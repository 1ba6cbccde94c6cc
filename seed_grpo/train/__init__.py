"""Training: the engine interface, the DeepSpeed engine behind it, log-probabilities, and checkpoints."""
