"""One rank of the trainer on DeepSpeed: `train.interface.TrainEngine` for ZeRO 0 to 3, on CPU (gloo) and GPU (nccl).

Consumes samples with advantages; produces optimiser steps, log-probabilities, weights, checkpoints. It knows neither
Ray nor rollout engines, computes no advantages, and is the only module that imports deepspeed.

The gradient of a step is the exact SUM over ranks and micro-batches of the gradients of the loss parts: DeepSpeed
divides by the number of ranks, so each part is multiplied by it; its own division by a number of accumulation steps
is set to one, and the boundary is set by hand, since steps differ in their number of micro-batches.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import time
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import distributed

from seed_grpo.algo.loss import LossParts, policy_loss, token_weights_B
from seed_grpo.algo.microbatch import plan_micro_batches
from seed_grpo.config import Config
from seed_grpo.errors import CheckpointError, TrainerError
from seed_grpo.messages import Sample, StepResult
from seed_grpo.train import optimizer_state
from seed_grpo.train.logprobs import PolicyLogprobs, predicted_tokens
from seed_grpo.train.model import load_model, load_tokenizer
from seed_grpo.train.schedule import learning_rate
from seed_grpo.train.step_metrics import StepTotals
from seed_grpo.train.weights import PolicyWeights, write_safetensors


class DeepSpeedEngine:
    """Implements `TrainEngine`. One per process; on GPU the process sees only its own GPU, as a Ray actor does."""

    def __init__(self, config: Config, rank: int, world_size: int, master_address: str, master_port: int) -> None:
        """Joins the other ranks at rank 0's address and loads the model; a collective over the ranks.

        Raises:
            ModelError: the model cannot be found or used.
        """
        self.rank, self.world_size = rank, world_size
        self._config = config
        self._device = torch.device(config.cluster.device)
        _set_up_process(config, rank, world_size, master_address, master_port)
        self._model = load_model(config.model)
        if config.trainer.gradient_checkpointing:
            self._model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self._reference: PolicyLogprobs | None = None
        if config.algo.loss.kl_coefficient > 0:
            self._reference = PolicyLogprobs(load_model(config.model)).to(self._device).requires_grad_(False)
        self._engine = _deepspeed_engine(config, PolicyLogprobs(self._model))
        self._steps_done = 0

    def step(self, samples: Sequence[Sample]) -> StepResult:
        """One optimiser step; see the interface. `samples` are the valid completions of the whole step.

        Rows with advantage 0 are not run where there is no KL term, since they have no gradient; they stay in the
        denominators of the loss. Means and maxima over tokens in the metrics are over the rows that were run, and
        are left out where none was.
        """
        started = time.perf_counter()
        config = self._config
        weights_B = token_weights_B(
            np.array([len(sample.completion_ids_T) for sample in samples]),
            config.algo.loss.aggregation,
            config.completions_per_step,
            config.rollout.max_completion_tokens,
        )
        with_kl = self._reference is not None
        run = [i for i, sample in enumerate(samples) if weights_B[i] > 0 and (with_kl or sample.advantage != 0)]
        lengths = [len(samples[i]) for i in run]
        plan = plan_micro_batches(lengths, self.world_size, config.trainer.tokens_per_micro_batch)[self.rank]
        totals = StepTotals(self._device)
        self._engine.train()
        for number, rows in enumerate(plan):
            self._engine.set_gradient_accumulation_boundary(number == len(plan) - 1)
            if rows:
                chosen = [run[row] for row in rows]
                totals.add(self._run([samples[i] for i in chosen], weights_B[chosen]))
            else:
                self._run_without_weight()
        metrics = totals.reduced() | {"rows_trained": float(len(run))}
        if not with_kl:
            metrics.pop("kl", None)
        seconds = {"forward_backward": time.perf_counter() - started}
        metrics |= self._update(metrics["loss"])
        seconds["optimizer"] = time.perf_counter() - started - seconds["forward_backward"]
        return StepResult(metrics, seconds)

    def _run(self, samples: list[Sample], weights_B: np.ndarray) -> LossParts:
        """Forward and backward pass of one micro-batch."""
        tokens = predicted_tokens([(s.prompt_ids_T, s.completion_ids_T) for s in samples]).to(self._device)
        reference_T = None
        if self._reference is not None:
            with torch.no_grad():
                reference_T, _ = self._reference(tokens)
        logprobs_T, entropies_T = self._engine(tokens)
        lengths = [len(sample.completion_ids_T) for sample in samples]
        parts = policy_loss(
            logprobs_T,
            logprobs_T.detach(),
            self._tensor(np.concatenate([sample.rollout_logprobs_T for sample in samples])),
            self._tensor(np.repeat([sample.advantage for sample in samples], lengths)),
            self._tensor(np.repeat(weights_B, lengths)),
            self._config.algo.loss,
            entropies_T,
            reference_T,
        )
        self._engine.backward(parts.loss * self.world_size)
        return parts

    def _run_without_weight(self) -> None:
        """Takes part in the other ranks' collectives with a row of two tokens that adds nothing to the gradient."""
        nothing = np.zeros(1, dtype=np.int64)
        logprobs_T, _ = self._engine(predicted_tokens([(nothing, nothing)]).to(self._device))
        self._engine.backward(0.0 * logprobs_T.sum())

    def _update(self, loss: float) -> dict[str, float]:
        """Applies the gradient unless its norm is not finite, which is the same on all ranks. That covers a loss that
        is not finite: its terms are, up to sign, factors of the gradient."""
        engine = self._engine
        rate = learning_rate(self._steps_done, self._config.run.steps, self._config.trainer)
        for group in engine.optimizer.param_groups:
            group["lr"] = rate
        if isinstance(engine.optimizer, torch.optim.Optimizer):  # ZeRO 0 in float32: DeepSpeed does not check
            norm = torch.nn.utils.get_total_norm([p.grad for p in engine.module.parameters() if p.grad is not None])
            if torch.isfinite(norm):
                engine.step()
            else:
                engine.zero_grad()
        else:
            engine.step()
            norm = engine.get_global_grad_norm()
        if not math.isfinite(norm):
            raise TrainerError(
                f"optimiser step {self._steps_done + 1} gave loss {loss} and gradient norm {float(norm)}; the weights "
                f"are as before. Lower trainer.learning_rate (now {self._config.trainer.learning_rate}), or use "
                f"model.dtype=float32 (now {self._config.model.dtype})"
            )
        self._steps_done += 1
        return {"grad_norm": float(norm), "learning_rate": rate}

    @torch.no_grad()
    def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Log-probabilities [T-1] float32; see the interface."""
        self._engine.eval()
        logprobs_T, _ = self._engine(predicted_tokens([(token_ids_T[:1], token_ids_T[1:])]).to(self._device))
        return logprobs_T.cpu().numpy()

    def weights(self) -> PolicyWeights:
        """The present weights; see the interface."""
        return PolicyWeights(self._model, _gather, self._config.weight_sync.bucket_mib * 2**20)

    def save(self, folder: Path) -> None:
        """Writes this rank's part into two files of its own, `rank_<k>.safetensors` and `rank_<k>.json`.

        Raises:
            CheckpointError: the disk is full or cannot be written.
        """
        content = optimizer_state.tensors(self._engine.optimizer)
        record = self._identity() | {"steps_done": self._steps_done, "random": optimizer_state.random_states()}
        part = folder / f"rank_{self.rank}"
        try:
            save_file({k: v.to("cpu").contiguous() for k, v in content.items()}, part.with_suffix(".safetensors"))
            part.with_suffix(".json").write_text(json.dumps(record))
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"trainer rank {self.rank} cannot write {part}: {error}; free space, lower run.keep_checkpoints, or "
                "choose another run.directory; older checkpoints are untouched"
            ) from error
        distributed.barrier()

    def load(self, folder: Path) -> None:
        """Restores what `save` wrote; see the interface. Nothing is changed unless every rank can read its part."""
        fault, record, content = "", {}, {}
        try:
            record = json.loads((folder / f"rank_{self.rank}.json").read_text())
            content = load_file(folder / f"rank_{self.rank}.safetensors")
        except (OSError, ValueError, SafetensorError) as error:
            fault = f"cannot read rank {self.rank}'s part: {error}"
        for name, value in self._identity().items():
            if not fault and record.get(name) != value:
                fault = f"it was written with {name}={record.get(name)}, this run has {name}={value}"
        faults: list[Any] = [None] * self.world_size
        distributed.all_gather_object(faults, fault)
        if any(faults):
            raise CheckpointError(
                f"the trainer checkpoint {folder} does not fit: {next(filter(None, faults))}; resume with the settings "
                "it was written with, or start from an export (model.path) in a new run.directory"
            )
        optimizer_state.restore(self._engine.optimizer, content)
        optimizer_state.restore_random_states(record["random"])
        self._steps_done = record["steps_done"]

    def export(self, folder: Path) -> None:
        """Writes a Hugging Face folder; see the interface. Rank 0 writes, and holds at most one shard at a time."""
        folder.mkdir(parents=True, exist_ok=True)
        bucket_bytes = self._config.weight_sync.bucket_mib * 2**20
        weights = PolicyWeights(self._model, _gather, bucket_bytes, tied=False)
        write_safetensors(weights, folder, writes=self.rank == 0)
        if self.rank == 0:
            self._model.config.save_pretrained(folder)
            if self._model.generation_config is not None:
                self._model.generation_config.save_pretrained(folder)
            load_tokenizer(self._config.model).save_pretrained(folder)
        distributed.barrier()

    def _identity(self) -> dict[str, Any]:
        """What must be equal where a checkpoint is read."""
        return {
            "world_size": self.world_size,
            "zero_stage": self._config.trainer.zero_stage,
            "dtype": self._config.model.dtype,
            "shapes": optimizer_state.shapes(self._engine.optimizer),
        }

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=self._device)


def _set_up_process(config: Config, rank: int, world_size: int, master_address: str, master_port: int) -> None:
    """Environment, threads, seeds and process group. DeepSpeed reads DS_ACCELERATOR when it is first imported, which
    is why this module imports it inside functions."""
    os.environ |= {
        "DS_ACCELERATOR": config.cluster.device,
        "RANK": str(rank),
        "LOCAL_RANK": "0" if config.cluster.device == "cuda" else str(rank),
        "WORLD_SIZE": str(world_size),
        "MASTER_ADDR": master_address,
        "MASTER_PORT": str(master_port),
        "OMP_NUM_THREADS": str(config.trainer.threads),
    }
    torch.set_num_threads(config.trainer.threads)
    if config.run.deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True)
        # filling DeepSpeed's buckets takes longer than the step
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    random.seed(config.run.seed)
    np.random.seed(config.run.seed % 2**32)
    torch.manual_seed(config.run.seed)
    import deepspeed
    import deepspeed.ops

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")  # of DeepSpeed's calls
    # only `inference_all_reduce` uses this shared-memory library, and building it needs a compiler and 30 s
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    backend = "gloo" if config.cluster.device == "cpu" else "nccl"
    timeout = timedelta(seconds=config.trainer.step_timeout)
    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, timeout=timeout, verbose=False)


def _deepspeed_engine(config: Config, policy: PolicyLogprobs) -> Any:
    import deepspeed

    trainer = config.trainer
    in_bfloat16 = config.model.dtype == "bfloat16"
    bucket_elements = min(5 * 10**7, sum(parameter.numel() for parameter in policy.parameters()))
    optimizer = torch.optim.AdamW(
        policy.parameters(),
        lr=trainer.learning_rate,
        betas=trainer.adam_betas,
        eps=trainer.adam_eps,
        weight_decay=trainer.weight_decay,
    )
    settings: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": trainer.max_grad_norm,
        "zero_optimization": {
            # without ZeRO, DeepSpeed would add bfloat16 gradients up in bfloat16
            "stage": max(trainer.zero_stage, 1) if in_bfloat16 else trainer.zero_stage,
            "reduce_bucket_size": bucket_elements,
            "allgather_bucket_size": bucket_elements,
            # Hugging Face's rule: biases and norms stay whole on every rank
            "stage3_param_persistence_threshold": 10 * policy.model.config.hidden_size,
        },
        "steps_per_print": 10**9,
    }
    if in_bfloat16:
        settings["bf16"] = {"enabled": True}
        settings["data_types"] = {"grad_accum_dtype": "fp32"}
    engine, *_ = deepspeed.initialize(model=policy, optimizer=optimizer, config=settings, dist_init_required=False)
    return engine


def _gather(parameters: list[torch.nn.Parameter]) -> Any:
    """Whole parameters for the time of a `with`; under ZeRO 0 to 2 they are whole already."""
    import deepspeed

    return deepspeed.zero.GatheredParameters(parameters, enabled=hasattr(parameters[0], "ds_id"))
