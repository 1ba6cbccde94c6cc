"""Runs the trainer's ranks in processes of their own, for tests: `run_ranks(scenarios, world_size, folder, models)`.

A scenario is a function of (make, folder) at the top of a module, where `make(tied=True, **changes)` gives a fresh
engine and `folder` is empty and shared by the ranks; what it returns on each rank comes back. A process takes seconds
to start, so each runs all scenarios.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from pathlib import Path

import numpy as np

from seed_grpo.config import Config
from seed_grpo.messages import Sample
from support.sockets import free_port


def make_config(
    model,
    world_size: int = 1,
    dtype: str = "float32",
    loss: dict | None = None,
    lora: dict | None = None,
    temperature: float = 1.0,
    **trainer,
) -> Config:
    """Steps of 4 x 4 completions. adam_eps is large, so that an update shows the size of the gradient too, and the
    gradient is clipped, at a norm below the first step's."""
    settings = {
        "num_workers": world_size,
        "learning_rate": 1e-2,
        "adam_eps": 1e-3,
        "weight_decay": 0.1,
        "max_grad_norm": 0.5,
        "tokens_per_micro_batch": 64,
    }
    tree = {
        "run": {"directory": "unused", "steps": 10, "deterministic": True},
        "model": {"path": str(model), "dtype": dtype, "lora": lora},
        "data": {"source": "arithmetic", "max_prompt_tokens": 16},
        "rollout": {
            "prompts_per_step": 4,
            "completions_per_prompt": 4,
            "max_completion_tokens": 32,
            "temperature": temperature,
        },
        "algo": {"loss": {"aggregation": "per_token"} | (loss or {})},
        "trainer": settings | trainer,
        "cluster": {"device": "cpu"},
    }
    return Config.model_validate(tree)


def make_samples(seed: int, count: int = 16) -> list[Sample]:
    """Random rows; every fifth has advantage 0."""
    rng = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        prompt, completion = rng.integers(1, 16), rng.integers(1, 32)
        samples.append(
            Sample(
                prompt_ids_T=rng.integers(2, 90, prompt).astype(np.int32),
                completion_ids_T=rng.integers(2, 90, completion).astype(np.int32),
                rollout_logprobs_T=rng.normal(-4, 1, completion).astype(np.float32),
                advantage=float(rng.normal()) if number % 5 else 0.0,
                group=number // 4,
            )
        )
    return samples


def weights_of(trainer) -> dict[str, np.ndarray]:
    """Copies of the trainer's weights in float32, by name; a collective."""
    weights = trainer.weights()
    weights.bucket_bytes = 1  # under ZeRO-3 each is gathered by itself, and must stay as it is meanwhile
    lent = list(weights)
    return {name: tensor.float().numpy().copy() for name, tensor in lent}


def largest_difference(weights: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    """Largest difference of any number of any weight; the names must be the same."""
    assert weights.keys() == expected.keys()
    return max(float(np.abs(weights[name] - expected[name]).max()) for name in expected)


def run_ranks(scenarios, world_size: int, folder: Path, models: dict[bool, Path]) -> dict[str, list]:
    """Results by name of the scenario and by rank; a rank that fails fails the test."""
    for scenario in scenarios:
        (folder / scenario.__name__).mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    arguments = (world_size, free_port(), folder, models)
    ranks = [context.Process(target=_rank, args=(scenarios, rank, *arguments)) for rank in range(world_size)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(timeout=280)
    codes = [process.exitcode for process in ranks]
    for process in ranks:
        if process.is_alive():
            process.kill()
    assert codes == [0] * world_size, f"exit codes of the ranks: {codes}"
    results = [pickle.loads((folder / f"result_{rank}").read_bytes()) for rank in range(world_size)]
    return {scenario.__name__: [result[scenario.__name__] for result in results] for scenario in scenarios}


def _rank(scenarios, rank: int, world_size: int, port: int, folder: Path, models: dict[bool, Path]) -> None:
    from seed_grpo.train.deepspeed_engine import DeepSpeedEngine

    def make(tied=True, **changes) -> DeepSpeedEngine:
        return DeepSpeedEngine(make_config(models[tied], world_size, **changes), rank, world_size, "127.0.0.1", port)

    results = {}
    for scenario in scenarios:
        started = time.perf_counter()
        results[scenario.__name__] = scenario(make, folder / scenario.__name__)
        print(f"rank {rank}: {scenario.__name__} took {time.perf_counter() - started:.1f} s", flush=True)
    (folder / f"result_{rank}").write_bytes(pickle.dumps(results))
    os._exit(0)  # no tear-down of process groups while the peer still runs
