"""The prompt source: an endless sequence of prompts, epoch after epoch, that resumes to the record.

Consumes encoded prompts; produces any number of them at a time. The order of an epoch depends on the seed and the
epoch's number alone, so that two numbers are the whole state; fingerprints of the problems and of their prompts go with
them, for a data file, a template file or the model's chat template may have changed under its name.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from seed_grpo.errors import CheckpointError
from seed_grpo.messages import Problem

Prompt = tuple[Problem, tuple[int, ...]]
"""a problem with its prompt's token ids, [T]"""


class PromptSource:
    """Yields every prompt once an epoch.

    Invariant: `restore(state())` of another source over the same prompts, seed and shuffling goes on with the very
    prompts that this one would hand out next.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int, shuffle: bool = True) -> None:
        """Starts before the first prompt of epoch 0.

        Args:
            prompts: at least one.
            seed: of the orders.
            shuffle: a new order each epoch; else always that of `prompts`.
        """
        assert prompts, "a prompt source needs prompts"
        self._prompts, self._seed, self._shuffle = prompts, seed, shuffle
        self._fingerprint = fingerprint([problem for problem, _ in prompts])
        self._prompts_fingerprint = prompts_fingerprint([prompt_ids for _, prompt_ids in prompts])
        self._begin_epoch(0)

    def take(self, number: int) -> list[Prompt]:
        """The next prompts; continues with the next epoch at the end of one."""
        taken: list[Prompt] = []
        while len(taken) < number:
            if self._position == len(self._order):
                self._begin_epoch(self._epoch + 1)
            indices = self._order[self._position : self._position + number - len(taken)]
            self._position += len(indices)
            taken += [self._prompts[index] for index in indices]
        return taken

    @property
    def taken(self) -> int:
        """Number of prompts handed out so far, over all epochs."""
        return self._epoch * len(self._prompts) + self._position

    def state(self) -> dict[str, Any]:
        """Position in the data, as JSON."""
        return {
            "epoch": self._epoch,
            "position": self._position,
            "num_prompts": len(self._prompts),
            "fingerprint": self._fingerprint,
            "prompts_fingerprint": self._prompts_fingerprint,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes to where `state` was taken.

        Raises:
            CheckpointError: the state is of a source over other problems, or other prompts of them.
        """
        if state["num_prompts"] != len(self._prompts):
            raise CheckpointError(
                f"the checkpoint's data cursor counts {state['num_prompts']} prompts, the data set now gives "
                f"{len(self._prompts)}; resume with the data section, and the files it names, that the run was started "
                "with"
            )
        if state.get("fingerprint") != self._fingerprint:
            raise CheckpointError(
                f"the data set gives {len(self._prompts)} prompts as it did, but not the problems, references or order "
                "that the checkpoint's data cursor counts: a data file has changed under its name. Put back the one "
                "that the run was started with, or begin another run (run.directory) on the new one"
            )
        if state.get("prompts_fingerprint") != self._prompts_fingerprint:
            raise CheckpointError(
                "the data set gives the problems that the checkpoint's data cursor counts, but other prompts of them: "
                "the file of data.template or data.examples, or the model's tokenizer or chat template, has changed "
                "under its name. Put back the one that the run was started with, or begin another run (run.directory) "
                "on the new one"
            )
        self._begin_epoch(state["epoch"])
        self._position = state["position"]

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch, self._position = epoch, 0
        self._order = list(range(len(self._prompts)))
        if self._shuffle:
            random.Random(f"{self._seed} {epoch}").shuffle(self._order)


def fingerprint(problems: Sequence[Problem]) -> str:
    """SHA-256 over all that a prompt and its rewards depend on, in order."""
    digest = hashlib.sha256()
    for problem in problems:
        parts = [problem.id, problem.text, problem.answers, problem.turns, problem.record_json]
        digest.update(json.dumps(parts).encode() + b"\n")
    return digest.hexdigest()


def prompts_fingerprint(prompts: Sequence[Sequence[int]]) -> str:
    """SHA-256 over the token ids of prompts, in order."""
    digest = hashlib.sha256()
    for prompt_ids in prompts:
        digest.update(len(prompt_ids).to_bytes(4, "little") + np.asarray(prompt_ids, dtype="<i4").tobytes())
    return digest.hexdigest()
