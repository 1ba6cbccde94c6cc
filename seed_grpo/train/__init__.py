"""Training: the engine interface, the DeepSpeed engine behind it, and all that a step is made of."""
