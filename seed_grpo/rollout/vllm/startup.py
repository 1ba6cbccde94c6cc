"""Settings that vLLM starts an engine with: the environment of its processes, and the engine's arguments.

Consumes the configuration and the engine's end of the weight transport. Starts nothing.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import vllm
from vllm import AsyncEngineArgs
from vllm.config import WeightTransferConfig

from seed_grpo.config import Config
from seed_grpo.errors import ConfigError
from seed_grpo.rollout.engine import ReceivingEnd
from seed_grpo.rollout.vllm.plugin import RECEIVING_MODULE
from seed_grpo.rollout.vllm.strict_products import strict_products
from seed_grpo.rollout.vllm.worker_extension import EngineProcess

CPU_STEP_TOKENS = 8192
"""tokens that an engine on CPU computes in one step, or one prompt if that is longer"""


def environment(config: Config, receiving: ReceivingEnd) -> dict[str, str]:
    """The variables that vLLM reads from the environment, here and in the processes it starts."""
    environment = {
        "VLLM_NO_USAGE_STATS": "1",  # else it reports to its makers
        "VLLM_ENGINE_READY_TIMEOUT_S": str(int(config.rollout.start_timeout) + 1),
        RECEIVING_MODULE: receiving.module,
        **receiving.environment,
    }
    if config.cluster.device == "cpu":
        environment |= {
            "VLLM_CPU_KVCACHE_SPACE": str(config.rollout.cpu_cache_gib),
            "OMP_NUM_THREADS": str(config.rollout.threads),
            # By default each engine binds its threads to the first cores, and two engines spin on the same ones. A
            # placement plan may give cores instead.
            "VLLM_CPU_OMP_THREADS_BIND": os.environ.get("VLLM_CPU_OMP_THREADS_BIND", "nobind"),
            # The engine's processes are on one machine: their gloo groups need not listen on its network.
            "GLOO_SOCKET_IFNAME": "lo",
            **strict_products(),
        }
        if config.run.deterministic:
            # Else two threads or more share the keys of a sequence or do not, by what else is in the batch.
            environment["VLLM_CPU_ATTN_SPLIT_KV"] = "0"
        if config.rollout.tensor_parallel_size == 1:
            # Else vLLM takes "mp" for "uni" on a CPU, since only a new process reads OpenMP's settings; ours has them.
            # What it is named after concerns its synchronous engine alone.
            environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        if config.rollout.enforce_eager:
            # vLLM compiles a helper of its sampler even so, which takes longer than it ever gives back.
            environment["TORCHDYNAMO_DISABLE"] = "1"
    return environment


def check_engine_args(names: Iterable[str]) -> None:
    """Checks that the installed vLLM knows the arguments in `rollout.engine_args`.

    Raises:
        ConfigError: it does not know one of them; the message has the most similar names.
    """
    known = [field.name for field in dataclasses.fields(AsyncEngineArgs)]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known)
            raise ConfigError(
                f"rollout.engine_args.{name} is no argument of vLLM {vllm.__version__}; "
                + (f"do you mean {' or '.join(near)}?" if near else "see its AsyncEngineArgs, and take it out")
            )


def engine_args(config: Config, receiving: ReceivingEnd) -> AsyncEngineArgs:
    """The arguments that an engine is started with.

    Raises:
        ConfigError: vLLM does not know one of `rollout.engine_args`.
    """
    rollout = config.rollout
    longest = config.data.max_prompt_tokens + rollout.max_completion_tokens
    on_cpu: dict[str, Any] = {}
    if config.cluster.device == "cpu":
        # Where vLLM 0.32 splits a prompt over two steps, it takes back the request's seeded generator, which the
        # generators of a CPU cannot do: the engine dies. So no prompt is split.
        on_cpu = {"enable_chunked_prefill": False, "max_num_batched_tokens": max(CPU_STEP_TOKENS, longest)}
    further: dict[str, Any] = dict(rollout.engine_args)
    check_engine_args(further)
    return AsyncEngineArgs(
        model=config.model.path,
        dtype=config.model.dtype,
        trust_remote_code=config.model.trust_remote_code,
        seed=config.run.seed,
        max_model_len=longest,
        max_num_seqs=rollout.max_concurrent_sequences,
        scheduling_policy="priority",
        tensor_parallel_size=rollout.tensor_parallel_size,
        # Not left to vLLM, which inside a Ray placement group would start Ray actors of its own. One device needs no
        # process beside the engine's own, and no messages to it.
        distributed_executor_backend="uni" if rollout.tensor_parallel_size == 1 else "mp",
        gpu_memory_utilization=rollout.memory_fraction,
        enforce_eager=rollout.enforce_eager,
        # A cached prefix is computed in other batch shapes than a fresh one, so its values may differ in the last bit.
        enable_prefix_caching=rollout.prefix_caching and not config.run.deterministic,
        # Of the distribution that a token is drawn from. Prompts and greedy requests have those of temperature 1, also
        # in a batch with others; at temperature 1 without top-p these are the raw ones to the bit. With drafts, vLLM
        # 0.32 gives numbers in place of the processed ones that belong to no policy (findings/vllm-draft-logprobs.sh).
        logprobs_mode="raw_logprobs" if "speculative_config" in rollout.engine_args else "processed_logprobs",
        weight_transfer_config=WeightTransferConfig(backend=receiving.backend),
        worker_extension_cls=f"{EngineProcess.__module__}.{EngineProcess.__name__}",
        disable_log_stats=True,
        **on_cpu,
        **further,
    )
