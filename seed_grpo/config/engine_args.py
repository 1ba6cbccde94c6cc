"""Arguments of vLLM's engine that are not for `rollout.engine_args`, each with what decides it instead.

It is a table; `config.checks` refuses what stands here. Which other arguments there are, vLLM says when it is loaded
(`rollout.vllm.startup`).
"""

from __future__ import annotations

from collections.abc import Mapping

OWNED: Mapping[str, str] = {
    "model": "model.path",
    "revision": "model.path, the same model for engines and trainer",
    "tokenizer": "model.path",
    "tokenizer_revision": "model.path",
    "skip_tokenizer_init": "rollout.stop, which is found in texts",
    "runner": "the program, which samples",
    "convert": "the program, which samples",
    "dtype": "model.dtype",
    "trust_remote_code": "model.trust_remote_code",
    "seed": "run.seed",
    "max_model_len": "data.max_prompt_tokens and rollout.max_completion_tokens",
    "max_num_seqs": "rollout.max_concurrent_sequences",
    "gpu_memory_utilization": "rollout.memory_fraction",
    "enforce_eager": "rollout.enforce_eager",
    "enable_prefix_caching": "rollout.prefix_caching and run.deterministic",
    "tensor_parallel_size": "rollout.tensor_parallel_size",
    "pipeline_parallel_size": "rollout.tensor_parallel_size, the GPUs that an engine is placed on",
    "data_parallel_size": "rollout.num_workers",
    "data_parallel_backend": "rollout.num_workers",
    "nnodes": "cluster, which places each engine on one machine",
    "node_rank": "cluster, which places each engine on one machine",
    "master_addr": "cluster, which places each engine on one machine",
    "master_port": "cluster, which places each engine on one machine",
    "device_ids": "cluster, which places the engines",
    "distributed_executor_backend": "cluster, which places the engines",
    "worker_cls": "the program, which moves weights in vLLM's own workers",
    "worker_extension_cls": "the program, which moves weights in vLLM's own workers",
    "weight_transfer_config": "cluster.device and weight_sync",
    "enable_lora": "model.lora, whose matrices the engines get merged",
    "scheduling_policy": "the program, whose proof of a weight sync goes first",
    "logprobs_mode": "the program: log-probabilities are those of what is sampled",
    "generation_config": "rollout.temperature and rollout.top_p",
    "override_generation_config": "rollout.temperature and rollout.top_p",
    "watermark_config": "the program: a watermark samples from another policy than the one trained",
    "diffusion_config": "the program, which samples one token after the other",
    "disable_log_stats": "the program, which has metrics of its own",
}
"""argument to what decides it"""
OWNED_ON_CPU: Mapping[str, str] = dict.fromkeys(
    ("enable_chunked_prefill", "max_num_batched_tokens"),
    "the program on CPU, where vLLM cannot split a prompt of a seeded request",
)
"""further ones with `cluster.device=cpu`"""
