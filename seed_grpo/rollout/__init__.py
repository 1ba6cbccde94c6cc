"""Sampling: the engine interface, the vLLM engine behind it, and the rollout worker around an engine."""
