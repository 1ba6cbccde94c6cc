"""SEED-GRPO (arXiv 2505.12346) as a distributed RL system on Ray. The data flow is told in the README."""

__version__ = "0.3.0"
