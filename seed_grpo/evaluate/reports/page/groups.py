"""Recorded groups of the page: an index with a value per group and column, and each group's payload.

Consumes recorded groups, one at a time; produces columns that the browser filters and sorts by, intervals by step, and
payloads for JSON. Numbers have six significant digits; None stands for what is not there.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from seed_grpo.algo.dynamic_sampling import is_informative
from seed_grpo.evaluate.metrics.intervals import mean_interval
from seed_grpo.evaluate.reports.page.tokens import surprisal_bytes
from seed_grpo.messages import Verdict
from seed_grpo.records.rollout_table import RecordedGroup

TABLES = ("rollouts", "evaluations")
"""folders of the run directory with groups; the index has their places in this tuple"""
LETTERS = {
    Verdict.CORRECT: "c",
    Verdict.INCORRECT: "i",
    Verdict.NO_ANSWER: "n",
    Verdict.TIMED_OUT: "t",
    Verdict.VERIFIER_ERROR: "e",
}
"""verdicts in the index, a letter a completion"""
COLUMNS = (
    "table",
    "step",
    "group",
    "problem",  # place in `problems`, as the next three in the list of their name
    "source",
    "level",
    "state",
    "reward",  # mean of the valid completions
    "entropy",  # semantic, nats; None with fewer than two completions in the partition
    "mixed",  # whether the rewards of the valid completions differ
    "scale",
    "classes",
    "staleness",  # versions between the policy of the step and the oldest token; None in an evaluation
    "tokens",  # mean of the completions
    "verdicts",
    "chunk",
    "place",
)


class GroupIndex:
    """Columns of groups, in the order in which they were added."""

    def __init__(self, reasons: Mapping[tuple[int, int], str]) -> None:
        """Begins without groups.

        Args:
            reasons: why groups of the training were dropped, by step and group id.
        """
        self._reasons = reasons
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._names: dict[str, dict[Any, int]] = {name: {} for name in ("problem", "source", "level", "state")}

    def add(self, table: str, group: RecordedGroup, place: tuple[int, int]) -> None:
        """Adds a group.

        Args:
            table: one of TABLES.
            place: number of the payload's chunk, and its place there.
        """
        in_partition = int((group.class_ids_G >= 0).sum())
        versions = group.versions_G[group.versions_G[:, 0] >= 0, 0]
        trained_table = table == TABLES[0]
        row = {
            "table": TABLES.index(table),
            "step": group.step,
            "group": group.group_id,
            "problem": self._place("problem", (group.problem_id, group.prompt)),
            "source": self._place("source", group.dataset or group.source),
            "level": self._place("level", group.level),
            "state": self._place("state", self._state(trained_table, group)),
            "reward": _mean(group.rewards_G[group.valid_G]),
            "entropy": _number(group.semantic_entropy) if in_partition > 1 else None,
            "mixed": int(is_informative(group.rewards_G, group.valid_G)),
            "scale": None if group.scale is None else _number(group.scale),
            "classes": group.num_classes,
            "staleness": int(group.step - 1 - versions.min()) if trained_table and len(versions) else None,
            "tokens": _mean(group.num_tokens_G),
            "verdicts": "".join(LETTERS[verdict] for verdict in group.verdicts_G),
            "chunk": place[0],
            "place": place[1],
        }
        for name, value in row.items():
            self._columns[name].append(value)

    def columns(self) -> dict[str, Any]:
        """The columns by name, and beside them the lists `problems` (id, text), `sources`, `levels`, `states`."""
        return {"columns": self._columns, **{f"{name}s": list(places) for name, places in self._names.items()}}

    def bands(self) -> dict[str, dict[str, list[Any]]]:
        """Mean with its 95% interval (Student's t) over the training groups of each step, for `reward` and
        `semantic_entropy`: lists `step`, `value`, `low`, `high`."""
        return {"reward": self._band("reward"), "semantic_entropy": self._band("entropy")}

    def _band(self, name: str) -> dict[str, list[Any]]:
        by_step: dict[int, list[float]] = {}
        columns = self._columns
        for table, step, value in zip(columns["table"], columns["step"], columns[name], strict=True):
            if table == 0 and value is not None:
                by_step.setdefault(step, []).append(value)
        intervals = [mean_interval(by_step[step]) for step in sorted(by_step)]
        return {
            "step": sorted(by_step),
            "value": [_number(interval.value) for interval in intervals],
            "low": [_number(interval.low) for interval in intervals],
            "high": [_number(interval.high) for interval in intervals],
        }

    def _state(self, trained_table: bool, group: RecordedGroup) -> str:
        if not trained_table:
            return "greedy" if group.temperature == 0 else "sampled"
        if group.scale is not None:
            return "trained"
        reason = self._reasons.get((group.step, group.group_id))
        return "dropped" if reason is None else f"dropped: {reason}"

    def _place(self, name: str, value: Any) -> int:
        places = self._names[name]
        return places.setdefault(value, len(places))


def group_payload(group: RecordedGroup) -> dict[str, Any]:
    """Everything that the page shows of one group beyond its row in the index.

    With tokens: `ids` [G][T], and `surprisals`, a base64 text of T bytes per completion (`surprisal_bytes`).
    """
    payload = {
        "subject": group.subject,
        "references": group.references,
        "temperature": _number(group.temperature),
        "worker": group.rollout_worker,
        "texts": group.texts_G,
        "verdicts": [str(verdict) for verdict in group.verdicts_G],
        "answers": group.answers_G,
        "parsed": group.parsed_G,
        "rules": group.rules_G,
        "classes": group.class_ids_G.tolist(),
        "rewards": _numbers(group.rewards_G),
        "valid": group.valid_G.tolist(),
        "overlong": _numbers(group.overlong_G),
        "advantages": _numbers(group.advantages_G),
        "tokens": group.num_tokens_G.tolist(),
        "logprobs": _numbers(group.mean_logprobs_G),
        "finish": group.finish_reasons_G,
        "versions": group.versions_G.tolist(),
    }
    if group.token_ids_G is not None and group.logprobs_G is not None:
        payload["ids"] = [ids_T.tolist() for ids_T in group.token_ids_G]
        packed = [surprisal_bytes(logprobs_T).tobytes() for logprobs_T in group.logprobs_G]
        payload["surprisals"] = [base64.b64encode(each).decode("ascii") for each in packed]
    return payload


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _mean(values: np.ndarray) -> float | None:
    return _number(float(np.mean(values, dtype=np.float64))) if len(values) else None
