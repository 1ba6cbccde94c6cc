"""The warm start: supervised training of the small model on demonstrations of mixed quality, in plain torch.

Consumes `config.warm_start`; produces a Hugging Face model folder at `config.model.path`, with the settings that made
it in `warm_start.json`, so that it is made once. The same settings and threads give the same weights, to the bit. It
uses neither Ray nor an engine, and knows nothing of rewards.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen2ForCausalLM, Qwen2Tokenizer

import seed_grpo
from seed_grpo.arithmetic import task
from seed_grpo.arithmetic.model import build_model, build_tokenizer
from seed_grpo.config import Config
from seed_grpo.config.sections import WarmStartConfig
from seed_grpo.errors import ConfigError, ModelError

RECORD = "warm_start.json"
SECONDS_BETWEEN_LINES = 5.0
NUM_CHECKED = 200
"""held-out problems of the greedy accuracy at the end"""
MAX_COMPLETION_TOKENS = 48
IGNORED = -100
"""label of a token that has no loss"""


def warm_start(config: Config, progress: Callable[[str], None] = print) -> Path:
    """Makes the small model at `config.model.path`, unless it is there with the same settings.

    Args:
        config: its `warm_start` section says how.
        progress: takes a line of text every few seconds.

    Returns:
        the model's folder.

    Raises:
        ConfigError: there is no `warm_start` section.
        ModelError: the folder holds something that no warm start made; it is left alone.
    """
    settings = config.warm_start
    if settings is None:
        raise ConfigError("the configuration has no warm_start section; add one (`warm_start: {}` takes the defaults)")
    folder = Path(config.model.path)
    wanted = {"settings": settings.model_dump(mode="json"), "version": seed_grpo.__version__}
    if _made_with(folder) == wanted:
        progress(f"{folder} was made with these settings already; delete it to make it anew")
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        tokenizer = build_tokenizer()
        with _threads(settings.threads):
            model = train(settings, tokenizer, progress)
            accuracy = greedy_accuracy(model, tokenizer)
        progress(f"greedy accuracy {accuracy:.1%} on {NUM_CHECKED} held-out problems")
        model.save_pretrained(new)
        tokenizer.save_pretrained(new)
        (new / RECORD).write_text(json.dumps({**wanted, "greedy_accuracy": accuracy}, indent=2) + "\n")
        if folder.exists():
            os.rename(folder, Path(scratch) / "old")
        os.rename(new, folder)
    return folder


def train(settings: WarmStartConfig, tokenizer: Qwen2Tokenizer, progress: Callable[[str], None]) -> Qwen2ForCausalLM:
    """Trains a new model on demonstrations; AdamW, the learning rate rising over 5% of the steps, then falling to 0."""
    model = build_model(
        tokenizer,
        hidden_size=settings.hidden_size,
        layers=settings.layers,
        heads=settings.heads,
        tie_word_embeddings=settings.tie_word_embeddings,
        seed=settings.seed,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
    rising = max(1, settings.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rising, (settings.steps - step) / settings.steps)
    )
    demonstrations = task.demonstrations(settings.seed, settings.right_share)
    report = _Progress(settings.steps, progress)
    model.train()
    for step in range(1, settings.steps + 1):
        loss, tokens = learn(model, optimizer, list(islice(demonstrations, settings.batch_size)), tokenizer)
        schedule.step()
        report(step, loss, tokens)
    return model.eval()


def learn(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    demonstrations: list[task.Demonstration],
    tokenizer: PreTrainedTokenizerBase,
) -> tuple[float, int]:
    """One step of supervised learning of the completions; its loss in nats a token, and the tokens with padding."""
    token_ids_BT, labels_BT = collate(demonstrations, tokenizer)
    logits_BTV = model(input_ids=token_ids_BT).logits
    loss = cross_entropy(logits_BTV[:, :-1].flatten(0, 1), labels_BT[:, 1:].flatten(), ignore_index=IGNORED)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item(), token_ids_BT.numel()


@torch.inference_mode()
def greedy_accuracy(model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer) -> float:
    """Share of the first held-out problems that the model answers rightly without sampling, in [0, 1]."""
    problems = task.problems("test")[:NUM_CHECKED]
    prompts = tokenizer([p.text for p in problems], padding=True, return_tensors="pt")  # on the left
    output_BT = model.generate(  # type: ignore[misc]  # the annotation of self is wrong in transformers
        input_ids=prompts["input_ids"],
        attention_mask=prompts["attention_mask"],
        max_new_tokens=MAX_COMPLETION_TOKENS,
        do_sample=False,
    )
    completions = tokenizer.batch_decode(output_BT[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True)
    return sum(map(task.is_right, problems, completions)) / len(problems)


def collate(
    demonstrations: list[task.Demonstration], tokenizer: PreTrainedTokenizerBase
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels, [B, T], padded on the right, so that positions and the causal mask need no more."""
    prompts = tokenizer([d.prompt for d in demonstrations])["input_ids"]
    completions = tokenizer([d.completion for d in demonstrations])["input_ids"]
    length = max(len(p) + len(c) + 1 for p, c in zip(prompts, completions, strict=True))
    token_ids_BT = torch.full((len(demonstrations), length), tokenizer.pad_token_id)
    labels_BT = torch.full_like(token_ids_BT, IGNORED)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        tokens = [*prompt, *completion, tokenizer.eos_token_id]
        token_ids_BT[row, : len(tokens)] = torch.tensor(tokens)
        labels_BT[row, len(prompt) : len(tokens)] = torch.tensor(tokens[len(prompt) :])
    return token_ids_BT, labels_BT


class _Progress:
    """Writes a line every few seconds and after the last step."""

    def __init__(self, steps: int, write: Callable[[str], None]) -> None:
        self.steps, self.write = steps, write
        self.started = self.written = time.monotonic()
        self.tokens = 0

    def __call__(self, step: int, loss: float, tokens: int) -> None:
        self.tokens += tokens
        now = time.monotonic()
        if step < self.steps and now - self.written < SECONDS_BETWEEN_LINES:
            return
        self.written, elapsed = now, now - self.started
        self.write(
            f"warm start: step {step}/{self.steps}, loss {loss:.3f}, {self.tokens / elapsed:,.0f} tokens/s, "
            f"{elapsed / step * (self.steps - step):.0f} s left"
        )


def _made_with(folder: Path) -> dict[str, Any] | None:
    """Settings that the folder's model was made with; None if there is no model."""
    if not folder.exists():
        return None
    try:
        record = json.loads((folder / RECORD).read_text())
        return {"settings": record["settings"], "version": record["version"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder} exists but was not made by a warm start (no readable {RECORD} in it): it is left alone; "
            "set model.path to another folder, or delete this one"
        ) from error


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Limits torch to this many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
