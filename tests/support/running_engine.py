"""A real vLLM engine in a test's process: its models, the weights that are sent to it, and calls without `await`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from seed_grpo.config import Config
from seed_grpo.errors import RolloutError, WeightSyncError
from seed_grpo.messages import Group, GroupTask, Probe
from seed_grpo.rollout.vllm.engine import VllmEngine
from seed_grpo.weight_sync import canary, vllm_bridge
from seed_grpo.weight_sync.base import WeightInfo, Weights
from seed_grpo.weight_sync.transports import TRANSPORTS
from support.sockets import free_port
from support.tiny_model import make_tiny_model, make_tokenizer

PROBE_IDS = np.random.default_rng(0).integers(0, len(make_tokenizer()), 96, dtype=np.int32)


def make_config(
    model: Model, deterministic: bool, processes: int, engine_args: Mapping[str, Any] | None = None
) -> Config:
    """The deterministic engine has no prefix cache, the other has. The MLP's matrices, 1.03 MiB in float32, travel
    alone."""
    return Config.model_validate(
        {
            "run": {"directory": "unused", "steps": 1, "deterministic": deterministic},
            "model": {"path": str(model.folder), "dtype": model.dtype},
            "data": {"source": "arithmetic", "max_prompt_tokens": 100},
            "rollout": {
                "max_completion_tokens": 400,
                "max_concurrent_sequences": 64,
                "enforce_eager": True,
                "stop": ["++"],
                "tensor_parallel_size": processes,
                "engine_args": engine_args or {},
            },
            "weight_sync": {"timeout": 60.0, "bucket_mib": 1},
            "cluster": {"device": "cpu"},
        }
    )


def logprobs_of(module: torch.nn.Module, token_ids: Sequence[int], temperature: float = 1.0) -> np.ndarray:
    """[T-1], of tokens 1..T-1, by Transformers."""
    ids = torch.tensor(token_ids)
    with torch.inference_mode():
        logprobs = torch.log_softmax(module(ids[None]).logits[0].float() / temperature, dim=-1)
    return logprobs[:-1].gather(1, ids[1:, None])[:, 0].numpy()


class Model:
    """Weights on disk and the Transformers model that is the measure of all log-probabilities."""

    def __init__(self, folder: Path, tied: bool, seed: int, dtype: str = "float32") -> None:
        self.dtype = dtype
        self.folder = make_tiny_model(folder, tied=tied, seed=seed, dtype=dtype, intermediate_size=4224)
        self.module = AutoModelForCausalLM.from_pretrained(self.folder, dtype=dtype).eval()

    def logprobs(self, token_ids: Sequence[int], temperature: float = 1.0) -> np.ndarray:
        """[T-1], of tokens 1..T-1."""
        return logprobs_of(self.module, token_ids, temperature)


class ModuleWeights:
    """Implements `weight_sync.base.Weights` over a module; `without` leaves a weight out, as a broken sync would."""

    def __init__(self, module: torch.nn.Module, without: str = "") -> None:
        named = module.named_parameters()
        self.parameters = [(name, parameter.detach()) for name, parameter in named if name != without]

    def metadata(self) -> list[WeightInfo]:
        return [WeightInfo(n, str(t.dtype).removeprefix("torch."), tuple(t.shape)) for n, t in self.parameters]

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        return iter(self.parameters)


class BrokenWeights(ModuleWeights):
    """The sender fails in the middle."""

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield from self.parameters[:11]
        raise MemoryError("no memory to gather the next")


class EngineThread:
    """An engine on an event loop of its own, as in a worker; also the `Receivers` of one engine."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.names: Sequence[str] = ["rollout-0"]
        self.world_sizes: Sequence[int] = [config.rollout.tensor_parallel_size]
        self.loop = asyncio.new_event_loop()
        Thread(target=self.loop.run_forever, daemon=True).start()
        self.engine = VllmEngine(config, "rollout-0", TRANSPORTS[config.transport].receiving)
        self.do(self.engine.start())

    def do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(120)

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        try:
            self.do(getattr(self.engine, method)(*arguments[0]))
        except RolloutError as error:
            raise WeightSyncError(str(error)) from error

    def sender(self, weights: Weights) -> vllm_bridge.TransportSender:
        return vllm_bridge.connect("gloo", 0, weights, self, "127.0.0.1", free_port(), self.config)

    def difference(self, module: torch.nn.Module) -> float:
        """The largest of a log-probability of the probe; an error where it exceeds the configured tolerance."""
        probe = Probe(PROBE_IDS, logprobs_of(module, PROBE_IDS.tolist()))
        return canary.prove(probe, self.do(self.engine.score(PROBE_IDS)), self.config.canary_tolerance, "rollout-0")

    def shutdown(self) -> None:
        self.do(self.engine.shutdown())


class RunningEngine(EngineThread):
    """The engine of a small model, and another model of the same shape."""

    def __init__(self, model: Model, other: Model, deterministic: bool, processes: int = 1, **engine_args: Any) -> None:
        self.model, self.other = model, other
        super().__init__(make_config(model, deterministic, processes, engine_args))

    def generate(self, *tasks: GroupTask) -> list[Group]:
        async def together() -> list[Group]:
            return await asyncio.gather(*(self.engine.generate(task) for task in tasks))

        return self.do(together())

    def generate_after_pause(self, task: GroupTask) -> Group:
        """Hands the requests in while the engine is paused, so that all of them start in one batch."""

        async def paused() -> Group:
            await self.engine.pause()
            generating = asyncio.create_task(self.engine.generate(task))
            await asyncio.sleep(0.3)
            assert not generating.done()
            await self.engine.resume()
            return await generating

        return self.do(paused())

    def send(self, model: Model, version: int, without: str = "") -> None:
        sender = self.sender(ModuleWeights(model.module, without))
        sender.send(version)
        sender.close()

    def canary(self, model: Model) -> float:
        return self.difference(model.module)
