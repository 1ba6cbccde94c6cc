"""Checkpoints of a run: the controller's state beside what every trainer rank wrote, committed as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seed_grpo.interfaces import Trainer
from seed_grpo.train.checkpoint import latest, writing


class Checkpoints:
    """See `interfaces.Checkpoints`."""

    def __init__(self, directory: Path, keep: int) -> None:
        """Args:
        directory: of the checkpoints, on storage that all trainer ranks see.
        keep: how many are kept.
        """
        self._directory = directory.resolve()
        self._keep = keep

    def save(self, step: int, state: dict[str, Any], trainer: Trainer) -> None:
        """Writes a checkpoint; until it is whole, the earlier ones stand.

        Raises:
            CheckpointError: the disk is full, or a rank could not write.
        """
        with writing(self._directory, step, self._keep) as folder:
            (folder / "trainer").mkdir()
            trainer.save(folder / "trainer")
            (folder / "controller.json").write_text(json.dumps(state))

    def load(self, trainer: Trainer) -> dict[str, Any] | None:
        """Restores the trainer from the last whole checkpoint and returns the controller's state; None without one."""
        folder = latest(self._directory)
        if folder is None:
            return None
        trainer.load(folder / "trainer")
        return json.loads((folder / "controller.json").read_text())
