"""Number of GPUs that a run needs and their split, by arithmetic that a reader can repeat.

Consumes the configuration, the model's config.json and a number of GPUs; produces bytes, seconds and the best splits;
`page` shows them. It measures and starts nothing, and loads neither torch nor Ray.
What DeepSpeed (0.19) holds is told for `train.deepspeed_engine`'s settings.

    bytes of a rank     weights, gradients, Adam by ZeRO stage (arXiv 1910.02054), and what a micro-batch needs
    seconds to sample   reading weights and cache for each token step, or computing if longer (arXiv 2211.05102)
    seconds to train    FLOP: 2 N a token forward, 4 N backward (arXiv 2001.08361), 2 N to recompute (arXiv 2104.04473)
    seconds of a step   sampling + training + weight sync; with run.max_staleness the longer of the first two + sync
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from seed_grpo.config import Config
from seed_grpo.errors import ConfigError
from seed_grpo.pretrained.shape import Shape, flop_of_weight

GIB = 2**30
HBM, HBM_SHARE = 3.35e12, 0.7  # bytes/s of an H100 SXM by NVIDIA's data sheet; what decoding reaches of it
FLOPS = 4e14  # FLOP/s reached, of the 9.89e14 of its data sheet (bfloat16, dense)
TOKEN_STEP, ALL_REDUCE = 0.004, 2e-5  # seconds of a token step beside reading; of an exchange, two a layer and step
COMPLETION_SHARE, PROMPT_SHARE = 0.5, 0.25  # mean lengths, of the most that the configuration allows
RESERVED_SHARE = 0.1  # of a trainer's GPU, for CUDA, NCCL and fragmentation
ENGINE_WORKING = 3 * GIB  # bytes of an engine's GPU: CUDA and its graphs, and what its largest batch needs
LOGITS_AT_ONCE, LOGIT_COPIES = 2**26, 3  # numbers in a block of `train.logprobs`; float32 copies at a time
ZERO3_AT_ONCE = 10**9  # parameters that DeepSpeed makes whole at a time
BUCKETS = 3 * 4 * 5 * 10**7  # bytes in which ZeRO collects what it exchanges
JUDGE_SECONDS = {"math": 0.01, "exact": 0.01, "text": 0.1}  # a completion, at the slow end; of code by its time limits


class Split(NamedTuple):
    """One way to use the GPUs; seconds are of a step."""

    seconds: float
    gpus: int
    ranks: int
    stage: int
    engines: int
    tensor_parallel: int
    sampling: float
    training: float


@dataclass(frozen=True)
class Sizing:
    """The arithmetic of one run on so many GPUs: bytes of each, how many in a machine, bytes/s on their links."""

    config: Config
    shape: Shape
    gpus: int
    memory: float
    per_node: int
    link: float

    @property
    def width(self) -> int:
        """Bytes of a weight."""
        return 2 if self.config.model.dtype == "bfloat16" else 4

    @property
    def longest(self) -> int:
        """Tokens of a sequence of full length."""
        return self.config.data.max_prompt_tokens + self.config.rollout.max_completion_tokens

    @property
    def shared(self) -> int:
        """GPUs that a trainer rank and an engine have together: 1 with the `ipc` transport, which needs no other."""
        return int(self.config.transport == "ipc")

    @property
    def room(self) -> float:
        """Bytes of a GPU that a trainer rank may take."""
        return self.memory * (1 - RESERVED_SHARE - self.shared * self.config.rollout.memory_fraction)

    def rank(self, stage: int, ranks: int) -> dict[str, float]:
        """Bytes on the GPU of a trainer rank, by part; of ZeRO stage 1, 2 or 3."""
        shape, trainer, width = self.shape, self.config.trainer, self.width
        trained, whole, offloaded = shape.trained(self.config.model), self.weights(1), trainer.offload != "none"
        gradients = 0.0 if offloaded else 4 * trained / ranks
        if stage == 1:  # sums in float32 are whole on every rank, in bfloat16 beside the last micro-batch's gradients
            gradients = trained * (6.0 if width == 2 and not offloaded else 4.0)
        tokens = trainer.tokens_per_micro_batch / trainer.sequence_parallel_size
        layer = shape.activations(width)
        kept = layer + shape.layers * width * shape.hidden if trainer.gradient_checkpointing else layer * shape.layers
        logits = LOGIT_COPIES * 4 * max(LOGITS_AT_ONCE, 256 * tokens) + 4 * tokens * shape.hidden
        logits += 0 if self.config.model.lora else width * shape.vocabulary * shape.hidden  # gradients of both inputs
        adam_step = 0.0 if offloaded else 4 * trained / ranks  # one more number each, when the others are gone
        return {
            "weights": 0.0 if trainer.offload == "optimizer_and_parameters" else whole / (ranks if stage == 3 else 1),
            "layers made whole": min(whole, width * ZERO3_AT_ONCE) if stage == 3 else 0.0,
            "gradients": gradients,
            "float32 weights and Adam": 0.0 if offloaded else 12 * trained / ranks,
            "reference policy": whole if self.config.algo.loss.kl_coefficient > 0 else 0.0,
            "exchange buffers": BUCKETS,
            "activations": tokens * kept,
            "logit block": logits,
            "Adam's step beyond these two": max(0.0, adam_step - tokens * kept - logits),
        }

    def smallest(self, stage: int) -> int | None:
        """The fewest ranks with which a rank of this ZeRO stage fits; None: not with all GPUs."""
        numbers = range(0, self.gpus + 1, self.config.trainer.sequence_parallel_size)
        return next((n for n in numbers if n and sum(self.rank(stage, n).values()) <= self.room), None)

    def weights(self, tensor_parallel: int) -> float:
        """Bytes of weights on each GPU of an engine."""
        return self.width * self.shape.parameters / tensor_parallel

    def cache(self, tensor_parallel: int) -> float:
        """Bytes of a token's keys and values on each GPU of an engine; no key head is divided."""
        one_head = 2 * self.shape.layers * self.shape.head_width * self.width
        return one_head * self.shape.key_heads / min(tensor_parallel, self.shape.key_heads)

    def sequences(self, tensor_parallel: int) -> int:
        """Sequences of full length whose keys and values an engine holds; 0 where it does not fit."""
        free = self.config.rollout.memory_fraction * self.memory - self.weights(tensor_parallel) - ENGINE_WORKING
        return max(0, math.floor(free / (self.longest * self.cache(tensor_parallel))))

    def tensor_parallel_sizes(self) -> list[int]:
        """Numbers of GPUs of one machine that an engine can be divided over."""
        shape, keys, numbers = self.shape, self.shape.key_heads, range(1, min(self.per_node, self.gpus) + 1)
        return [n for n in numbers if 0 in (keys % n, n % keys) and shape.heads % n == shape.intermediate % n == 0]

    def mean_tokens(self) -> tuple[float, float]:
        """Assumed lengths of prompts and completions."""
        rollout = self.config.rollout
        return PROMPT_SHARE * self.config.data.max_prompt_tokens, COMPLETION_SHARE * rollout.max_completion_tokens

    def sampling(self, engines: int, tensor_parallel: int) -> float:
        """Seconds for the completions of a step. Without staleness training waits for the longest completion; with it,
        completions of the next steps fill the engines meanwhile."""
        rollout, staleness, shape = self.config.rollout, self.config.run.max_staleness, self.shape
        prompt, completion = self.mean_tokens()
        rows = math.ceil(rollout.prompts_per_step / engines) * rollout.completions_per_prompt
        at_once = min(rollout.max_concurrent_sequences, self.sequences(tensor_parallel), rows * (1 + staleness))
        token_steps = max(rows * completion / at_once, 0 if staleness else rollout.max_completion_tokens)
        read = token_steps * self.weights(tensor_parallel)
        read += rows * completion * (prompt + completion / 2) * self.cache(tensor_parallel)
        computed = rows * (prompt + completion) * 2 * shape.parameters / tensor_parallel / FLOPS
        exchanges = 2 * shape.layers * ALL_REDUCE if tensor_parallel > 1 else 0.0
        return max(read / (HBM * HBM_SHARE), computed) + token_steps * (TOKEN_STEP + exchanges)

    def flop(self) -> int:
        """FLOP of a trained token, by parameter of the model."""
        trainer = self.config.trainer
        update = flop_of_weight(self.config.model) + (2 if trainer.gradient_checkpointing else 0)
        before = (trainer.epochs * trainer.mini_batches > 1) + (self.config.algo.loss.kl_coefficient > 0)
        return trainer.epochs * update + 2 * before

    def training(self, ranks: int) -> float:
        """Seconds that the ranks compute for a step, as if every completion had an advantage."""
        size = self.config.trainer.sequence_parallel_size
        rows = math.ceil(self.config.completions_per_step / (ranks // size)) / size
        return rows * sum(self.mean_tokens()) * self.flop() * self.shape.parameters / FLOPS

    def sync_bytes(self) -> int:
        """Bytes that an engine receives after a step."""
        return self.width * self.shape.parameters

    def split(self, ranks: int, stage: int, engines: int, tensor_parallel: int) -> Split:
        """The time of one split; on a shared GPU sampling and training take turns."""
        sampling, training = self.sampling(engines, tensor_parallel), self.training(ranks)
        at_once = self.config.run.max_staleness > 0 and not self.shared
        seconds = max(sampling, training) if at_once else sampling + training
        seconds, used = seconds + self.sync_bytes() / self.link, ranks - self.shared + engines * tensor_parallel
        return Split(seconds, used, ranks, stage, engines, tensor_parallel, sampling, training)

    def splits(self) -> list[Split]:
        """All ways that fit, with the lower of ZeRO 2 and 3; the fastest first, of equals that with fewest GPUs. Of the
        engines those are left out that take no prompt off the longest queue.

        Raises:
            ConfigError: none fits; with the numbers and what to change.
        """
        stages = (3,) if self.config.trainer.offload == "optimizer_and_parameters" else (2, 3)
        least = {stage: n for stage in stages if (n := self.smallest(stage)) is not None}
        sizes = [n for n in self.tensor_parallel_sizes() if self.sequences(n) > 0]
        found, prompts, step = [], self.config.rollout.prompts_per_step, self.config.trainer.sequence_parallel_size
        for ranks in range(min(least.values(), default=self.gpus + 1), self.gpus + self.shared, step):
            stage, free = min(s for s, enough in least.items() if enough <= ranks), self.gpus + self.shared - ranks
            for size in sizes:
                places = self.gpus // self.per_node * (self.per_node // size) + self.gpus % self.per_node // size
                if most := min(places, free // size, prompts):
                    found.append(self.split(ranks, stage, math.ceil(prompts / math.ceil(prompts / most)), size))
        if not found:
            raise ConfigError(self._fault(least, sizes))
        return sorted(found)

    def _fault(self, least: dict[int, int], sizes: Sequence[int]) -> str:
        size, offered = (*sizes, self.tensor_parallel_sizes()[-1])[0], self.config.rollout.memory_fraction * self.memory
        engine = self.weights(size) + ENGINE_WORKING + self.longest * self.cache(size)
        return (
            f"{self.gpus} GPUs of {gib(self.memory)} GiB hold no run: a rank of ZeRO-3 over all of them takes "
            f"{gib(*self.rank(3, self.gpus).values())} of {gib(self.room)} GiB (fewest that fit: "
            f"{min(least.values(), default='none')}), an engine over {size} with one sequence of {self.longest} tokens "
            f"takes {gib(engine)} of {gib(offered)}. Set trainer.gradient_checkpointing, trainer.offload or "
            "model.lora, lower trainer.tokens_per_micro_batch or rollout.max_completion_tokens, or give more GPUs"
        )


def gib(*sizes: float) -> str:
    """The sum of sizes in bytes, in GiB."""
    return f"{sum(sizes) / GIB:.1f}"
