"""`seed-grpo warm-start`: the small model of the generated task, made unless it is there."""

from __future__ import annotations

from pathlib import Path

from seed_grpo.arithmetic import warm_start
from seed_grpo.commands.doctor import check_outlives_job
from seed_grpo.config import Config


def make_model(config: Config) -> None:
    """Makes the model of `config.warm_start`, and prints its folder.

    Raises:
        ConfigError: there is no `warm_start` section, or the folder would go with this Ray job.
        ModelError: the folder holds something that no warm start made.
    """
    check_outlives_job("model.path", Path(config.model.path))
    print(f"the model is in {warm_start.warm_start(config, print)}")
