"""Functions that the tables of several peers share: from values of a peer to a value of ours.

Each returns a value, a `Differs`, or None where there is nothing to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from seed_grpo.importing.rules import Differs

STEPS = 100
"""steps that are written where the file counts passes over data of unknown size"""
GROUP = 8
"""completions of a prompt that are written where the file has no groups"""


def always(value: Any) -> Callable[..., Any]:
    """A maker of one value, whatever it reads."""
    return lambda *_: value


def unless(expected: Any, why: str) -> Callable[[Any], Any]:
    """A maker that writes nothing, and says what differs where the peer's value is not the expected one."""
    return lambda value: None if value == expected else Differs(None, why)


def directory(*names: Any) -> str:
    """A run directory named after the first of the peer's names: never its own folder, which may hold its results."""
    for name in names:
        if isinstance(name, str):
            stem = re.sub(r"[^\w.-]+", "-", PurePosixPath(name).name if "$" not in name else "").strip("-.")
            if stem:
                return f"runs/{stem}"
    return "runs/imported"


def sources(text: str | None) -> str | list[str] | None:
    """One data set, or several with commas between."""
    return text.split(",") if text is not None and "," in text else text


def transport(gpus: int) -> str | None:
    """Transport of weights where sampling and training have one GPU between them; None leaves the choice to a run."""
    return "ipc" if gpus == 1 else None


def steps(most: int | None, passes: float, prompts: int, problems: int | None) -> Any:
    """Steps of a run.

    Args:
        most: steps that the file asks for; None, 0 or less: none.
        passes: over the data.
        prompts: of a step.
        problems: in the data set, if the user said so.
    """
    if most is not None and most > 0:
        return max(1, int(most))
    if problems:
        return max(1, int(passes * problems / prompts))
    return Differs(
        STEPS,
        f"SET run.steps: the file counts passes over the data, and {passes:g} x problems / {prompts} are the steps; "
        f"{STEPS} stand for them. `--problems N` computes them",
    )


def group(size: int) -> Any:
    """Completions of a prompt."""
    if size >= 2:
        return size
    return Differs(GROUP, f"{size} completion of a prompt has nothing to be compared with; {GROUP} are written")


def temperature(value: float) -> Any:
    """Sampling temperature, within vLLM's bounds."""
    if 0.01 <= value <= 2:
        return value
    return Differs(min(max(value, 0.01), 2.0), "the temperature goes from 0.01 to 2")


def top_p(value: float) -> Any:
    """Nucleus of sampling, which has to be whole."""
    if value == 1:
        return None
    return Differs(None, "a run samples from the whole distribution, which is the one that it trains; top_p is 1")


def engines(gpus: int, tensor_parallel: int) -> int:
    """Engines on half of so many GPUs."""
    return max(1, (gpus - gpus // 2) // tensor_parallel)


def halved(gpus: int, about: str | None = None, size: int = 1) -> Any:
    """Trainer ranks on the other half.

    Args:
        size: ranks that share each sequence.
    """
    if gpus <= 1:
        return 1
    return Differs(
        max(size, gpus // 2 - gpus // 2 % size),
        f"sampling and training share the {gpus} GPUs there; here each has its own, and half of them is written for "
        "either. `seed-grpo plan` finds the best split",
        about,
    )


def updates(completions: int, batch: int, prompts: int, of_batch: str) -> Any:
    """Optimiser updates of a step, each on as many whole prompts.

    Args:
        completions: of a step.
        batch: completions of an update.
        prompts: of a step.
        of_batch: name of the setting that `batch` is.
    """
    count = max(1, round(completions / batch))
    if completions % batch == 0 and prompts % count == 0:
        return count
    nearest = max(number for number in range(1, count + 1) if prompts % number == 0)
    return Differs(
        nearest,
        f"{completions} completions of a step in updates of {batch} are not so many whole prompts; {nearest} updates",
        of_batch,
    )


def tokens(sequences: int, prompt: int, completion: int) -> int:
    """Tokens of a packed micro-batch that holds as much as so many padded sequences."""
    return max(1, sequences) * (prompt + completion)


def lora(rank: int, alpha: int, modules: Any) -> Any:
    """Low-rank adapters; None for full training."""
    if not rank:
        return None
    targets = [modules] if isinstance(modules, str) and modules != "all-linear" else modules
    return {"rank": int(rank), "alpha": int(alpha), "target_modules": targets or "all-linear"}


SCHEDULES: Mapping[str, str] = {"constant": "constant", "constant_with_warmup": "constant", "linear": "linear"}


def schedule(name: str) -> Any:
    """Schedule of the learning rate."""
    if name in SCHEDULES:
        return SCHEDULES[name]
    return Differs("constant", f"no schedule {name}: the learning rate is constant here, behind the warm-up")


def warmup(count: float, share: float, most: int | None, passes: float, prompts: int, problems: int | None) -> Any:
    """Steps of warm-up, given as their number or as a share of the run; the rest as in `steps`."""
    if 0 < count < 1:
        count, share = 0, count
    if count >= 1:
        return int(count)
    if share <= 0:
        return 0
    whole = steps(most, passes, prompts, problems)
    if isinstance(whole, Differs):
        return Differs(
            int(share * whole.value), f"SET trainer.warmup_steps: {share:g} of the steps, for which {whole.value} stand"
        )
    return int(share * whole)


def trackers(project: str | None, on: object = True) -> Any:
    """TensorBoard, and Weights & Biases where the peer logs to a project there."""
    return [{"use": "tensorboard"}, {"use": "wandb", "project": project}] if project and on else None


def every(count: float | None, of: str) -> Any:
    """Steps between two acts; None where there are none."""
    if count is None or count <= 0:
        return None
    if count < 1:
        return Differs(None, f"a share of the run; {of} is a number of steps")
    return int(count)
