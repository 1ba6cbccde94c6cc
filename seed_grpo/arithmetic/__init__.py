"""The generated additions of the quickstart: the task, its small model, and the model's warm start."""
