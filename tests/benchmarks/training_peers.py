"""The three contestants of part `step`, each in a process of its own: `python -m benchmarks.training_peers <JSON>`.

A contestant loads the model and the batch, and then makes one optimiser step on the whole batch whenever it is told to;
it says the seconds, loss and gradient norm of each, and at the end its peak memory. The steps are of the same kind:
Dr.GRPO's loss with clipping, token entropies for the metrics, gradient clipped at norm 1, AdamW.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.peers import CORES, Watch, exact_norm, forget_peak, log, peak_mib, resident_mib, wait_for_go
from benchmarks.step_batch import BETAS, COMPLETIONS, LEARNING_RATE, LONGEST, MAX_GRAD_NORM, PROMPT_TOKENS, PROMPTS
from seed_grpo.messages import Sample
from support.sockets import free_port

ROWS = PROMPTS * COMPLETIONS


def transformers_step(model_path: str, samples: Sequence[Sample], tokens_per_micro_batch: int) -> None:
    """A step as one writes it by hand: rows in the order they come, padded to the longest of a micro-batch of at most
    so many tokens, an attention mask, all logits, AdamW."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=BETAS, weight_decay=0.0)
    model.train()
    exact = 0.0
    """norm of the first step, which is not timed"""
    _ready()
    while wait_for_go():
        watch, total = Watch(), 0.0
        for rows in _micro_batches(samples, tokens_per_micro_batch):
            loss = _plain_loss(model, rows)
            loss.backward()
            total += loss.item()
        exact = exact or exact_norm(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        optimizer.zero_grad()
        _done(watch, total, exact)


def _micro_batches(samples: Sequence[Sample], most_tokens: int) -> list[list[Sample]]:
    batches: list[list[Sample]] = []
    for sample in samples:
        longest = max(len(sample), *map(len, batches[-1])) if batches else 0
        if batches and longest * (len(batches[-1]) + 1) <= most_tokens:
            batches[-1].append(sample)
        else:
            batches.append([sample])
    return batches


def _plain_loss(model: Any, rows: Sequence[Sample]) -> torch.Tensor:
    longest = max(map(len, rows))
    token_ids, attention, asked = (torch.zeros(len(rows), longest, dtype=torch.int64) for _ in range(3))
    for row, sample in enumerate(rows):
        token_ids[row, : len(sample)] = torch.from_numpy(np.concatenate([sample.prompt_ids_T, sample.completion_ids_T]))
        attention[row, : len(sample)] = 1
        asked[row, len(sample.prompt_ids_T) : len(sample)] = 1
    logits = model(input_ids=token_ids, attention_mask=attention, use_cache=False).logits[:, :-1]
    all_logprobs = torch.log_softmax(logits, dim=-1)
    logprobs = all_logprobs.gather(2, token_ids[:, 1:, None]).squeeze(2)
    with torch.no_grad():
        (-(all_logprobs.exp() * all_logprobs).sum(-1) * asked[:, 1:]).sum()
    advantages = torch.tensor([[sample.advantage] for sample in rows])
    ratio = torch.exp(logprobs - logprobs.detach())
    per_token = -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
    return (per_token * asked[:, 1:]).sum() / (ROWS * LONGEST)


def ours(model_path: str, samples: Sequence[Sample], tokens_per_micro_batch: int) -> None:
    """The engine as a trainer rank has it."""
    from seed_grpo.config import Config
    from seed_grpo.train.deepspeed_engine import DeepSpeedEngine

    tree = {
        "run": {"directory": "unused", "steps": 1000},
        "model": {"path": model_path, "dtype": "float32"},
        "data": {"source": "arithmetic", "max_prompt_tokens": PROMPT_TOKENS[1]},
        "rollout": {
            "prompts_per_step": PROMPTS,
            "completions_per_prompt": COMPLETIONS,
            "max_completion_tokens": LONGEST,
        },
        "algo": {"loss": {"importance_correction": "none"}},  # as the others, which take no engine's word
        "trainer": {
            "threads": CORES,
            "zero_stage": 1,
            "learning_rate": LEARNING_RATE,
            "adam_betas": BETAS,
            "max_grad_norm": MAX_GRAD_NORM,
            "tokens_per_micro_batch": tokens_per_micro_batch,
        },
        "cluster": {"device": "cpu"},
    }
    engine = DeepSpeedEngine(Config.model_validate(tree), 0, 1, "127.0.0.1", free_port())
    _ready()
    while wait_for_go():
        watch = Watch()
        result = engine.step(samples)
        _done(watch, result.metrics["loss"], result.metrics["grad_norm"])


def trl(model_path: str, samples: Sequence[Sample], rows_per_micro_batch: int) -> None:
    """`GRPOTrainer.train()` with the completions given: everything from its own batch of padded tensors on."""
    from benchmarks.trl_trainer import given_completions_trainer

    trainer = given_completions_trainer(model_path, samples, rows_per_micro_batch, _ready, wait_for_go, _done)
    trainer.train()


CONTESTANTS = {"Transformers": transformers_step, "TRL": trl, "ours": ours}


def _ready() -> None:
    forget_peak()
    log(resident=resident_mib())


def _done(watch: Watch, loss: float, norm: float) -> None:
    log(**watch.read(), loss=loss, norm=norm, peak=peak_mib())


def main() -> None:
    """Runs the contestant that the arguments name."""
    arguments = json.loads(sys.argv[1])
    torch.set_num_threads(CORES)
    samples = pickle.loads(Path(arguments["samples"]).read_bytes())
    CONTESTANTS[arguments["name"].split(",")[0]](arguments["model"], samples, arguments["micro_batch"])


if __name__ == "__main__":
    main()
