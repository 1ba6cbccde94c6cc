"""A model whose completions have a long tail, for part `loop`: the quickstart's, taught to trail off in dots.

Consumes the quickstart's model; produces a folder beside it. After the answer the model writes a run of dots of
geometric length, so that completions end by themselves, on average after a quarter of the tokens allowed, and their
rewards are mixed as before. It is made in plain torch, once.
"""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.peers import CORES
from seed_grpo.arithmetic import task
from seed_grpo.arithmetic.warm_start import learn

MEAN_DOTS, MOST_DOTS = 100, 300
STEPS, BATCH, LEARNING_RATE = 80, 16, 5e-4
RIGHT_SHARE = 0.1
"""share of the demonstrations, as in the quickstart"""


def long_tail_model(source: Path) -> Path:
    """The model's folder; made of `source` if it is not there."""
    folder = source.with_name("long-tail")
    if (folder / "config.json").exists():
        return folder
    print(f"making {folder}, once", flush=True)
    torch.set_num_threads(CORES)
    torch.manual_seed(0)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95))
    demonstrations = task.demonstrations(1, RIGHT_SHARE)
    rng = random.Random(0)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 - step / STEPS)
        mean = MEAN_DOTS * (step + 1) / STEPS  # growing, so that the model keeps what it knows
        taken = islice(demonstrations, BATCH)
        batch = [each._replace(completion=each.completion + _dots(rng, mean)) for each in taken]
        learn(model, optimizer, batch, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _dots(rng: random.Random, mean: float) -> str:
    return "." * min(MOST_DOTS, int(rng.expovariate(1 / mean)))
