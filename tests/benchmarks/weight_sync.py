"""Weight sync over gloo: seconds beside a raw broadcast of the same bytes, and the memory it takes above the model.

Consumes nothing; makes random Qwen2 models in float32, a real vLLM engine on one core for each, and this process as the
trainer on another. Prints one table: sync and raw broadcast alternate in the same run, and the canary follows.

The raw broadcast is gloo from this process to a plain one, in buckets of the size that is configured, from one buffer
into one buffer, both allocated and touched before: no packing, no loading, no page that is new. The seconds of a sync
are those of `WeightSender.send`, from the pause of the engine to its resumption.

Memory is the kernel's own high-water mark of resident memory (VmHWM, set back before each sync by clear_refs), less
what was resident before; the largest of all syncs, of which the first finds every allocator cold.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from benchmarks.tables import heading, show
from seed_grpo.config import Config
from seed_grpo.train.weights import PolicyWeights
from seed_grpo.weight_sync.gloo.group import GlooGroup
from seed_grpo.weight_sync.vllm_bridge import TransportSender
from support.running_engine import EngineThread
from support.sockets import free_port
from support.tiny_model import make_tokenizer

BUCKET_MIB = 64
ROUNDS = 7
"""rounds of one raw broadcast and one sync each, after one of each that is not timed"""
TIMEOUT = 300.0
MIB = 2**20


@dataclass(frozen=True)
class Size:
    """Shape of a model with heads of 64."""

    name: str
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    tied: bool

    def make(self) -> Qwen2ForCausalLM:
        """The model with random weights."""
        config = Qwen2Config(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.layers,
            num_attention_heads=self.hidden // 64,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=self.tied,
            bos_token_id=None,
            eos_token_id=1,
            pad_token_id=0,
        )
        torch.manual_seed(0)
        return Qwen2ForCausalLM(config).eval()


SIZES = (
    Size("3M", 2048, 256, 704, 3, tied=True),
    Size("100M", 16384, 768, 2048, 12, tied=False),
    Size("500M", 32768, 1280, 3584, 24, tied=False),
)


@dataclass
class Timings:
    """Seconds of each round, and the largest growth of resident memory in bytes."""

    raw: list[float] = field(default_factory=list)
    sync: list[float] = field(default_factory=list)
    sender_growth: int = 0
    receiver_growth: int = 0


def sync(data: Path) -> None:
    """One row for each size of model; reads nothing of the data folder."""
    heading("Weight sync over gloo, beside a raw broadcast of the same bytes")
    torch.set_num_threads(1)
    rows = [_measure(size) for size in SIZES]
    show(
        f"Buckets of {BUCKET_MIB} MiB, float32, {ROUNDS} rounds in turns; seconds are medians (and the fastest)",
        ("model", "parameters", "MiB sent", "largest", "raw", "sync", "ratio", "sender +MiB", "engine +MiB", "canary"),
        rows,
    )
    print(
        "largest: MiB of the largest weight, and of the bucket where that exceeds the one above. +MiB: resident at\n"
        "the peak of a sync, above what was before. canary: largest difference of a log-probability, in nats.\n"
    )


def _measure(size: Size) -> tuple[object, ...]:
    model = size.make()
    weights = PolicyWeights(model, lambda _: nullcontext(), BUCKET_MIB * MIB)
    sizes = [4 * torch.Size(info.shape).numel() for info in weights.metadata()]
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        make_tokenizer().save_pretrained(folder)
        with _raw_broadcast(sum(sizes)) as broadcast, _engine(folder) as engine:
            sender = engine.sender(weights)
            timings = _alternate(model, broadcast, sender, engine)
            sender.close()
            difference = engine.difference(model)
    ratio = f"{median(timings.sync) / median(timings.raw):.2f} ({min(timings.sync) / min(timings.raw):.2f})"
    return (
        size.name,
        f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.1f}M",
        round(sum(sizes) / MIB),
        round(max(sizes) / MIB),
        *(f"{median(each):.3f} ({min(each):.3f})" for each in (timings.raw, timings.sync)),
        ratio,
        round(timings.sender_growth / MIB),
        round(timings.receiver_growth / MIB),
        f"{difference:.1e}",
    )


def _alternate(model: torch.nn.Module, broadcast: Any, sender: TransportSender, engine: Engine) -> Timings:
    timings = Timings()
    for version in range(ROUNDS + 1):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.01)  # so that the canary knows this version from the last
        raw = broadcast()
        peaks = [Resident(psutil.Process().pid), Resident(engine.worker)]
        started = time.perf_counter()
        sender.send(version)
        seconds = time.perf_counter() - started
        growth = [peak.growth() for peak in peaks]
        timings.sender_growth = max(timings.sender_growth, growth[0])
        timings.receiver_growth = max(timings.receiver_growth, growth[1])
        if version:
            timings.raw.append(raw)
            timings.sync.append(seconds)
    return timings


class Resident:
    """The growth of a process's resident memory since this object was made."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc", str(pid))
        (self._folder / "clear_refs").write_text("5")  # sets the high-water mark back
        self._before = self._read("VmRSS")

    def growth(self) -> int:
        """Bytes at the peak, above the start."""
        return self._read("VmHWM") - self._before

    def _read(self, key: str) -> int:
        lines = dict(line.split(":", 1) for line in (self._folder / "status").read_text().splitlines())
        return int(lines[key].split()[0]) * 1024


