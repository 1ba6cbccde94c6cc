"""The learning rate of each step, the same for all its updates: a function of the step, so nothing needs saving."""

from __future__ import annotations

from seed_grpo.config.sections import TrainerConfig


def learning_rate(step: int, steps: int, config: TrainerConfig) -> float:
    """Learning rate of step number `step`.

    The first `warmup_steps` steps rise linearly, from 1 / warmup_steps of the peak to the peak. After them `constant`
    stays there, and `linear` falls by equal amounts so that it would be 0 one step past the last.

    Args:
        step: 0 for the first step.
        steps: steps of the run.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "linear":
        return config.learning_rate * max(0, steps - step) / (steps - config.warmup_steps)
    return config.learning_rate
