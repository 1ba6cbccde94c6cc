"""Replay of one recorded step under any settings: the scales and advantages that its completions would have got.

Consumes a step's table of completions and its ledger; produces the groups as the step took them, and their scales and
advantages, by the very functions that the controller trains with. It samples and judges nothing: meaning classes,
rewards and log-probabilities are those on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seed_grpo.algo.estimate import GroupOutcome, estimate
from seed_grpo.config import Config
from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.metrics.estimators import recorded_semantic_entropy
from seed_grpo.loop.ledger import NOT_FINITE
from seed_grpo.loop.queue import Urgency, urgency
from seed_grpo.records.rollout_table import RecordedGroup, read_groups, read_table
from seed_grpo.seeds import Use, derive_seed

SCALE_TOLERANCE, ADVANTAGE_TOLERANCE = 1e-9, 1e-5
"""largest differences between record and replay that are rounding; advantages are recorded in float32"""


class RecordedStep(NamedTuple):
    """The groups of one step."""

    batch: list[RecordedGroup]
    """[P] groups that the step computed scales for, in the order in which it took them: the trained ones, and those
    dropped because their loss or gradient was not finite"""
    dropped: list[RecordedGroup]
    """all groups that were not trained, whether in the batch or not"""


class Replay(NamedTuple):
    """Groups of one step under some settings."""

    scale_P: np.ndarray
    unscaled_PG: list[np.ndarray]
    """[P] advantages [G] before the scale"""
    clipped_P: np.ndarray
    """[P] bool, true if the entropy estimate exceeded its maximum"""


def recorded_step(table: Path, ledger: Path) -> RecordedStep:
    """The groups of a step.

    Args:
        table: of the step's completions.
        ledger: the step's table of the ledger, which tells why a group was dropped.
    """
    rows = read_table(ledger, ["group_id"], filters=[("reason", "==", NOT_FINITE)])
    not_finite = set(rows["group_id"].to_pylist())
    groups = list(read_groups([table]))
    batch = [group for group in groups if group.scale is not None or group.group_id in not_finite]
    return RecordedStep(sorted(batch, key=_urgency), [group for group in groups if group.scale is None])


def replay(groups: Sequence[RecordedGroup], config: Config) -> Replay:
    """Scales and advantages of one step's groups [P] under `config.algo`, as the controller makes them.

    Args:
        groups: [P], in the order in which the step took them.
        config: `run.seed` and `rollout.max_completion_tokens` enter too.

    Raises:
        ConfigError: the entropy is of intermediate results, which are not on record.
    """
    if config.algo.semantic_entropy.granularity == "step":
        raise ConfigError(
            "algo.semantic_entropy.granularity=step cannot be replayed: the classes of intermediate results are not on "
            "record; try algo.semantic_entropy.granularity=answer in a run of its own"
        )
    entropies = [recorded_semantic_entropy(group, config.algo.semantic_entropy) for group in groups]
    version = groups[0].step - 1 if groups else 0  # that the step started from
    estimated = estimate(
        [
            GroupOutcome(
                semantic_entropy=entropy.value,
                entropy_max=entropy.maximum,
                rewards_G=group.rewards_G,
                valid_G=group.valid_G,
                num_tokens_G=group.num_tokens_G,
            )
            for entropy, group in zip(entropies, groups, strict=True)
        ],
        config.algo,
        config.rollout.max_completion_tokens,
        np.random.default_rng(derive_seed(config.run.seed, Use.CONTROL, version)),
    )
    clipped_P = np.array([entropy.clipped for entropy in entropies], dtype=bool)
    return Replay(estimated.scale_P, estimated.unscaled_PG, clipped_P)


def differences(batch: Sequence[RecordedGroup], own: Replay, config_file: Path) -> tuple[float, float]:
    """The largest differences, of scales and of advantages, between the record of a step and its replay.

    Args:
        batch: [P] of `recorded_step`.
        own: their replay under the run's own settings.
        config_file: where these were read; for the message.

    Raises:
        ConfigError: they are more than rounding.
    """
    by_scale, by_advantage = 0.0, 0.0
    for group, scale, unscaled_G in zip(batch, own.scale_P, own.unscaled_PG, strict=True):
        if group.scale is None:
            continue
        by_scale = max(by_scale, float(abs(group.scale - scale)))
        by_advantage = max(by_advantage, float(np.abs(group.advantages_G - scale * unscaled_G).max()))
        if by_scale > SCALE_TOLERANCE or by_advantage > ADVANTAGE_TOLERANCE:
            raise ConfigError(
                f"{config_file} does not give back what the run recorded: group {group.group_id} of step {group.step} "
                f"has scale {group.scale:.9g}, replayed {scale:.9g}, and its advantages differ by up to "
                f"{by_advantage:.2g}. Put back the config.yaml and the tables that the run wrote together. A control "
                "(algo.scale.control) cannot be replayed if a step's table lacks groups lost with a machine, or if the "
                "step did not take the groups of the oldest weights first"
            )
    return by_scale, by_advantage


def _urgency(group: RecordedGroup) -> Urgency:
    versions = group.versions_G[:, 0][group.versions_G[:, 0] >= 0]
    return urgency(int(versions.min()) if len(versions) else -1, group.group_id)
