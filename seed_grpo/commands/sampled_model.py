"""A model that is sampled and not trained, served by both pools: for `evaluate` and `answer`.

Consumes the name of a model, or the directory of a run; produces the configuration to sample it with, and a pipeline
over its engines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seed_grpo.commands.console import Console
from seed_grpo.commands.doctor import check_versions
from seed_grpo.commands.train import export
from seed_grpo.config import Config
from seed_grpo.config.loading import dump_config, load_config, parse_config, read_tree
from seed_grpo.errors import ConfigError
from seed_grpo.extensions import digests
from seed_grpo.records.checkpoint import latest
from seed_grpo.records.files import claimed, write_atomically
from seed_grpo.records.run_directory import MAY_CHANGE, check_same_run, kept_code
from seed_grpo.runtime.assembly import register
from seed_grpo.runtime.cluster.connection import check_cluster, connected
from seed_grpo.runtime.cluster.placement import machine_gpus, make_plan
from seed_grpo.runtime.supervision.supervise import supervise
from seed_grpo.runtime.workers.pipeline import Pipeline

UNUSED_SECTIONS = ("warm_start", "evaluation", "trainer", "weight_sync")
"""sections of a run's settings that do not matter where nothing is trained"""
MARK_BYTES = 2**20
"""bytes at each end of a model's file that identify it"""
WHOLE = {"tokens_per_micro_batch": 2**31}
"""trainer settings under which no completion is too long; there is no trainer"""


def serving_config(
    model: str, completions: int, directory: Path, settings: Path | None, overrides: Sequence[str]
) -> Config:
    """Configuration to sample a model with.

    Args:
        model: a local folder of a Hugging Face model, its hub id, or the directory of a run: then the settings are
            those of the run, and the model is its `policy`, or that of its last checkpoint.
        completions: G, at least 2.
        directory: of what is recorded.
        settings: YAML file like those of runs, whose model is not looked at.
        overrides: strings `section.key=value`.

    Raises:
        ConfigError: a setting does not fit, or the run has nothing to sample from yet.
    """
    file = settings or (Path(model) / "config.yaml" if is_run(model) else None)
    tree = _defaults() if file is None else read_tree(file)
    own = tree.get("run") or {}
    code = kept_code(file.parent) if file is not None and is_run(str(file.parent)) else own.get("code", [])
    for section in UNUSED_SECTIONS:
        tree.pop(section, None)
    tree = {section: values for section, values in tree.items() if values is not None}
    tree["run"] = {"directory": directory, "steps": 1, "seed": own.get("seed", 0), "code": code}
    tree["trainer"] = dict(WHOLE)
    tree["algo"] = {"semantic_entropy": tree.get("algo", {}).get("semantic_entropy", {})}
    tree.setdefault("model", {})["path"] = model
    tree.setdefault("data", {}).update(source="-", sources=(), split="test", format="auto", columns=None, limit=None)
    tree.setdefault("verifier", {}).pop("rewards", None)  # none is asked
    tree.setdefault("rollout", {})["completions_per_prompt"] = completions
    config = parse_config(tree, f"the settings for {model}", list(overrides))
    if config.model.path == model and is_run(model):
        policy = str(_policy_of(Path(model), directory))
        return config.model_copy(update={"model": config.model.model_copy(update={"path": policy})})
    return config


@contextmanager
def served(config: Config, console: Console) -> Iterator[Pipeline]:
    """Both pools at work, until the block ends; `seed-grpo scale` changes their sizes.

    Raises:
        PlacementError: the workers do not fit the machines.
        ModelError: the model is not whole.
    """
    from seed_grpo.pretrained.fit import check_weights  # loads torch, which takes seconds

    check_versions(config)
    console.log(f"{config.model.path}: {check_weights(config.model, trains=False) or 'not on this machine yet'}")
    path = config.run.directory
    write_atomically(path / "config.yaml", dump_config(config).encode())
    write_atomically(path / "model.json", json.dumps(identity(config), indent=1).encode())
    plan = make_plan(config, trains=False)
    with connected(config) as cluster:
        check_cluster(config, plan, cluster)
        console.log(f"Ray dashboard: {cluster.dashboard or 'off'}; records: {path}")
        supervision = supervise(config, path, console.log)
        pipeline = Pipeline(config, plan, None, supervision, console.log)
        register(supervision, pipeline)
        try:
            pipeline.wait_started()
            yield pipeline
        finally:
            pipeline.close()


def is_run(model: str) -> bool:
    """Tells whether the name of a model is the directory of a run."""
    return (Path(model) / "metrics.jsonl").is_file() and (Path(model) / "config.yaml").is_file()


def check_same_sampling(config: Config) -> None:
    """Refuses a directory whose samples were drawn with other settings or code, or from a model that has changed.

    Raises:
        ConfigError: says what differs.
    """
    directory = config.run.directory
    check_same_run(directory, config, {*MAY_CHANGE, "data.limit", "rollout.max_concurrent_sequences"})
    file, present = directory / "model.json", identity(config)
    before = json.loads(file.read_text()) if file.is_file() else present
    changed = sorted(name for name in {*before, *present} if before.get(name) != present.get(name))
    if changed:
        raise ConfigError(
            f"{directory} holds what was sampled from {config.model.path} before {', '.join(changed)} changed; write "
            "into another folder (--out), or delete this one"
        )


def identity(config: Config) -> dict[str, str]:
    """Identity of a local model and of the user's own code: sizes of the model's files and hashes of their ends, and
    digests of the code, by name. A model on the hub has none."""
    model = {file.name: _mark(file) for file in sorted(Path(config.model.path).glob("*")) if file.is_file()}
    return {**model, **{f"code/{name}": digest for name, digest in digests(config.run.code).items()}}


def _mark(file: Path) -> str:
    with file.open("rb") as stream:
        first = stream.read(MARK_BYTES)
        stream.seek(max(0, file.stat().st_size - MARK_BYTES))
        digest = hashlib.sha256(first + stream.read()).hexdigest()
    return f"{file.stat().st_size} {digest[:16]}"


def _defaults() -> dict[str, Any]:
    """Settings for this machine, with or without GPUs."""
    if machine_gpus():
        return {}
    return {
        "model": {"dtype": "float32"},
        "cluster": {"device": "cpu"},
        "rollout": {"enforce_eager": True, "cpus_per_worker": 0.5},
        "verifier": {"cpus_per_worker": 0.25},
    }


def _policy_of(run: Path, directory: Path) -> Path:
    """The model of a run; that of its last checkpoint is written into `directory`, where the run is not through."""
    policy, checkpoint = run / "policy", latest(run / "checkpoints")
    written = policy / "config.json"
    if written.is_file() and (checkpoint is None or written.stat().st_mtime >= checkpoint.stat().st_mtime):
        return policy
    if checkpoint is None:
        raise ConfigError(f"{run} has neither a policy nor a checkpoint yet: train first, or name a model")
    exported = directory / f"policy_{checkpoint.name}"
    with claimed(directory):  # another program may be about to write the same
        if not (exported / "config.json").is_file():
            export(load_config(run / "config.yaml", [f"run.directory={run}"]), exported)
    return exported
