"""TRL's settings: the YAML of `trl grpo --config`, and open-r1's, which builds on it. The file is one thing: a table.

Defaults are those of TRL 1.16: `GRPOConfig`, `ModelConfig` and the arguments of its script. `EARLIER` has names that it
no longer knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from seed_grpo.importing import makers
from seed_grpo.importing.arguments import flags
from seed_grpo.importing.makers import always, unless
from seed_grpo.importing.rules import GPUS, PROBLEMS, Differs, Peer, Rule

EARLIER = {
    "torch_dtype": "dtype",
    "warmup_ratio": "warmup_steps",
    "evaluation_strategy": "eval_strategy",
    "vllm_importance_sampling_cap": "vllm_importance_sampling_clip_max",
}
"""name of TRL 1.16 by the earlier one of the same meaning"""
GONE = (
    "torch_dtype",
    "warmup_ratio",
    "evaluation_strategy",
    "max_prompt_length",
    "overwrite_output_dir",
    "vllm_device",
)
"""names that 1.16 refuses, which tell a file of an earlier TRL"""
RECOGNISED_BY = frozenset((
    "num_generations", "max_completion_length", "per_device_train_batch_size", "reward_funcs", "num_iterations",
    "scale_rewards", "use_vllm", "vllm_mode",
))  # fmt: skip
"""settings of which any two tell a YAML file of TRL"""
PROCESSES = 8
"""processes that are taken where neither the file nor the user says how many"""
CORRECT = ("accuracy", "accuracy_reward", "reasoning_accuracy_reward")
OVERLONG = ("soft_overlong_punishment", "get_soft_overlong_punishment")
MARKS = {"format": ["think", "answer_tag"], "format_reward": ["think", "answer_tag"], "think_format_reward": ["think"]}
"""marks of our reward `format` by the reward of theirs"""
AGGREGATIONS = {"grpo": "per_completion", "dr_grpo": "constant", "dapo": "per_token"}
MASKS = {
    "token_truncate": ("truncated", "token"),
    "token_mask": ("masked", "token"),
    "sequence_truncate": ("truncated", "sequence"),
    "sequence_mask": ("masked", "sequence"),
}


def parse(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Settings of a command, by the names of TRL 1.16."""
    given, strays = flags(words)
    return renamed(given), strays


