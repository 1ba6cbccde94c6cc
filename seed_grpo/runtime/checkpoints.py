"""Checkpoints of a run: the controller's state beside what every trainer rank wrote, committed as one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from seed_grpo import messages
from seed_grpo.errors import CheckpointError
from seed_grpo.loop import batch
from seed_grpo.loop.batch import OpenGroups
from seed_grpo.loop.interfaces import Trainer
from seed_grpo.records.checkpoint import latest, writing

NUMPY = {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy._core.multiarray", "_reconstruct")}


class GroupsUnpickler(pickle.Unpickler):
    """Reads pickled groups, and refuses anything that could run code which a stranger put into a checkpoint."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of that name, if groups are made of it."""
        if (module, name) in NUMPY:
            return super().find_class(module, name)
        found = {batch.__name__: batch, messages.__name__: messages}.get(module)
        cls = vars(found).get(name) if found else None  # a dotted name would reach all that the module imports
        if isinstance(cls, type) and cls.__module__ == module:
            return cls
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


class Checkpoints:
    """Checkpoints of one run; implements `loop.interfaces.Checkpoints`."""

    def __init__(self, directory: Path, keep: int) -> None:
        """Touches no file yet.

        Args:
            directory: of the checkpoints, on storage that all trainer ranks see.
            keep: how many are kept.
        """
        self._directory = directory.resolve()
        self._keep = keep

    def save(self, step: int, state: dict[str, Any], groups: OpenGroups, trainer: Trainer) -> None:
        """Writes a checkpoint; the earlier ones remain until it is whole.

        Raises:
            CheckpointError: the disk is full, or a rank could not write.
        """
        with writing(self._directory, step, self._keep) as folder:
            (folder / "trainer").mkdir()
            trainer.save(folder / "trainer")
            (folder / "controller.json").write_text(json.dumps(state))
            (folder / "groups.pickle").write_bytes(pickle.dumps(groups))

    def state(self) -> dict[str, Any] | None:
        """The controller's state in the last whole checkpoint; None without one."""
        folder = latest(self._directory)
        return None if folder is None else json.loads((folder / "controller.json").read_text())

    def load(self, trainer: Trainer) -> tuple[dict[str, Any], OpenGroups] | None:
        """Restores the trainer from the last whole checkpoint and returns the controller's state with the groups that
        were open; None without one.

        Raises:
            CheckpointError: it does not fit, or holds what it must not.
        """
        folder = latest(self._directory)
        if folder is None:
            return None
        try:
            with (folder / "groups.pickle").open("rb") as file:
                groups = GroupsUnpickler(file).load()
        except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{folder}/groups.pickle is not one that this version wrote ({error}). If another version of seed_grpo "
                "wrote it, resume with that one; if the file is damaged, delete this checkpoint: the one before "
                "is then resumed"
            ) from error
        trainer.load(folder / "trainer")
        return json.loads((folder / "controller.json").read_text()), groups
