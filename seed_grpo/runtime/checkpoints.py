"""Checkpoints of a run: the controller's state beside what every trainer rank wrote, committed as one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from seed_grpo.interfaces import OpenGroups, Trainer
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

    def save(self, step: int, state: dict[str, Any], groups: OpenGroups, trainer: Trainer) -> None:
        """Writes a checkpoint; until it is whole, the earlier ones stand.

        Raises:
            CheckpointError: the disk is full, or a rank could not write.
        """
        with writing(self._directory, step, self._keep) as folder:
            (folder / "trainer").mkdir()
            trainer.save(folder / "trainer")
            (folder / "controller.json").write_text(json.dumps(state))
            (folder / "groups.pickle").write_bytes(pickle.dumps(groups))

    def load(self, trainer: Trainer) -> tuple[dict[str, Any], OpenGroups] | None:
        """Restores the trainer from the last whole checkpoint and returns the controller's state with the groups that
        were open; None without one."""
        folder = latest(self._directory)
        if folder is None:
            return None
        trainer.load(folder / "trainer")
        groups = pickle.loads((folder / "groups.pickle").read_bytes())  # our own file, as the trainer's beside it
        return json.loads((folder / "controller.json").read_text()), groups
