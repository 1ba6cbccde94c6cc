"""Summary of the run for the page: its settings and versions, and its records as columns.

Consumes the configuration and the `.jsonl` records and ledger of a run directory; produces a tree for JSON. It reads no
completions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seed_grpo.config import Config
from seed_grpo.records.files import read_records
from seed_grpo.records.rollout_table import read_table, tables

RECORDS = ("metrics", "evaluations", "timings", "gauges")


def summary(run_directory: Path, config: Config, bands: Mapping[str, Any]) -> dict[str, Any]:
    """All data of the page that is about the run and not about one group.

    Args:
        bands: of `GroupIndex.bands`.

    Raises:
        CheckpointError: a record was damaged from outside.
    """
    records = {name: read_records(run_directory / f"{name}.jsonl") for name in RECORDS}
    return {
        "name": run_directory.resolve().name,
        "facts": _facts(run_directory, config, records),
        "config": (run_directory / "config.yaml").read_text(encoding="utf-8", errors="replace"),
        "bands": bands,
        **{name: _columns(records[name]) for name in RECORDS},
    }


def dropped_reasons(run_directory: Path) -> dict[tuple[int, int], str]:
    """Reasons for which groups were dropped, by step and group id, as the ledger has them."""
    reasons: dict[tuple[int, int], str] = {}
    for file in tables(run_directory / "ledger"):
        rows = read_table(file, ["step", "group_id", "reason"], filters=[("state", "==", "dropped")])
        reasons |= {(row["step"], row["group_id"]): row["reason"] for row in rows.to_pylist()}
    return reasons


def _columns(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Records as columns; a value that a record lacks is None."""
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}


def _facts(
    run_directory: Path, config: Config, records: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[tuple[str, str]]:
    """Labels and values of the page's head."""
    algo, rollout = config.algo, config.rollout
    entropy, scale = algo.semantic_entropy, algo.scale
    steps = len(records["metrics"])
    control = "" if scale.control == "none" else f", control {scale.control}"
    return [
        ("model", f"{config.model.path}, {config.model.dtype}{', LoRA' if config.model.lora else ''}"),
        ("data", f"{config.data.source_name}, template {config.data.template}"),
        ("step", f"{rollout.prompts_per_step} prompts x {rollout.completions_per_prompt} completions"),
        ("semantic entropy", f"{entropy.functional} over {entropy.mass} ({entropy.likelihood})"),
        ("scale", f"{scale.kind}, alpha {scale.alpha:g}{control}"),
        ("advantage", f"{algo.advantage}, loss by {algo.loss.aggregation}"),
        ("learning rate", f"{config.trainer.learning_rate:g}, {config.trainer.schedule}"),
        ("staleness allowed", f"{config.run.max_staleness} versions"),
        ("steps", f"{steps} of {config.run.steps}"),
        ("seed", str(config.run.seed)),
        ("last step", _last_step(run_directory)),
        *_environment(run_directory),
    ]


def _last_step(run_directory: Path) -> str:
    """Time at which the last line was written, in UTC."""
    file = run_directory / "metrics.jsonl"
    if not file.exists():
        return "none yet"
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _environment(run_directory: Path) -> list[tuple[str, str]]:
    file = run_directory / "environment.json"
    if not file.exists():
        return []
    environment = json.loads(file.read_text(encoding="utf-8"))
    versions = [f"{name} {version}" for name, version in environment["packages"].items() if version is not None]
    commit = environment.get("commit") or "unknown"
    machine = f"{environment['cpus']} CPUs, Python {environment['python']}, {environment['platform']}"
    return [("commit", commit[:12]), ("machine", machine), ("versions", ", ".join(versions))]
