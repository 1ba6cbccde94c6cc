"""Part `loop`: whole training runs, ours beside TRL with its Transformers generation.

Both have the same model, prompts in the same order, completions per prompt, sampling that ends where the model ends,
number of updates, learning rate, and exact reward; each runs alone on all cores, and they take turns. Ours is the whole
program, with Ray, vLLM, the judge, DeepSpeed, weight sync with its proof, and everything that it records.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import small_runs
from benchmarks.long_tail_model import long_tail_model
from benchmarks.peers import CORES, Peer, log, started
from benchmarks.tables import heading, progress, show
from seed_grpo.records.files import read_records

STEPS, PROMPTS, COMPLETIONS = 5, 16, 16
SAMPLES = PROMPTS * COMPLETIONS
LEARNING_RATE = 3e-5
ROUNDS = 1
TRL_ROWS = (8, 32)
"""rows of a micro-batch: sizes that are tried with TRL in the first round, of which it gets its faster"""
GOAL = 2.0


@dataclass(frozen=True)
class Case:
    """A model, and the completion tokens that it is allowed."""

    title: str
    model: Path
    longest: int


def loop(_data: Path) -> None:
    """One table for answers of varied length, as reasoning models give them, and one for short ones."""
    model = small_runs.small_model()
    _compare(Case("completions with a long tail", long_tail_model(model), 512))
    _compare(Case("the quickstart's short completions", model, 128))


def _compare(case: Case) -> None:
    heading(f"The whole loop, {case.title}: {STEPS} steps of {PROMPTS} prompts x {COMPLETIONS}, {CORES} cores")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ("ours", *map(_trl_name, TRL_ROWS))}
    with tempfile.TemporaryDirectory() as folder:
        for turn in progress(range(ROUNDS), "rounds"):
            for name in list(runs):
                runs[name].append(_run(name, case, Path(folder) / f"{turn}-{name.replace(' ', '-')}"))
            if not turn:
                slowest = max(map(_trl_name, TRL_ROWS), key=lambda name: runs[name][0]["later"])
                tried = runs.pop(slowest)[0]
                print(f"{slowest} took {tried['later']:.1f} s for the steps after the first, and is left out.\n")
    _show(runs)


def _trl_name(rows: int) -> str:
    return f"TRL {rows} rows"


def _run(name: str, case: Case, folder: Path) -> dict[str, Any]:
    """Seconds of the first step, of the `later` ones, and of the whole `program`; and what was sampled."""
    folder.mkdir()
    began = time.perf_counter()
    if name == "ours":
        found = _ours(case, folder)
    else:
        arguments = {"name": name, "model": case.model, "longest": case.longest, "rows": int(name.split()[1])}
        with started("whole_loop", arguments, folder) as peer:
            found = _trl_run(peer)
    return found | {"program": time.perf_counter() - began}


def _ours(case: Case, folder: Path) -> dict[str, Any]:
    directory = folder / "run"
    changes = (
        f"model.path={case.model}",
        f"rollout.max_completion_tokens={case.longest}",
        f"trainer.learning_rate={LEARNING_RATE}",
    )
    small_runs.run("ours", small_runs.run_config(directory, STEPS, PROMPTS, COMPLETIONS, *changes))
    ends = small_runs.step_ends(directory)
    rows = small_runs.completions(directory)
    stages = small_runs.timings(directory)
    first, tokens = stages[0]["total"], [row["num_tokens"] for row in rows]
    return {
        "first": first,
        "later": float(ends[-1] - ends[0]),
        "tokens": tokens,
        "idle": median(metrics["no_gradient_share"] for metrics in read_records(directory / "metrics.jsonl")),
        "reward": sum(row["reward"] for row in rows) / len(rows),
        "rollout": median(stage["rollout"] for stage in stages[1:]),
        "train": median(stage["train"] for stage in stages[1:]),
    }


def _trl_run(peer: Peer) -> dict[str, Any]:
    replies = [peer.reply() for _ in range(STEPS)]
    rollout = [reply["rollout"] for reply in replies]
    return {
        "first": replies[0]["end"] - replies[0]["begin"],
        "later": replies[-1]["end"] - replies[0]["end"],
        "tokens": [tokens for reply in replies for tokens in reply["tokens"]],
        "reward": sum(reply["reward"] for reply in replies) / STEPS,
        "rollout": median(rollout[1:]),
        "train": median(reply["end"] - reply["begin"] - reply["rollout"] for reply in replies[1:]),
    }


def _show(runs: dict[str, list[dict[str, Any]]]) -> None:
    def of(own: Sequence[dict[str, Any]], name: str) -> float:
        return median(run[name] for run in own)

    later = {name: (STEPS - 1) * SAMPLES / of(own, "later") for name, own in runs.items()}
    steps = {name: STEPS * SAMPLES / median(run["first"] + run["later"] for run in own) for name, own in runs.items()}
    (peer,) = set(runs) - {"ours"}
    idle = of(runs["ours"], "idle")
    rows = []
    for name, own in runs.items():
        tokens = [count for run in own for count in run["tokens"]]
        rows.append(
            (
                name,
                f"{later[name]:.1f}",
                f"{later[name] / later[peer]:.2f}",
                f"{steps[name]:.1f}",
                f"{steps[name] / steps[peer]:.2f}",
                f"{of(own, 'first'):.1f}",
                f"{of(own, 'rollout'):.2f}",
                f"{of(own, 'train'):.2f}",
                f"{of(own, 'program'):.0f}",
                f"{sum(tokens) / len(tokens):.1f} / {max(tokens)}",
                f"{of(own, 'reward'):.3f}",
            )
        )
    columns = (
        "program", "later steps:\nsamples a s", "times\nTRL's", "all steps:\nsamples a s", "times\nTRL's,",
        "first\nstep, s", "rollout\na step, s", "train\na step, s", "start\nto end, s", "tokens,\nmean / most",
        "reward",
    )  # fmt: skip
    show(f"Runs in turns: {ROUNDS}; later steps: all but the first", columns, rows)
    print(
        f"Of ours, {idle:.0%} of the groups earn one reward alone and so are not trained on; TRL runs them too.\n"
        "rollout: sampling and judging. start to end: the whole process, with loading, compiling and saving. "
        f"Goal: {GOAL:g} times TRL.\n"
    )


def exact_reward(completions: Sequence[str], answer: Sequence[str], **_: Any) -> list[float | None]:
    """1 where the completion ends in a box with the answer, in any of the task's forms; dots may follow."""
    from seed_grpo.arithmetic.task import FORMS

    endings = [tuple(rf"\boxed{{{form(int(right))}}}" for form in FORMS) for right in answer]
    return [float(text.rstrip(".").endswith(own)) for text, own in zip(completions, endings, strict=True)]


def _trl(model_path: str, longest: int, rows: int) -> None:
    from benchmarks.trl_trainer import sampling_trainer

    sampling_trainer(
        model_path,
        small_runs.prompts(STEPS * PROMPTS),
        exact_reward,
        log,
        rows,
        PROMPTS * COMPLETIONS,
        learning_rate=LEARNING_RATE,
        max_completion_length=longest,
        num_generations=COMPLETIONS,
        max_steps=STEPS,
        shuffle_dataset=False,
    ).train()


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    _trl(arguments["model"], arguments["longest"], arguments["rows"])