def renamed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names of TRL 1.16."""
    return {EARLIER.get(name, name): value for name, value in given.items()}


class _Batch:
    """Counts of a generation batch, which is what we call a step."""

    def __init__(
        self, device: int, accumulation: int, steps: int | None, batch: int | None, group: int, world: int | None
    ) -> None:
        self.known = world is not None
        self.update = device * accumulation * (world or PROCESSES)
        """completions of an optimiser update"""
        per_pass = device * (world or PROCESSES)
        self.completions = batch or per_pass * (steps or accumulation)
        self.group = group if group >= 2 else makers.GROUP
        self.prompts = max(1, self.completions // self.group)


BATCH = (
    "per_device_train_batch_size", "gradient_accumulation_steps", "steps_per_generation", "generation_batch_size",
    "num_generations", GPUS,
)  # fmt: skip


def _prompts(*counts: Any) -> Any:
    batch = _Batch(*counts)
    if batch.known:
        return batch.prompts
    return Differs(
        batch.prompts,
        f"CHECK rollout.prompts_per_step: {batch.completions} completions in groups of {batch.group}, with {PROCESSES} "
        "processes, which the file does not say and `--gpus N` would",
    )


def _updates(*counts: Any) -> Any:
    batch = _Batch(*counts)
    return makers.updates(batch.completions, batch.update, batch.prompts, "gradient_accumulation_steps")


def _steps(most: int, passes: float, iterations: int, problems: int | None, *counts: Any) -> Any:
    batch = _Batch(*counts)
    if most > 0:
        return max(1, most * batch.update // batch.completions // iterations)
    outcome = makers.steps(None, passes, batch.prompts, problems)
    return Differs(outcome.value, outcome.why, "num_train_epochs") if isinstance(outcome, Differs) else outcome


def _warmup(count: float, most: int, passes: float, iterations: int, problems: int | None, *counts: Any) -> Any:
    batch = _Batch(*counts)
    return makers.warmup(count, 0, most // iterations, passes, batch.prompts, problems)


def _engines(tensor_parallel: int, world: int | None) -> int:
    return makers.engines(world or PROCESSES, tensor_parallel)


def _dtype(dtype: str, bf16: bool | None, fp16: bool) -> Any:
    if fp16:
        return Differs("bfloat16", "no float16 here", "fp16")
    if bf16 is False and dtype in ("float32", "auto"):
        return "float32"
    if dtype in ("bfloat16", "auto"):
        return "bfloat16"
    why = "float32 parameters, computed with in bfloat16; DeepSpeed trains bfloat16 ones with a float32 copy"
    return Differs("bfloat16", why)


def _source(name: str | None, config: str | None, mixture: Any) -> Any:
    if mixture is not None or not name:
        why = "name the sets in data.sources, each with a ratio; a place holder is written"
        return Differs("dataset.jsonl", why, "dataset_name")
    return f"{name}:{config}" if config and config != "default" else name


def _columns(column: str) -> Any:
    if column == "prompt":
        return None
    why = "the answer's column is not in the file: TRL's rewards read `solution`, which is written"
    return Differs({"problem": column, "answer": "solution"}, why)


def _prompt_tokens(most: int | None) -> Any:
    if most is None:
        return Differs(1024, "no limit in TRL 1.16; here longer prompts are left out and counted")
    return Differs(
        most, "earlier versions cut the beginning of longer prompts, 1.16 has no limit; here they are left out"
    )


def _rewards(names: Any, weights: Any, model: Any) -> Any:
    names, lost = names if isinstance(names, list) else [names] if names else [], []
    weights, rewards = weights if isinstance(weights, list) else [1.0] * len(names), []
    if len(names) != len(weights):
        raise ValueError(f"{len(names)} reward_funcs have {len(weights)} reward_weights")
    for name, weight in zip(names, weights, strict=True):
        if name in CORRECT and weight:
            rewards.append({"use": "correct", "weight": weight})
        elif name in MARKS and weight:
            rewards.append({"use": "format", "weight": weight, "settings": {"marks": MARKS[name]}})
        elif name not in OVERLONG:
            lost.append(str(name))
    if model:
        lost.append(f"the model {model}")
    rewards = rewards or [{"use": "correct"}]
    if lost:
        why = f"no {', '.join(lost)} here: write functions of your own, see jobs/examples"
        return Differs(rewards, why, "reward_funcs" if names else "reward_model_name_or_path")
    if not names:
        return Differs(rewards, "the file names no reward: `correct` is written")
    if any(name in MARKS for name in names):
        return Differs(rewards, "its format wants line breaks about the tags; here any text with the marks in order")
    return rewards


def _overlong(names: Any, cache: int) -> Any:
    return cache if any(name in OVERLONG for name in (names if isinstance(names, list) else [names])) else None


def _advantage(scaling: Any) -> Any:
    if scaling in (True, "group"):
        return "standardized"
    if scaling in (False, "none"):
        return "centered"
    return Differs("centered", f"no deviation over the {scaling} here; Dr.GRPO's advantage is written")


def _aggregation(kind: str) -> Any:
    if kind in AGGREGATIONS:
        return AGGREGATIONS[kind]
    if kind == "bnpo":
        return Differs("per_token", "a mean over the tokens of a device's micro-batch; here over those of the update")
    return Differs("per_token", f"no loss {kind} here: the clipped surrogate is written")


def _kl(weight: float, corrected: bool) -> Any:
    if weight and corrected:
        return Differs(
            weight, "TRL multiplies k3 by the importance ratio; here it stands alone", "use_bias_correction_kl"
        )
    return weight


def _correction(by_vllm: bool, on: bool, mode: str, low: float | None, high: float | None) -> Any:
    if not by_vllm or not on:
        return "none"
    kind, _ = MASKS.get(mode, ("truncated", "token"))
    if low is not None:
        why = f"weights below {low} are masked or raised there; here they stand"
        return Differs(kind, why, "vllm_importance_sampling_clip_min")
    return kind


def _level(by_vllm: bool, on: bool, mode: str) -> str | None:
    return MASKS.get(mode, ("truncated", "token"))[1] if by_vllm and on else None


def _cap(by_vllm: bool, on: bool, high: float | None) -> float | None:
    return high if by_vllm and on else None


def _entropy(weight: float, adaptive: bool) -> Any:
    return (
        Differs(weight, "the weight of the entropy does not adapt here", "use_adaptive_entropy") if adaptive else weight
    )


def _saving(strategy: Any, count: float) -> Any:
    if strategy in ("steps", None):
        return makers.every(count, "run.checkpoint_every")
    return (
        None
        if strategy in (False, "no")
        else Differs(None, "checkpoints are made every so many steps: run.checkpoint_every")
    )


def _evaluating(strategy: Any, count: float | None) -> Any:
    return makers.every(count, "evaluation.every") if strategy == "steps" else None


def _evaluation(strategy: Any, name: str | None, config: str | None) -> str | None:
    return None if strategy in (False, "no") or not name else f"{name}:{config}" if config else name


def _with_evaluation(strategy: Any, name: str | None, value: Any) -> Any:
    return None if strategy in (False, "no") or not name else value


TRL = Peer(
    name="TRL",
    version="1.16",
    command=re.compile(r"trl grpo|(?:.*/)?grpo\.py"),
    parse=parse,
    defaults={
        "output_dir": None,
        "run_name": None,
        "seed": 42,
        "max_steps": -1,
        "num_train_epochs": 3.0,
        "save_strategy": "steps",
        "save_steps": 500,
        "wandb_project": None,
        "full_determinism": False,
        "model_name_or_path": None,
        "model_revision": "main",
        "dtype": "float32",
        "bf16": None,
        "fp16": False,
        "trust_remote_code": False,
        "use_peft": False,
        "lora_r": 16,
        "lora_alpha": 32,
        "lora_target_modules": None,
        "lora_dropout": 0.05,
        "load_in_4bit": False,
        "load_in_8bit": False,
        "dataset_name": None,
        "dataset_config": None,
        "datasets": None,
        "dataset_train_split": "train",
        "dataset_test_split": "test",
        "dataset_prompt_column": "prompt",
        "system_prompt": None,
        "chat_template": None,
        "chat_template_kwargs": None,
        "max_prompt_length": None,
        "shuffle_dataset": True,
        "num_generations": 8,
        "max_completion_length": 512,
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 1,
        "steps_per_generation": None,
        "generation_batch_size": None,
        "num_iterations": 1,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": None,
        "repetition_penalty": 1.0,
        "generation_kwargs": None,
        "use_vllm": False,
        "vllm_tensor_parallel_size": 1,
        "reward_funcs": None,
        "reward_weights": None,
        "reward_model_name_or_path": None,
        "soft_punish_cache": 256,
        "multi_objective_aggregation": "sum_then_normalize",
        "scale_rewards": "group",
        "loss_type": "dapo",
        "importance_sampling_level": "token",
        "epsilon": 0.2,
        "epsilon_high": None,
        "delta": None,
        "beta": 0.0,
        "use_bias_correction_kl": True,
        "sync_ref_model": False,
        "entropy_coef": 0.0,
        "use_adaptive_entropy": False,
        "top_entropy_quantile": 1.0,
        "mask_truncated_completions": False,
        "vllm_importance_sampling_correction": True,
        "vllm_importance_sampling_mode": "sequence_mask",
        "vllm_importance_sampling_clip_max": 3.0,
        "vllm_importance_sampling_clip_min": None,
        "off_policy_mask_threshold": None,
        "learning_rate": 1e-6,
        "lr_scheduler_type": "linear",
        "warmup_steps": 0.0,
        "optim": "adamw_torch_fused",
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-8,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "gradient_checkpointing": True,
        "eval_strategy": "no",
        "eval_steps": None,
    },
    rules=(
        Rule("run.directory", ("output_dir", "run_name"), makers.directory),
        Rule("run.seed", ("seed",)),
        Rule("run.steps", ("max_steps", "num_train_epochs", "num_iterations", PROBLEMS, *BATCH), _steps, shows=2),
        Rule("run.checkpoint_every", ("save_strategy", "save_steps"), _saving),
        Rule("run.trackers", ("wandb_project",), makers.trackers),
        Rule("run.deterministic", ("full_determinism",)),
        Rule("model.path", ("model_name_or_path",)),
        Rule("", ("model_revision",), unless("main", "a model is loaded at its main revision; name a local folder")),
        Rule("model.dtype", ("dtype", "bf16", "fp16"), _dtype),
        Rule("model.trust_remote_code", ("trust_remote_code",)),
        Rule(
            "model.lora",
            ("use_peft", "lora_r", "lora_alpha", "lora_target_modules"),
            lambda on, rank, alpha, modules: makers.lora(rank, alpha, modules) if on else None,
        ),
        Rule(
            "",
            ("lora_dropout", "use_peft"),
            lambda share, on: Differs(None, "adapters have no dropout here") if on and share else None,
        ),
        Rule("", ("load_in_4bit",), unless(False, "the policy is not quantised here")),
        Rule("", ("load_in_8bit",), unless(False, "the policy is not quantised here")),
        Rule("data.source", ("dataset_name", "dataset_config", "datasets"), _source),
        Rule("data.split", ("dataset_train_split",)),
        Rule("data.columns", ("dataset_prompt_column",), _columns),
        Rule("data.template", (), always("chat"), "TRL renders a prompt of messages so; set none for plain texts"),
        Rule("data.instruction", (), always(""), "TRL adds none"),
        Rule("data.system_prompt", ("system_prompt",)),
        Rule("", ("chat_template",), unless(None, "write it into a .jinja file, and name that in data.template")),
        Rule("data.chat_template_kwargs", ("chat_template_kwargs",)),
        Rule("data.max_prompt_tokens", ("max_prompt_length",), _prompt_tokens),
        Rule("data.shuffle", ("shuffle_dataset",)),
        Rule("rollout.num_workers", ("vllm_tensor_parallel_size", GPUS), _engines, "half of the GPUs"),
        Rule("rollout.tensor_parallel_size", ("vllm_tensor_parallel_size",)),
        Rule("rollout.prompts_per_step", BATCH, _prompts),
        Rule("rollout.completions_per_prompt", ("num_generations",), makers.group),
        Rule("rollout.temperature", ("temperature",), makers.temperature),
        Rule("rollout.top_p", ("top_p",), makers.top_p),
        Rule("", ("top_k",), lambda k: Differs(None, "a run samples from all tokens") if k and k > 0 else None),
        Rule("", ("min_p",), unless(None, "a run samples from all tokens")),
        Rule("", ("repetition_penalty",), unless(1, "a run samples without a penalty")),
        Rule("", ("generation_kwargs",), unless(None, "sampling has the settings of rollout.* alone")),
        Rule("rollout.max_completion_tokens", ("max_completion_length",)),
        Rule("verifier.extraction", (), always("auto"), "TRL looks for a box first, then for other forms"),
        Rule("verifier.rewards", ("reward_funcs", "reward_weights", "reward_model_name_or_path"), _rewards),
        Rule(
            "",
            ("multi_objective_aggregation",),
            unless("sum_then_normalize", "rewards are summed before anything is normalised here"),
        ),
        Rule("algo.scale.kind", (), always("none"), "as there; `linear` makes it SEED-GRPO"),
        Rule("algo.advantage", ("scale_rewards",), _advantage),
        Rule("algo.overlong_tokens", ("reward_funcs", "soft_punish_cache"), _overlong),
        Rule("algo.loss.aggregation", ("loss_type",), _aggregation),
        Rule("algo.loss.ratio", ("importance_sampling_level",)),
        Rule("algo.loss.clip_low", ("epsilon",)),
        Rule("algo.loss.clip_high", ("epsilon_high", "epsilon"), lambda high, low: low if high is None else high),
        Rule("", ("delta",), unless(None, "no bound of its own for the ratio of negative advantages here")),
        Rule("algo.loss.kl_coefficient", ("beta", "use_bias_correction_kl"), _kl),
        Rule("", ("sync_ref_model",), unless(False, "the reference stays the first policy here")),
        Rule("algo.loss.entropy_coefficient", ("entropy_coef", "use_adaptive_entropy"), _entropy),
        Rule("", ("top_entropy_quantile",), unless(1, "all tokens are trained on here")),
        Rule("", ("mask_truncated_completions",), unless(False, "completions that were cut off stay in the loss here")),
        Rule(
            "algo.loss.importance_correction",
            (
                "use_vllm",
                "vllm_importance_sampling_correction",
                "vllm_importance_sampling_mode",
                "vllm_importance_sampling_clip_min",
                "vllm_importance_sampling_clip_max",
            ),
            _correction,
        ),
        Rule(
            "algo.loss.importance_level",
            ("use_vllm", "vllm_importance_sampling_correction", "vllm_importance_sampling_mode"),
            _level,
        ),
        Rule(
            "algo.loss.importance_cap",
            ("use_vllm", "vllm_importance_sampling_correction", "vllm_importance_sampling_clip_max"),
            _cap,
        ),
        Rule("", ("off_policy_mask_threshold",), unless(None, "no completions are masked by their divergence here")),
        Rule(
            "trainer.num_workers",
            ("use_vllm", GPUS),
            lambda by_vllm, world: makers.halved(world or PROCESSES, "use_vllm"),
        ),
        Rule("trainer.learning_rate", ("learning_rate",)),
        Rule("trainer.schedule", ("lr_scheduler_type",), makers.schedule),
        Rule(
            "trainer.warmup_steps",
            ("warmup_steps", "max_steps", "num_train_epochs", "num_iterations", PROBLEMS, *BATCH),
            _warmup,
            shows=1,
        ),
        Rule(
            "",
            ("optim",),
            lambda name: None if str(name).startswith("adamw") else Differs(None, "the optimiser is AdamW here"),
        ),
        Rule("trainer.adam_betas", ("adam_beta1", "adam_beta2"), lambda first, second: [first, second]),
        Rule("trainer.adam_eps", ("adam_epsilon",)),
        Rule("trainer.weight_decay", ("weight_decay",)),
        Rule("trainer.max_grad_norm", ("max_grad_norm",)),
        Rule("trainer.epochs", ("num_iterations",)),
        Rule("trainer.mini_batches", BATCH, _updates),
        Rule(
            "trainer.tokens_per_micro_batch",
            ("per_device_train_batch_size", "max_prompt_length", "max_completion_length"),
            lambda sequences, prompt, completion: makers.tokens(sequences, prompt or 1024, completion),
        ),
        Rule("trainer.gradient_checkpointing", ("gradient_checkpointing",)),
        Rule("weight_sync.transport", (GPUS,), lambda world: makers.transport(world or PROCESSES)),
        Rule("evaluation.data.source", ("eval_strategy", "dataset_name", "dataset_config"), _evaluation),
        Rule("evaluation.data.split", ("eval_strategy", "dataset_name", "dataset_test_split"), _with_evaluation),
        Rule("evaluation.every", ("eval_strategy", "eval_steps"), _evaluating),
    ),
    without={
        "gradient_checkpointing_kwargs": "how checkpointing runs; no results depend on it",
        "attn_implementation": "FlashAttention is taken where it is installed",
        "use_liger_kernel": "how the model runs; no results depend on it, but for rounding",
        "vllm_gpu_memory_utilization": "an engine has its GPU to itself here; rollout.memory_fraction is a share of it",
        "vllm_*": "engines are started, placed and reached by the run itself",
        "do_eval": "evaluation.data says so",
        "eval_*": "held-out problems are answered greedily, by evaluation.*",
        "*_eval_*": "prompts are dispatched one by one",
        "num_generations_eval": "held-out problems are answered once, greedily",
        "report_to": "run.trackers, which has TensorBoard by default",
        "run_name": "the run directory is the run's name",
        "wandb_*": "logging of a run is its own here",
        "log*": "every step is logged, and every completion is in the run directory",
        "save_*": "checkpoints are in the run directory: run.keep_checkpoints of them",
        "overwrite_output_dir": "a run goes on from its own directory, and refuses another's",
        "resume_from_checkpoint": "a run goes on by itself",
        "push_to_hub*": "`seed-grpo export` writes a model for the hub",
        "hub_*": "`seed-grpo export` writes a model for the hub",
        "overwrite_hub_revision": "`seed-grpo export` writes a model for the hub",
        "lr_scheduler_kwargs": "the schedules here have no arguments",
        "ds3_gather_for_generation": "engines have weights of their own",
        "remove_unused_columns": "every column of a record reaches the rewards",
        "dataloader_*": "reading of data is its own here",
        "streaming": "data sets are read whole here",
        "test_split_size": "evaluation.data names the held-out problems",
        "dataset_streaming": "data sets are read whole here",
        "ddp_*": "the trainer is DeepSpeed's",
        "fsdp*": "the trainer is DeepSpeed's",
        "deepspeed": "trainer.zero_stage and trainer.offload are DeepSpeed's settings here",
        "accelerate_config": "trainer.zero_stage and trainer.num_workers say it here",
        "num_processes": "`--gpus N` says it here",
        "benchmarks": "`seed-grpo evaluate` measures a model afterwards",
        "callbacks": "no callbacks in a configuration here",
        "code_*": "verifier.relation=code runs programs in a sandbox",
        "cosine_*": "no such reward here",
        "repetition_*": "no such reward here",
        "max_completion_len": "the overlong punishment ends at rollout.max_completion_tokens here",
        "tf32": "a setting of torch",
        "ignore_bias_buffers": "a setting of DDP",
        "lora_*": "adapters are plain here: rank, alpha and modules",
        "use_rslora": "adapters are plain here: rank, alpha and modules",
        "use_dora": "adapters are plain here: rank, alpha and modules",
        "*bnb_*": "the policy is not quantised here",
        "model_init_kwargs": "a model is loaded by its own config.json here",
        "disable_dropout": "a model's own dropout counts here",
        "cast_lm_head_to_fp32": "log-probabilities are computed in float32 from logits of model.dtype",
        "router_aux_loss_coef": "no loss for the balance of experts here",
        "neftune_noise_alpha": "no noise on embeddings here",
        "label_smoothing_factor": "not for this loss",
        "pad_to_multiple_of": "sequences are packed, not padded",
        "auto_find_batch_size": "trainer.tokens_per_micro_batch is as it is set",
        "average_tokens_across_devices": "the loss is over all ranks always",
        "optim_*": "the optimiser is AdamW here",
        "data_seed": "run.seed orders the problems",
        "ignore_data_skip": "a run that goes on resumes its data to the record",
        "train_sampling_strategy": "data.shuffle orders the problems",
        "length_column_name": "data.shuffle orders the problems",
        "label_names": "no labels but the answers",
        "sapo_*": "no such loss here",
        "vespo_*": "no such loss here",
        "ref_model_*": "the reference stays the first policy here",
        "entropy_coef_*": "the weight of the entropy does not adapt here",
        "entropy_target": "the weight of the entropy does not adapt here",
        "max_tool_calling_iterations": "completions are one turn here",
        "cache_implementation": "engines are vLLM's",
        "use_transformers_*": "engines are vLLM's",
        "transformers_*": "engines are vLLM's",
        "use_cache": "engines are vLLM's",
        "use_cpu": "cluster.device says it here",
        "project": "logging of a run is its own here",
        "trackio_*": "logging of a run is its own here",
        "*_to_print": "every completion is in the run directory",
        "*_full_eval": "held-out problems are answered in the engines' precision",
        "prediction_loss_only": "held-out problems are answered greedily, by evaluation.*",
        "include_*": "metrics.jsonl has the metrics",
        "load_best_model_at_end": "`seed-grpo export` writes the last checkpoint",
        "metric_for_best_model": "`seed-grpo export` writes the last checkpoint",
        "greater_is_better": "`seed-grpo export` writes the last checkpoint",
        "enable_jit_checkpoint": "Ctrl-C ends a run with a checkpoint",
        "restore_callback_states_from_checkpoint": "no callbacks in a configuration here",
        "accelerator_config": "the trainer is DeepSpeed's",
        "parallelism_config": "trainer.sequence_parallel_size is Ulysses",
        "liger_kernel_config": "how the model runs; no results depend on it, but for rounding",
        "torch_empty_cache_steps": "how memory is freed; no results depend on it",
        "do_train": "`seed-grpo train` says so",
        "do_predict": "`seed-grpo evaluate` says so",
        "debug": "logging of a run is its own here",
        "disable_tqdm": "logging of a run is its own here",
        "skip_memory_metrics": "logging of a run is its own here",
        "local_rank": "ranks are placed by Ray",
        "torch_compile*": "nothing is compiled in the trainer",
        "env": "environment variables of the shell that starts a run",
    },
    always=(
        "Standardised advantages divide by the deviation plus 1e-4 there, plus 1e-6 here.",
        "TRL's mini-batches are completions in shuffled order; here a mini-batch is of whole groups.",
        "Defaults are TRL 1.16's: before 0.19 beta was 0.04, before 0.22 loss_type was bnpo, before 0.23 nothing "
        "corrected for vLLM's log-probabilities.",
        "Answers are judged by meaning here, by Math-Verify there; an answer that it cannot read is skipped there.",
    ),
)
