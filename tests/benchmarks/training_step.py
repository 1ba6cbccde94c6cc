"""Part `step`: one optimiser step on a batch of judged completions, ours beside plain Transformers code and TRL.

All contestants have the same model, batch and threads; each has a process of its own and they take turns. Sizes of
micro-batches are tried first, and each contestant gets its fastest. Before it is timed, its loss and gradient norm must
equal those of the others. Tokens are those of prompts and completions; padding counts for nobody.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers import CORES, Peer, started
from benchmarks.step_batch import LONGEST, Size, make_model, make_samples
from benchmarks.tables import heading, show
from seed_grpo.messages import Sample

SIZES = (Size("small vocabulary", 512, rounds=5), Size("vocabulary 32,000", 32_000, rounds=2))
TRIED: dict[str, tuple[str, tuple[int, ...]]] = {
    "Transformers": ("tokens", (1024, 2048)),
    "TRL": ("rows", (1, 2, 4)),
    "ours": ("tokens", (1024, 2048)),
}
"""contestant -> what a micro-batch is measured in, and the sizes that are tried"""
TRIES = 1
"""steps of each setting that is tried"""
EQUAL = 1e-5
"""largest difference of gradient norms, as a share"""
GOAL = 1.5
"""times the throughput of TRL"""


def step(_data: Path) -> None:
    """One table for each model."""
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            _compare(size, Path(name))


def _compare(size: Size, folder: Path) -> None:
    parameters = make_model(size, folder / "model")
    samples = make_samples(size.vocabulary)
    (folder / "samples").write_bytes(pickle.dumps(samples))
    heading(f"One training step: {parameters / 1e6:.1f} million parameters, {size.name}")
    lengths = [len(sample.completion_ids_T) for sample in samples]
    tokens = sum(map(len, samples))
    mean = sum(lengths) / len(lengths)
    print(
        f"{len(samples)} completions of {min(lengths)} to {max(lengths)} tokens, mean {mean:.0f}, median "
        f"{median(lengths):.0f}, {LONGEST} allowed; {tokens:,} tokens with the prompts; {CORES} threads each.\n"
    )
    best = _try_settings(folder, tokens)
    with ExitStack() as stack:
        peers = {name: stack.enter_context(_peer(name, best[name], folder)) for name in TRIED}
        resident = {name: peer.reply()["resident"] for name, peer in peers.items()}
        first = {name: peer.go() for name, peer in peers.items()}
        _check_equal(first)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
        for _ in range(size.rounds):
            for name, peer in peers.items():
                runs[name].append(peer.go())
    _show(samples, best, resident, first, runs)


def _peer(name: str, micro_batch: int, folder: Path) -> Any:
    arguments = {
        "name": f"{name},{micro_batch}",
        "micro_batch": micro_batch,
        "model": folder / "model",
        "samples": folder / "samples",
    }
    return started("training_peers", arguments, folder)


def _try_settings(folder: Path, tokens: int) -> dict[str, int]:
    """The fastest size of a micro-batch of each contestant."""
    best, rows = {}, []
    with ExitStack() as stack:
        peers: dict[tuple[str, int], Peer] = {}
        for name, (_, sizes) in TRIED.items():
            for micro_batch in sizes:
                peers[name, micro_batch] = stack.enter_context(_peer(name, micro_batch, folder))
                peers[name, micro_batch].reply()
        seconds: dict[tuple[str, int], list[float]] = {key: [] for key in peers}
        for turn in range(1 + TRIES):
            for key, peer in peers.items():
                reply = peer.go()
                if turn:  # the first step is slower
                    seconds[key].append(reply["seconds"])
    for name, (unit, sizes) in TRIED.items():
        rates = {size: tokens / min(seconds[name, size]) for size in sizes}
        best[name] = max(sizes, key=rates.__getitem__)
        rows += [
            (name, f"{size} {unit}", f"{rate:,.0f}", "chosen" * (size == best[name])) for size, rate in rates.items()
        ]
    show(f"Sizes of a micro-batch, best of {TRIES} after the first", ("contestant", "size", "tokens a s", ""), rows)
    return best


def _check_equal(first: dict[str, dict[str, Any]]) -> None:
    """The contestants do the same work if the first step's losses and gradients agree."""
    reference = first["Transformers"]
    for name, reply in first.items():
        for number in ("loss", "norm"):
            off = abs(reply[number] - reference[number]) / abs(reference["norm"])
            if off > EQUAL:
                raise RuntimeError(f"{name}'s {number} is {reply[number]}, not {reference[number]}: unequal work")


def _show(
    samples: Sequence[Sample],
    best: dict[str, int],
    resident: dict[str, float],
    first: dict[str, dict[str, Any]],
    runs: dict[str, list[dict[str, Any]]],
) -> None:
    tokens = sum(map(len, samples))
    rate = {name: tokens / median(run["seconds"] for run in own) for name, own in runs.items()}
    cores = {name: median(run["core_seconds"] for run in own) for name, own in runs.items()}
    rows = []
    for name, own in runs.items():
        seconds = [run["seconds"] for run in own]
        peak = own[-1]["peak"]
        rows.append(
            (
                f"{name}, {best[name]} {TRIED[name][0]}",
                f"{median(seconds):.2f}",
                f"{min(seconds):.2f} to {max(seconds):.2f}",
                f"{rate[name]:,.0f}",
                f"{rate[name] / rate['TRL']:.2f}",
                f"{cores[name]:.2f}",
                f"{cores['TRL'] / cores[name]:.2f}",
                f"{peak:,.0f}",
                f"{peak - resident[name]:,.0f}",
                f"{first[name]['loss']:.6f}",
                f"{first[name]['norm']:.6f}",
            )
        )
    columns = (
        "contestant", "s a\nstep", "range", "tokens\na s", "times\nTRL's", "core-s\na step", "times\nTRL's, core-s",
        "peak,\nMiB", "over the loaded\nmodel, MiB", "first\nloss", "first gradient\nnorm",
    )  # fmt: skip
    show(f"Medians of {len(runs['TRL'])} steps in turns, after one to warm up", columns, rows)
    print(
        f"core-s: seconds of all threads together, which other work on the machine disturbs least. Goal: ours at least "
        f"{GOAL} times TRL.\n"
    )
