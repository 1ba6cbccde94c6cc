"""One rank of the trainer on DeepSpeed: implements `train.engine.TrainEngine` for ZeRO 0 to 3, on CPU and GPU.

Consumes samples with advantages; produces optimiser steps, log-probabilities, weights, checkpoints. `train.updates`
makes a step of this engine's passes. This module knows neither Ray nor rollout engines, computes no advantages, and is
the only one that imports deepspeed.

The gradient of a step is the exact SUM over ranks and micro-batches of the gradients of the loss parts. DeepSpeed
divides by the number of ranks, so each part is multiplied by it. Its own division by a number of accumulation steps is
set to one, and the boundary is set by hand, since steps differ in their number of micro-batches.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import distributed

from seed_grpo.config import Config
from seed_grpo.errors import CheckpointError
from seed_grpo.messages import Sample, StepResult
from seed_grpo.pretrained.small_files import read_small_files, write_small_files
from seed_grpo.rendezvous import open_store
from seed_grpo.train import optimizer_state
from seed_grpo.train.attention import Attention, attention_for, blocks
from seed_grpo.train.logprobs import PolicyLogprobs
from seed_grpo.train.lora import add_adapters
from seed_grpo.train.model import load_model, load_tokenizer, recompute
from seed_grpo.train.packing import PackedRow, pack
from seed_grpo.train.proof import prove
from seed_grpo.train.sequence_parallel import Local, SequenceParallel, dividing, shared_attention
from seed_grpo.train.updates import Applied, Pass, Place, Rows, Updates
from seed_grpo.train.weights import PolicyWeights, write_safetensors


class DeepSpeedEngine:
    """One rank: implements `TrainEngine`, and the `Backend` of its updates.

    There is one per process. On GPU the process sees only its own GPU, as a Ray actor does.
    """

    def __init__(self, config: Config, rank: int, world_size: int, master_address: str, master_port: int) -> None:
        """Joins the other ranks at rank 0's address and loads the model; a collective over the ranks.

        Raises:
            ModelError: the model cannot be found or used, or computes otherwise on packed sequences.
        """
        self.rank, self.world_size = rank, world_size
        self._config = config
        self._device = torch.device(config.cluster.device)
        _set_up_process(config, rank, world_size, master_address, master_port)
        self._shared = SequenceParallel(config.trainer.sequence_parallel_size, config.trainer.step_timeout)
        self._model = load_model(config.model)
        self._small_files = read_small_files(config.model, load_tokenizer(config.model)) if rank == 0 else {}
        self._whole_rows = attention_for(config.cluster.device, config.model.dtype)
        attention = self._attention()
        if config.trainer.gradient_checkpointing:
            recompute(self._model)
        self._reference: PolicyLogprobs | None = None
        if config.algo.loss.kl_coefficient > 0:
            reference = PolicyLogprobs(load_model(config.model), attention)
            self._reference = reference.to(self._device).requires_grad_(False).eval()
        if config.model.lora is not None:
            add_adapters(self._model, config.model.lora)
        longest = config.data.max_prompt_tokens + config.rollout.max_completion_tokens
        prove(self._model, longest, self._device, dividing(blocks, self._shared.size))
        self._engine = _deepspeed_engine(config, PolicyLogprobs(self._model, attention))
        place = Place(self._shared.replica, self._shared.replicas, self._shared.index == 0, self._device)
        self._updates = Updates(config, self, place)
        self._steps_done = 0

    def step(self, samples: Sequence[Sample]) -> StepResult:
        """Trains one step on the valid completions of the whole step; see the interface."""
        self._engine.train()
        result = self._updates.step(samples, self._steps_done)
        self._steps_done += 1
        return result

    @torch.no_grad()
    def score(self, token_ids_T: np.ndarray) -> np.ndarray:
        """Log-probabilities [T-1] float32; see the interface."""
        self._engine.eval()
        return self._run(self._engine, [(token_ids_T[:1], token_ids_T[1:])], 1.0).logprobs_T.cpu().numpy()

    def run(self, rows: Rows) -> Pass:
        """The policy's log-probabilities; see `updates.Backend`."""
        return self._run(self._engine, rows, self._config.rollout.temperature)

    def run_reference(self, rows: Rows) -> Pass:
        """The initial policy's log-probabilities."""
        assert self._reference is not None, "the reference is loaded where kl_coefficient is above 0"
        return self._run(self._reference, rows, self._config.rollout.temperature)

    def backward(self, loss: torch.Tensor, last: bool) -> None:
        """Adds a gradient; see `updates.Backend`. A loss that is not finite makes a gradient that is not finite."""
        self._engine.set_gradient_accumulation_boundary(last)
        value = loss.detach()
        self._engine.backward(loss * torch.where(value.isfinite(), self.world_size, value.new_tensor(math.nan)))

    def apply(self, rate: float) -> Applied:
        """Applies the gradient unless its norm is not finite, which is the same on all ranks."""
        engine = self._engine
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
            return Applied(float(norm), 0.0)
        return Applied(float(norm), optimizer_state.update_to_weight_ratio(engine.optimizer, self._device))

    def _run(
        self, policy: Callable[[PackedRow, float], tuple[torch.Tensor, torch.Tensor]], rows: Rows, temperature: float
    ) -> Pass:
        """Runs a forward pass, each rank of the replica on its part of the packed row."""
        shared = self._shared
        row = pack(rows, multiple=shared.size, in_blocks=self._whole_rows is blocks)
        parts = [row.part(index, shared.size) for index in range(shared.size)]
        own_logprobs_T, own_entropies_T = policy(parts[shared.index].to(self._device), temperature)
        counts = [len(part.targets_T) for part in parts]
        logprobs_T, entropies_T = (shared.whole(own_T, counts) for own_T in (own_logprobs_T, own_entropies_T))
        return Pass(logprobs_T, entropies_T, row.sequences.places)

    def _attention(self) -> Attention:
        """The attention of a row whose tokens this rank has, or shares."""
        size = self._shared.size
        if size == 1:
            return self._whole_rows
        from deepspeed.sequence.layer import DistributedAttention

        exchange = DistributedAttention(Local(), self._shared.group, scatter_idx=2, gather_idx=1)
        return shared_attention(self._whole_rows, exchange, size)

    def weights(self) -> PolicyWeights:
        """The present weights; see the interface."""
        return PolicyWeights(self._model, _gather, self._config.weight_sync.bucket_mib * 2**20)

    def save(self, folder: Path) -> None:
        """Writes this rank's part into two files of its own, `rank_<k>.safetensors` and `rank_<k>.json`.

        Raises:
            CheckpointError: the disk is full or cannot be written.
        """
        content = optimizer_state.tensors(self._engine.optimizer)
        record = self._identity() | {
            "steps_done": self._steps_done,
            "skipped_in_a_row": self._updates.skipped_in_a_row,
            "random": optimizer_state.random_states(),
        }
        part = folder / f"rank_{self.rank}"
        try:
            save_file({k: v.to("cpu").contiguous() for k, v in content.items()}, part.with_suffix(".safetensors"))
            part.with_suffix(".json").write_text(json.dumps(record))
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"trainer rank {self.rank}: {error}") from error
        distributed.barrier()

    def load(self, folder: Path) -> None:
        """Restores a checkpoint; see the interface. Nothing is changed unless every rank can read its part."""
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
        self._updates.skipped_in_a_row = record["skipped_in_a_row"]

    def export(self, folder: Path) -> None:
        """Writes a Hugging Face folder; see the interface. Rank 0 writes, and holds at most one shard at a time."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.rank == 0:
            (folder / "config.json").unlink(missing_ok=True)  # it says that the folder is whole
        write_safetensors(self.weights(), folder, writes=self.rank == 0)
        if self.rank == 0:
            write_small_files(self._small_files, folder)
        distributed.barrier()

    def _identity(self) -> dict[str, Any]:
        """The settings that a checkpoint and its reader must share."""
        return {
            "world_size": self.world_size,
            "zero_stage": self._config.trainer.zero_stage,
            "dtype": self._config.model.dtype,
            "lora": None if self._config.model.lora is None else self._config.model.lora.model_dump(mode="json"),
            "shapes": optimizer_state.shapes(self._engine.optimizer),
        }


def _set_up_process(config: Config, rank: int, world_size: int, master_address: str, master_port: int) -> None:
    """Sets environment, threads, seeds and process group.

    DeepSpeed reads DS_ACCELERATOR when it is first imported, so this module imports it inside functions.
    """
    os.environ |= {
        "DS_ACCELERATOR": config.cluster.device,
        "RANK": str(rank),
        "LOCAL_RANK": "0" if config.cluster.device == "cuda" else str(rank),
        "WORLD_SIZE": str(world_size),
        "OMP_NUM_THREADS": str(config.trainer.threads),
    }
    if master_address == "127.0.0.1":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"  # else gloo's own sockets listen on the machine's network
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
    if not distributed.is_initialized():  # by an engine before this one
        store = open_store(master_address, master_port, rank, world_size, config.trainer.step_timeout)
        limit = timedelta(seconds=config.trainer.step_timeout)
        distributed.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=limit)
    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)  # takes it over


def _deepspeed_engine(config: Config, policy: PolicyLogprobs) -> Any:
    import deepspeed

    trainer = config.trainer
    in_bfloat16, on_gpu = config.model.dtype == "bfloat16", config.cluster.device == "cuda"
    bucket_elements = min(5 * 10**7, sum(parameter.numel() for parameter in policy.parameters()))
    optimizer = torch.optim.AdamW(
        [parameter for parameter in policy.parameters() if parameter.requires_grad],
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
            # without ZeRO, DeepSpeed would add the bfloat16 gradients of micro-batches up in bfloat16
            "stage": max(trainer.zero_stage, 1) if in_bfloat16 else trainer.zero_stage,
            "reduce_bucket_size": bucket_elements,
            "allgather_bucket_size": bucket_elements,
            # Hugging Face's rule: biases and norms stay whole on every rank
            "stage3_param_persistence_threshold": 10 * policy.output.weight.shape[1],
        },
        "steps_per_print": 10**9,
    }
    if trainer.offload != "none":
        settings["zero_optimization"]["offload_optimizer"] = {"device": "cpu", "pin_memory": on_gpu}
        settings["zero_force_ds_cpu_optimizer"] = False
    if trainer.offload == "optimizer_and_parameters":
        settings["zero_optimization"]["offload_param"] = {"device": "cpu", "pin_memory": on_gpu}
    if in_bfloat16:
        settings["bf16"] = {"enabled": True}
        settings["data_types"] = {"grad_accum_dtype": "fp32"}
        settings["communication_data_type"] = "fp32"
    engine, *_ = deepspeed.initialize(model=policy, optimizer=optimizer, config=settings, dist_init_required=False)
    return engine


def _gather(parameters: list[torch.nn.Parameter]) -> Any:
    """Makes parameters whole for the time of a `with`; under ZeRO 0 to 2 they are so already."""
    import deepspeed

    return deepspeed.zero.GatheredParameters(parameters, enabled=any(hasattr(each, "ds_id") for each in parameters))