@contextmanager
def _raw_broadcast(num_bytes: int) -> Iterator[Any]:
    """A function that broadcasts so many bytes to a process of its own, and returns the seconds."""
    port = free_port()
    receiver = multiprocessing.get_context("spawn").Process(target=_receive_raw, args=(port, num_bytes), daemon=True)
    receiver.start()
    group = GlooGroup("127.0.0.1", port, 0, 2, TIMEOUT)
    buffer = torch.ones(BUCKET_MIB * MIB, dtype=torch.uint8)

    def broadcast() -> float:
        started = time.perf_counter()
        _broadcast_buckets(group, buffer, num_bytes)
        return time.perf_counter() - started

    yield broadcast
    receiver.join(TIMEOUT)


def _receive_raw(port: int, num_bytes: int) -> None:
    group = GlooGroup("127.0.0.1", port, 1, 2, TIMEOUT)
    buffer = torch.ones(BUCKET_MIB * MIB, dtype=torch.uint8)
    for _ in range(ROUNDS + 1):
        _broadcast_buckets(group, buffer, num_bytes)


def _broadcast_buckets(group: GlooGroup, buffer: torch.Tensor, num_bytes: int) -> None:
    for start in range(0, num_bytes, len(buffer)):
        group.broadcast(buffer[: num_bytes - start]).wait()


class Engine(EngineThread):
    """Knows the process that holds the model."""

    def __init__(self, folder: str) -> None:
        before = set(psutil.Process().children(recursive=True))
        super().__init__(_config(folder))
        started = [child for child in psutil.Process().children(recursive=True) if child not in before]
        self.worker = max(started, key=lambda child: child.memory_info().rss).pid


@contextmanager
def _engine(folder: str) -> Iterator[Engine]:
    engine = Engine(folder)
    yield engine
    engine.shutdown()


def _config(folder: str) -> Config:
    return Config.model_validate(
        {
            "run": {"directory": "unused", "steps": 1},
            "model": {"path": folder, "dtype": "float32"},
            "data": {"source": "arithmetic", "max_prompt_tokens": 64},
            "rollout": {"max_completion_tokens": 64, "max_concurrent_sequences": 8, "enforce_eager": True},
            "weight_sync": {"bucket_mib": BUCKET_MIB, "timeout": TIMEOUT},
            "cluster": {"device": "cpu"},
        }
    )
