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
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from benchmarks.peers import CORES
from seed_grpo.data import arithmetic

MEAN_DOTS, MOST_DOTS = 100, 300
STEPS, BATCH, LEARNING_RATE = 80, 16, 5e-4
RIGHT_SHARE = 0.1
"""of the demonstrations, as in the quickstart"""
IGNORED = -100


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
    demonstrations = arithmetic.demonstrations(1, RIGHT_SHARE)
    rng = random.Random(0)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 - step / STEPS)
        mean = MEAN_DOTS * (step + 1) / STEPS  # growing, so that the model keeps what it knows
        texts = [(each.prompt, each.completion + _dots(rng, mean)) for each in islice(demonstrations, BATCH)]
        token_ids_BT, labels_BT = _batch(texts, tokenizer)
        logits_BTV = model(input_ids=token_ids_BT).logits
        loss = cross_entropy(logits_BTV[:, :-1].flatten(0, 1), labels_BT[:, 1:].flatten(), ignore_index=IGNORED)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _dots(rng: random.Random, mean: float) -> str:
    return "." * min(MOST_DOTS, int(rng.expovariate(1 / mean)))


def _batch(texts: list[tuple[str, str]], tokenizer: PreTrainedTokenizerBase) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels [B, T], padded on the right; the prompt has no loss."""
    pairs = [(tokenizer(prompt)["input_ids"], tokenizer(completion)["input_ids"]) for prompt, completion in texts]
    rows = [[*prompt, *completion, tokenizer.eos_token_id] for prompt, completion in pairs]
    token_ids_BT = torch.full((len(rows), max(map(len, rows))), tokenizer.pad_token_id)
    labels_BT = torch.full_like(token_ids_BT, IGNORED)
    for index, (row, (prompt, _)) in enumerate(zip(rows, pairs, strict=True)):
        token_ids_BT[index, : len(row)] = torch.tensor(row)
        labels_BT[index, len(prompt) : len(row)] = torch.tensor(row[len(prompt) :])
    return token_ids_BT, labels_BT
