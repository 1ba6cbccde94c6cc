"""TRL's GRPOTrainer as the benchmarks use it: Dr.GRPO in float32 on CPU, and no log, checkpoint or report.

Consumes a model folder and either completions, which then stand in place of its generation, or prompts and a reward.
Nothing of what TRL computes is changed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import pad

from benchmarks.peers import Watch, exact_norm
from benchmarks.step_batch import BETAS, LEARNING_RATE, LONGEST, MAX_GRAD_NORM
from seed_grpo.messages import Sample


def settings(rows_per_micro_batch: int, completions_per_step: int, **changes: Any) -> GRPOConfig:
    """Dr.GRPO as its documentation has it, one update a generated batch; `changes` are GRPOConfig's."""
    return GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        loss_type="dr_grpo",
        scale_rewards="none",
        beta=0.0,
        per_device_train_batch_size=rows_per_micro_batch,
        gradient_accumulation_steps=completions_per_step // rows_per_micro_batch,
        gradient_checkpointing=False,
        use_cpu=True,
        bf16=False,
        adam_beta1=BETAS[0],
        adam_beta2=BETAS[1],
        max_grad_norm=MAX_GRAD_NORM,
        lr_scheduler_type="constant",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        **changes,
    )


def model_and_tokenizer(path: str) -> tuple[Any, Any]:
    """In float32."""
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32), AutoTokenizer.from_pretrained(path)


class _GivenCompletions(GRPOTrainer):
    """Trains on the same completions in every step; padded and shuffled as its own would be."""

    def __init__(self, samples: Sequence[Sample], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._samples = samples
        self.loss = self.norm = 0.0
        """facts of the present step; the norm is that of the first, before clipping"""

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        """Samples as TRL's own method returns them after generation and reward: prompts padded on the left,
        completions on the right, each to the longest of the batch."""
        sides = {
            "prompt": ([torch.tensor(sample.prompt_ids_T, dtype=torch.int64) for sample in self._samples], "left"),
            "completion": ([torch.tensor(s.completion_ids_T, dtype=torch.int64) for s in self._samples], "right"),
        }
        batch: dict[str, Any] = {}
        for name, (ids, side) in sides.items():
            ones = [torch.ones_like(row) for row in ids]
            batch[f"{name}_ids"] = pad(ids, padding_value=self._tokenizer.pad_token_id, padding_side=side)
            batch[f"{name}_mask"] = pad(ones, padding_value=0, padding_side=side)
        batch["advantages"] = torch.tensor([sample.advantage for sample in self._samples])
        batch["num_items_in_batch"] = batch["completion_mask"].sum()
        return batch

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        loss = super().training_step(*arguments, **named)
        self.loss += float(loss)
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        self.norm = self.norm or exact_norm(model)
        return super()._clip_grad_norm(model)


class _TakesTurns(TrainerCallback):
    """Waits before each step, and tells of it after it."""

    def __init__(self, ready: Callable[[], None], wait_for_go: Callable[[], bool], done: Callable[..., None]) -> None:
        self._ready, self._wait, self._done = ready, wait_for_go, done
        self._watch = Watch()
        self.trainer: Any = None

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._ready()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._wait()
        self._watch, self.trainer.loss = Watch(), 0.0

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._done(self._watch, self.trainer.loss, float(self.trainer.norm))


def given_completions_trainer(
    path: str,
    samples: Sequence[Sample],
    rows_per_micro_batch: int,
    ready: Callable[[], None],
    wait_for_go: Callable[[], bool],
    done: Callable[..., None],
) -> GRPOTrainer:
    """A trainer that makes its real steps on these completions, one whenever `wait_for_go` returns; endless."""
    model, tokenizer = model_and_tokenizer(path)
    callback = _TakesTurns(ready, wait_for_go, done)
    config = settings(
        rows_per_micro_batch,
        len(samples),
        learning_rate=LEARNING_RATE,
        max_completion_length=LONGEST,
        num_generations=len(samples) // (1 + max(sample.group for sample in samples)),
        max_steps=10**6,
    )
    callback.trainer = _GivenCompletions(
        samples,
        model=model,
        args=config,
        processing_class=tokenizer,
        train_dataset=Dataset.from_dict({"prompt": ["1"] * len(samples)}),
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        callbacks=[callback],
    )
    return callback.trainer


class _Sampling(GRPOTrainer):
    """Its own loop; the seconds of sampling and scoring, and what was sampled, are kept."""

    rollout = 0.0
    sampled: dict[str, Any]

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        started = time.perf_counter()
        batch = super()._generate_and_score_completions(inputs)
        self.rollout = time.perf_counter() - started
        tokens = batch["completion_mask"].sum(1).tolist()
        self.sampled = {"tokens": tokens, "reward": self._metrics["train"]["reward"][-1]}
        return batch


class _Tells(TrainerCallback):
    """Facts of each step, after it."""

    def __init__(self, log: Callable[..., None]) -> None:
        self._log = log
        self._begin = 0.0
        self.trainer: Any = None

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._begin = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        trainer = self.trainer
        self._log(begin=self._begin, end=time.perf_counter(), rollout=trainer.rollout, **trainer.sampled)


def sampling_trainer(
    path: str,
    prompts: Sequence[dict[str, str]],
    reward: Callable[..., list[float | None]],
    log: Callable[..., None],
    rows_per_micro_batch: int,
    completions_per_step: int,
    **changes: Any,
) -> GRPOTrainer:
    """A trainer as its documentation has it; it tells of each step."""
    model, tokenizer = model_and_tokenizer(path)
    callback = _Tells(log)
    callback.trainer = _Sampling(
        model=model,
        args=settings(rows_per_micro_batch, completions_per_step, **changes),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(list(prompts)),
        reward_funcs=reward,
        callbacks=[callback],
    )
    return callback.trainer
