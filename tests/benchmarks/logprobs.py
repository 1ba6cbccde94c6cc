"""Part `logprobs`: what log-probabilities and token entropies over a large vocabulary cost in memory and time.

Compares, each in a process of its own, `lean_logprobs` with the plain computation (logits, log_softmax, gather) and
with chunks of rows that are computed anew in the backward pass. Peak memory is that of the process over what was
resident with the inputs in place; the gradients of the inputs are part of it. Gradients must be equal.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from benchmarks.peers import CORES, forget_peak, log, peak_mib, resident_mib, started, wait_for_go
from benchmarks.tables import heading, show
from seed_grpo.train.logprobs import lean_logprobs

TOKENS, VOCABULARY = 4096, 151_936
HIDDEN = 128
ROUNDS = 3
ROWS_PER_CHUNK = 256
"""size of the chunks of rows"""
GOAL = 8
"""times less memory than the plain computation"""

Logprobs = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def logprobs(_data: Path) -> None:
    """All contestants, in turns."""
    heading(f"Log-probabilities: {TOKENS:,} tokens, vocabulary of {VOCABULARY:,}, hidden size {HIDDEN}, float32")
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTESTANTS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for name in CONTESTANTS:
                arguments = {"name": name, "gradients": f"{folder}/{name}.pt"}
                with started("logprobs", arguments, Path(folder)) as peer:
                    results[name].append(peer.go())
        gradients = {name: torch.load(f"{folder}/{name}.pt") for name in CONTESTANTS}
    plain = _median(results["plain"], "peak")
    rows = []
    for name, runs in results.items():
        peak, difference = _median(runs, "peak"), _difference(gradients[name], gradients["plain"])
        seconds = [f"{_median(runs, kind):.2f}" for kind in ("forward", "backward")]
        rows.append((name, f"{peak:,.0f}", f"1/{plain / peak:.1f}", *seconds, difference))
    inputs = _median(results["plain"], "inputs")
    columns = ("computation", "peak over inputs, MiB", "of plain", "forward, s", "backward, s", "gradients off by")
    show(f"Medians of {ROUNDS} processes each, {CORES} threads; inputs {inputs:,.0f} MiB", columns, rows)
    print(f"The gradients of hidden states and weights alone are {_gradient_mib():,.0f} MiB. Goal: under 1/{GOAL}.\n")


def plain(
    hidden_TH: torch.Tensor, weight_VH: torch.Tensor, targets_T: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of all rows at once."""
    logprobs_TV = torch.log_softmax(hidden_TH @ weight_VH.T, dim=-1)
    entropies_T = -(logprobs_TV.exp() * logprobs_TV).sum(-1)
    return logprobs_TV.gather(1, targets_T.unsqueeze(1)).squeeze(1), entropies_T


def chunks_of_rows(
    hidden_TH: torch.Tensor, weight_VH: torch.Tensor, targets_T: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The plain computation on a few rows at a time, whose logits are computed anew in the backward pass."""
    pairs = zip(hidden_TH.split(ROWS_PER_CHUNK), targets_T.split(ROWS_PER_CHUNK), strict=True)
    parts = [checkpoint(plain, hidden, weight_VH, targets, use_reentrant=False) for hidden, targets in pairs]
    logprobs, entropies = zip(*parts, strict=True)
    return torch.cat(logprobs), torch.cat(entropies)


CONTESTANTS: dict[str, Logprobs] = {"plain": plain, "chunks of rows": chunks_of_rows, "ours": lean_logprobs}


def _median(runs: list[dict[str, Any]], name: str) -> float:
    return sorted(run[name] for run in runs)[len(runs) // 2]


def _difference(ours: list[torch.Tensor], plain: list[torch.Tensor]) -> str:
    """The largest difference of a gradient, as a share of the largest entry."""
    return f"{max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, plain, strict=True)):.1e}"


def _gradient_mib() -> float:
    return 4 * HIDDEN * (TOKENS + VOCABULARY) / 2**20


def _contestant(name: str, gradients: str) -> None:
    """Runs in the process of its own: once on small inputs, so that libraries are loaded, then on the real ones."""
    torch.set_num_threads(CORES)
    compute = CONTESTANTS[name]
    _run(compute, *_inputs(8, 1000))
    inputs = _inputs(TOKENS, VOCABULARY)
    wait_for_go()
    forget_peak()
    before = resident_mib()
    forward, backward = _run(compute, *inputs)
    peak = peak_mib() - before
    hidden_TH, weight_VH, _ = inputs
    torch.save([hidden_TH.grad, weight_VH.grad], gradients)
    input_mib = sum(tensor.nbytes for tensor in inputs) / 2**20
    log(peak=peak, forward=forward, backward=backward, inputs=input_mib)


def _inputs(tokens: int, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden_TH = torch.randn(tokens, HIDDEN, generator=generator).requires_grad_()
    weight_VH = (torch.randn(vocabulary, HIDDEN, generator=generator) / HIDDEN**0.5).requires_grad_()
    return hidden_TH, weight_VH, torch.randint(vocabulary, (tokens,), generator=generator)


def _run(
    compute: Logprobs, hidden_TH: torch.Tensor, weight_VH: torch.Tensor, targets_T: torch.Tensor
) -> tuple[float, float]:
    """Forward and backward pass of a loss in which tokens differ, and entropies count; seconds of each."""
    started = time.perf_counter()
    logprobs_T, entropies_T = compute(hidden_TH, weight_VH, targets_T)
    forward = time.perf_counter() - started
    weights_T = torch.linspace(-1, 1, len(targets_T))
    (weights_T * logprobs_T + 0.1 * entropies_T).mean().backward()
    return forward, time.perf_counter() - started - forward


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    _contestant(arguments["name"], arguments["gradients"])
