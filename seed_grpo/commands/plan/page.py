"""The page of `seed-grpo plan`: what `sizing` finds, and all that it assumes.

Consumes the configuration and a number of GPUs; produces text. It computes nothing of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from seed_grpo.commands.plan.sizing import (
    ALL_REDUCE,
    COMPLETION_SHARE,
    ENGINE_WORKING,
    FLOPS,
    GIB,
    HBM,
    HBM_SHARE,
    JUDGE_SECONDS,
    PROMPT_SHARE,
    RESERVED_SHARE,
    TOKEN_STEP,
    Sizing,
    Split,
    gib,
)
from seed_grpo.config import Config
from seed_grpo.errors import ConfigError
from seed_grpo.pretrained.shape import read_shape


def plan_page(
    config: Config, gpus: int, gpu_memory_gib: float = 80.0, gpus_per_node: int = 8, link_gb_per_s: float = 50.0
) -> str:
    """The page of `seed-grpo plan`: memory, the best splits, the settings of the first, and what all of it assumes.

    Raises:
        ConfigError: the configuration is for the CPU, a number is not above 0, or nothing fits.
        ModelError: the model's config.json cannot be had or is of another kind.
    """
    if config.cluster.device != "cuda" or min(gpus, gpu_memory_gib, gpus_per_node, link_gb_per_s) <= 0:
        numbers = f"{gpus} GPUs of {gpu_memory_gib} GiB, {gpus_per_node} in a machine, linked at {link_gb_per_s} GB/s"
        raise ConfigError(
            f"{numbers}, cluster.device={config.cluster.device}: a plan needs numbers above 0 and cluster.device=cuda"
        )
    count, link = (1, math.inf) if config.transport == "ipc" else (gpus, link_gb_per_s * 1e9)  # there nothing is sent
    run = Sizing(config, read_shape(config.model), count, gpu_memory_gib * GIB, gpus_per_node, link)
    splits, (prompt, completion), sent = run.splits(), run.mean_tokens(), run.sync_bytes()
    return f"""\
{_memory(run, splits[0])}

{_times(run, splits)}

Estimates, not measured on any GPU: expect memory to be off by a fifth, time by a factor of two. Assumed:
- {config.completions_per_step:,} completions of {completion:g} tokens on prompts of {prompt:g} (\
{COMPLETION_SHARE:.0%} and {PROMPT_SHARE:.0%} of the longest allowed), all trained on
- sampling reads an engine's weights each token step, and caches, at {HBM_SHARE:.0%} of {HBM / 1e12:g} TB/s (H100);
  {TOKEN_STEP * 1e3:g} ms a token step besides, {ALL_REDUCE * 1e6:g} us an exchange; without staleness up to the longest
- training: {run.flop()} FLOP a parameter and token of a rank, at {FLOPS / 1e12:g} TFLOP/s
- weight sync: {sent / 1e9:.2f} GB at {link / 1e9:g} GB/s, {sent / link:.2f} s
- for CUDA and NCCL, {RESERVED_SHARE:.0%} of a trainer's GPU and {gib(ENGINE_WORKING)} GiB of an engine's
Not counted: attention's FLOP, exchanges of ZeRO, Adam on the CPU, evaluation, checkpoints, restarts"""


def _memory(run: Sizing, best: Split) -> str:
    model, least, parts = run.config.model, run.config.trainer.sequence_parallel_size, run.rank(best.stage, best.ranks)
    numbers = [n for k in range(12) if (n := 2**k * least) <= run.gpus]
    sums = {stage: [gib(*run.rank(stage, n).values()) for n in numbers] for stage in (1, 2, 3)}
    ranks = [[f"ZeRO-{stage}", *sizes, run.smallest(stage) or "none"] for stage, sizes in sums.items()]
    engines = [[n, gib(run.weights(n)), f"{run.cache(n):,.0f}", run.sequences(n)] for n in run.tensor_parallel_sizes()]
    host = 20 * run.shape.trained(model) / best.ranks * (run.config.trainer.offload != "none")
    return (
        f"{model.path}: {run.shape.parameters:,} parameters, {run.shape.trained(model):,} of them trained\n\n"
        f"GiB of a trainer rank, by number of ranks ({gib(run.room)} may be taken), and the fewest that fit\n"
        f"{_table(['', *numbers, 'fewest'], ranks)}\nZeRO-{best.stage} over {best.ranks}: {gib(*parts.values())} = "
        + " + ".join(f"{gib(size)} {part}" for part, size in parts.items() if size)
        + f"; of the CPU's memory at most {gib(host)}\n\nA GPU of an engine, by rollout.tensor_parallel_size\n"
        + _table(["GPUs", "GiB of weights", "bytes of cache a token", f"sequences of {run.longest} tokens"], engines)
    )


def _times(run: Sizing, splits: Sequence[Split]) -> str:
    verifier, best, tokens = run.config.verifier, splits[0], run.config.completions_per_step * run.mean_tokens()[1]
    header = ["seconds a step", "GPUs", "ranks", "ZeRO", "engines", "GPUs each", "sampling", "training", "tokens/s"]
    rows = [[f"{v:.1f}" if isinstance(v, float) else v for v in s] + [f"{tokens / s.seconds:,.0f}"] for s in splits[:6]]
    judge = JUDGE_SECONDS.get(verifier.relation, verifier.judge_timeout * len(verifier.code_inputs))
    judges = math.ceil(run.config.completions_per_step * judge / best.seconds)
    cores = ((best.engines, run.config.rollout), (judges, verifier), (best.ranks, run.config.trainer))
    return (
        f"The best splits at run.max_staleness={run.config.run.max_staleness}\n{_table(header, rows)}\n"
        f"That of the file: {_own(run)}\n\n"
        f"Settings of the first ({sum(n * section.cpus_per_worker for n, section in cores):g} CPU cores)\n"
        f"  rollout: {{ num_workers: {best.engines}, tensor_parallel_size: {best.tensor_parallel} }}\n"
        f"  verifier: {{ num_workers: {judges} }}  # {judge:g} s a completion\n"
        f"  trainer: {{ num_workers: {best.ranks}, zero_stage: {best.stage} }}"
    )


def _own(run: Sizing) -> str:
    """Seconds a step of the split that the configuration has, or why it cannot be."""
    trainer, rollout = run.config.trainer, run.config.rollout
    ranks, stage, size = trainer.num_workers, max(trainer.zero_stage, 1), rollout.tensor_parallel_size
    needs = ranks - run.shared + rollout.num_workers * size
    faults = [f"needs {needs} of {run.gpus} GPUs"] if needs > run.gpus else []
    if (taken := sum(run.rank(stage, ranks).values())) > run.room:
        faults.append(f"a rank takes {gib(taken)} of {gib(run.room)} GiB")
    if not run.sequences(size):
        faults.append(f"an engine of {size} GPUs holds no sequence of {run.longest} tokens")
    named = f"{ranks} ranks of ZeRO-{stage}, {rollout.num_workers} engines of {size} GPUs"
    seconds = "" if faults else f"{run.split(ranks, stage, rollout.num_workers, size).seconds:.1f}"
    return f"{named}: {'; '.join(faults) or seconds}"


def _table(header: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
