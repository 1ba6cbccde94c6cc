"""verl's settings: overrides of Hydra behind `python -m verl.trainer.main_ppo`. The file is one thing: a table.

Defaults are those of `verl/trainer/config` at v0.7 (January 2026).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from seed_grpo.importing import makers
from seed_grpo.importing.arguments import overrides
from seed_grpo.importing.makers import always, unless
from seed_grpo.importing.rules import GPUS, PROBLEMS, Differs, Peer, Rule

ACTOR, ROLLOUT, MODEL = "actor_rollout_ref.actor.", "actor_rollout_ref.rollout.", "actor_rollout_ref.model."
CORRECTION = "algorithm.rollout_correction."
CHAT = "data.apply_chat_template_kwargs"
OVERLONG, FILTER = "reward_model.overlong_buffer.", "algorithm.filter_groups."


def parse(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Settings of a command; the parts of the chat template's arguments become one setting."""
    given, strays = overrides([word for word in words if not word.startswith("~")])
    parts = {name: given.pop(name) for name in list(given) if name.startswith(f"{CHAT}.")}
    if parts:
        given[CHAT] = {name.removeprefix(f"{CHAT}."): value for name, value in parts.items()}
    return given, strays + [word for word in words if word.startswith("~")]


def _gpus(per_node: int, nodes: int, said: int | None) -> int:
    return said or per_node * nodes


def _engines(per_node: int, nodes: int, said: int | None, tensor_parallel: int) -> int:
    return makers.engines(_gpus(per_node, nodes, said), tensor_parallel)


def _ranks(per_node: int, nodes: int, said: int | None, size: int) -> Any:
    return makers.halved(_gpus(per_node, nodes, said), size=size)


def _transport(per_node: int, nodes: int, said: int | None) -> str | None:
    return makers.transport(_gpus(per_node, nodes, said))


def _steps(most: int | None, passes: int, prompts: int, problems: int | None) -> Any:
    outcome = makers.steps(most, passes, prompts, problems)
    return Differs(outcome.value, outcome.why, "trainer.total_epochs") if isinstance(outcome, Differs) else outcome


def _trackers(project: str, loggers: Any) -> Any:
    return makers.trackers(project, "wandb" in (loggers if isinstance(loggers, list) else str(loggers)))


def _dtype(dtype: str, parameters: str) -> Any:
    if dtype in ("float32", "fp32"):
        return "float32"
    if dtype in ("float16", "fp16"):
        return Differs("bfloat16", "no float16 here", ROLLOUT + "dtype")
    if parameters == "fp32":
        why = "verl keeps float32 parameters, cast for computing; DeepSpeed trains bfloat16 ones with a float32 copy"
        return Differs("bfloat16", why, ACTOR + "fsdp_config.model_dtype")
    return "bfloat16"


def _columns(key: str) -> dict[str, str] | None:
    if key == "prompt":
        return None
    return {"problem": key, "answer": "reward_model.ground_truth", "id": "extra_info.index"}


def _prompt_tokens(most: int, filtered: bool, truncation: str) -> Any:
    if filtered or truncation == "error":
        return most
    return Differs(
        most, f"verl cuts longer prompts ({truncation}); here they are left out and counted", "data.truncation"
    )


def _reward(own: Any, model: Any) -> Any:
    if own:
        return Differs("auto", f"the reward is a function in {own}: write it for `verifier.rewards`, see jobs/examples")
    if model:
        return Differs(
            "auto", "no reward model here: a reward server, or a function of your own", "reward_model.enable"
        )
    return Differs(
        "auto",
        "verl judges by the record's data_source: GSM8K as `#### 7`, MATH in a box, by its text; here the answer is "
        "looked for in any form, and its meaning compared",
    )


def _advantage(estimator: str, by_deviation: bool) -> Any:
    if estimator.startswith("grpo"):
        return "standardized" if by_deviation else "centered"
    if estimator.startswith("rloo"):
        return "leave_one_out"
    return Differs("centered", f"no advantage {estimator} here, nor a critic: Dr.GRPO's is written")


def _aggregation(mode: str, scale: Any, loss_mode: str) -> Any:
    if loss_mode == "gspo" or mode == "seq-mean-token-mean":
        return "per_completion"
    if mode == "token-mean":
        why = "verl's FSDP actor averages the token means of micro-batches; here one mean over all tokens"
        return Differs("per_token", why)
    why = "verl sums over the completions of a micro-batch, and only divides by the tokens allowed"
    if mode == "seq-mean-token-sum":
        why = "verl divides by no number of tokens"
    if scale:
        why = f"verl divides by loss_scale_factor={scale}"
    return Differs("constant", f"{why}; here by completions x tokens allowed, as Dr.GRPO: clipped gradients differ")


def _ratio(mode: str) -> Any:
    if mode in ("vanilla", "gspo"):
        return "sequence" if mode == "gspo" else "token"
    return Differs("token", f"no loss {mode} here: the clipped surrogate is written")


def _clip(value: float | None, common: float) -> Any:
    if value is None:
        return common
    if value != common:
        why = f"verl's clip_ratio_low and _high, {value:g} each unless set, win over it: it has no effect"
        return Differs(value, why, ACTOR + "clip_ratio") if common != 0.2 else value
    return value


def _clip_low(value: float | None, common: float) -> Any:
    outcome = _clip(value, common)
    if isinstance(outcome, Differs) or outcome < 1:
        return outcome
    return Differs(0.999, f"{outcome:g} clips nothing, as a ratio is never below 0; the bound here is below 1")


def _kl(in_loss: bool, weight: float, kind: str, in_reward: bool, weight_in_reward: float) -> Any:
    if in_loss and kind in ("low_var_kl", "k3"):
        return weight
    if in_loss:
        return Differs(weight, f"the estimator {kind}; here k3", ACTOR + "kl_loss_type")
    if in_reward:
        why = "the KL is taken from the reward of each token; here it is a term of the loss, by k3"
        return Differs(weight_in_reward, why, "algorithm.use_kl_in_reward")
    return 0.0


def _correction(level: str | None, bypass: bool) -> Any:
    if bypass and level:
        return Differs("none", "with bypass_mode the ratio itself is to the engine; no further correction here")
    return "truncated" if level else "none"


def _mini_batches(size: int, prompts: int) -> Any:
    return makers.updates(prompts, min(size, prompts), prompts, ACTOR + "ppo_mini_batch_size")


def _tokens(dynamic: bool, most: int, sequences: int | None, prompt: int, completion: int) -> int:
    return max(most, prompt + completion) if dynamic else makers.tokens(sequences or 1, prompt, completion)


def _offload(parameters: bool, optimizer: bool) -> str | None:
    if parameters:
        return "optimizer_and_parameters"
    return "optimizer" if optimizer else None


def _rounds(on: bool, batches: int) -> Any:
    if not on:
        return None
    return (
        batches - 1 if batches > 1 else Differs(3, "verl samples until the batch is full; here up to 3 further rounds")
    )


def _overlong(on: bool, length: int, factor: float) -> Any:
    if not on:
        return None
    return length if factor == 1 else Differs(length, f"penalty_factor={factor:g}; here the punishment ends at -1")


GROUPS = ("data.train_batch_size",)
MACHINE = ("trainer.n_gpus_per_node", "trainer.nnodes", GPUS)
RUN = ("trainer.total_training_steps", "trainer.total_epochs", "data.train_batch_size", PROBLEMS)

VERL = Peer(
    name="verl",
    version="0.7",
    command=re.compile(r"(?:.*\.)?main_(?:ppo|dapo)|(?:.*/)?main_(?:ppo|dapo)\.py"),
    parse=parse,
    defaults={
        "trainer.experiment_name": "gsm8k",
        "trainer.project_name": "verl_examples",
        "trainer.logger": ["console", "wandb"],
        "trainer.total_training_steps": None,
        "trainer.total_epochs": 30,
        "trainer.save_freq": -1,
        "trainer.test_freq": -1,
        "trainer.n_gpus_per_node": 8,
        "trainer.nnodes": 1,
        "data.train_files": "~/data/rlhf/gsm8k/train.parquet",
        "data.val_files": "~/data/rlhf/gsm8k/test.parquet",
        "data.train_batch_size": 1024,
        "data.prompt_key": "prompt",
        "data.max_prompt_length": 512,
        "data.max_response_length": 512,
        "data.filter_overlong_prompts": False,
        "data.truncation": "error",
        "data.train_max_samples": -1,
        "data.shuffle": True,
        "data.seed": None,
        "data.trust_remote_code": False,
        CHAT: {},
        MODEL + "path": "~/models/deepseek-llm-7b-chat",
        MODEL + "trust_remote_code": False,
        MODEL + "custom_chat_template": None,
        MODEL + "lora_rank": 0,
        MODEL + "lora_alpha": 16,
        MODEL + "target_modules": "all-linear",
        MODEL + "enable_gradient_checkpointing": True,
        ACTOR + "strategy": "fsdp",
        ACTOR + "fsdp_config.model_dtype": "fp32",
        ACTOR + "fsdp_config.param_offload": False,
        ACTOR + "fsdp_config.optimizer_offload": False,
        ACTOR + "optim.lr": 1e-6,
        ACTOR + "optim.lr_scheduler_type": "constant",
        ACTOR + "optim.lr_warmup_steps": -1,
        ACTOR + "optim.lr_warmup_steps_ratio": 0.0,
        ACTOR + "optim.betas": [0.9, 0.999],
        ACTOR + "optim.weight_decay": 0.01,
        ACTOR + "grad_clip": 1.0,
        ACTOR + "ppo_epochs": 1,
        ACTOR + "ppo_mini_batch_size": 256,
        ACTOR + "ppo_micro_batch_size_per_gpu": None,
        ACTOR + "use_dynamic_bsz": False,
        ACTOR + "ppo_max_token_len_per_gpu": 16384,
        ACTOR + "ulysses_sequence_parallel_size": 1,
        ACTOR + "clip_ratio": 0.2,
        ACTOR + "clip_ratio_low": 0.2,
        ACTOR + "clip_ratio_high": 0.2,
        ACTOR + "clip_ratio_c": 3.0,
        ACTOR + "loss_agg_mode": "token-mean",
        ACTOR + "loss_scale_factor": None,
        ACTOR + "policy_loss.loss_mode": "vanilla",
        ACTOR + "entropy_coeff": 0.0,
        ACTOR + "use_kl_loss": False,
        ACTOR + "kl_loss_coef": 0.001,
        ACTOR + "kl_loss_type": "low_var_kl",
        ROLLOUT + "n": 1,
        ROLLOUT + "dtype": "bfloat16",
        ROLLOUT + "temperature": 1.0,
        ROLLOUT + "top_p": 1.0,
        ROLLOUT + "top_k": -1,
        ROLLOUT + "tensor_model_parallel_size": 2,
        ROLLOUT + "max_num_seqs": 256,
        ROLLOUT + "enforce_eager": False,
        ROLLOUT + "enable_prefix_caching": True,
        ROLLOUT + "val_kwargs.do_sample": False,
        ROLLOUT + "val_kwargs.n": 1,
        "algorithm.adv_estimator": "gae",
        "algorithm.norm_adv_by_std_in_grpo": True,
        "algorithm.use_kl_in_reward": False,
        "algorithm.kl_ctrl.kl_coef": 0.001,
        CORRECTION + "rollout_is": None,
        CORRECTION + "rollout_is_threshold": 2.0,
        CORRECTION + "rollout_rs": None,
        CORRECTION + "bypass_mode": False,
        FILTER + "enable": False,
        FILTER + "max_num_gen_batches": 0,
        OVERLONG + "enable": False,
        OVERLONG + "len": 0,
        OVERLONG + "penalty_factor": 1.0,
        "custom_reward_function.path": None,
        "reward_model.enable": False,
    },
    rules=(
        Rule("run.directory", ("trainer.experiment_name",), makers.directory),
        Rule("run.seed", ("data.seed",)),
        Rule("run.steps", RUN, _steps, shows=2),
        Rule("run.checkpoint_every", ("trainer.save_freq",), lambda n: makers.every(n, "run.checkpoint_every")),
        Rule("run.trackers", ("trainer.project_name", "trainer.logger"), _trackers),
        Rule("model.path", (MODEL + "path",)),
        Rule("model.dtype", (ROLLOUT + "dtype", ACTOR + "fsdp_config.model_dtype"), _dtype),
        Rule("model.trust_remote_code", (MODEL + "trust_remote_code", "data.trust_remote_code"), lambda a, b: a or b),
        Rule("model.lora", (MODEL + "lora_rank", MODEL + "lora_alpha", MODEL + "target_modules"), makers.lora),
        Rule("data.source", ("data.train_files",)),
        Rule("data.format", ("data.prompt_key",), lambda key: "verl" if key == "prompt" else None),
        Rule("data.columns", ("data.prompt_key",), _columns),
        Rule("data.template", (), always("chat"), "verl renders the record's messages by the tokenizer's template"),
        Rule("", (MODEL + "custom_chat_template",), unless(None, "write it into a .jinja file, for data.template")),
        Rule("data.chat_template_kwargs", (CHAT,), lambda kwargs: kwargs or None),
        Rule(
            "data.max_prompt_tokens",
            ("data.max_prompt_length", "data.filter_overlong_prompts", "data.truncation"),
            _prompt_tokens,
        ),
        Rule("data.limit", ("data.train_max_samples",), lambda n: n if n > 0 else None),
        Rule("data.shuffle", ("data.shuffle",)),
        Rule("rollout.num_workers", (*MACHINE, ROLLOUT + "tensor_model_parallel_size"), _engines),
        Rule("rollout.tensor_parallel_size", (ROLLOUT + "tensor_model_parallel_size",)),
        Rule("rollout.prompts_per_step", GROUPS),
        Rule("rollout.completions_per_prompt", (ROLLOUT + "n",), makers.group),
        Rule("rollout.temperature", (ROLLOUT + "temperature",), makers.temperature),
        Rule("rollout.top_p", (ROLLOUT + "top_p",), makers.top_p),
        Rule("", (ROLLOUT + "top_k",), unless(-1, "a run samples from all tokens")),
        Rule("rollout.max_completion_tokens", ("data.max_response_length",)),
        Rule("rollout.max_concurrent_sequences", (ROLLOUT + "max_num_seqs",)),
        Rule("rollout.enforce_eager", (ROLLOUT + "enforce_eager",)),
        Rule("rollout.prefix_caching", (ROLLOUT + "enable_prefix_caching",)),
        Rule("verifier.extraction", ("custom_reward_function.path", "reward_model.enable"), _reward),
        Rule("algo.scale.kind", (), always("none"), "as there; `linear` makes it SEED-GRPO"),
        Rule("algo.advantage", ("algorithm.adv_estimator", "algorithm.norm_adv_by_std_in_grpo"), _advantage),
        Rule(
            "algo.loss.aggregation",
            (ACTOR + "loss_agg_mode", ACTOR + "loss_scale_factor", ACTOR + "policy_loss.loss_mode"),
            _aggregation,
        ),
        Rule("algo.loss.ratio", (ACTOR + "policy_loss.loss_mode",), _ratio),
        Rule("algo.loss.clip_low", (ACTOR + "clip_ratio_low", ACTOR + "clip_ratio"), _clip_low),
        Rule("algo.loss.clip_high", (ACTOR + "clip_ratio_high", ACTOR + "clip_ratio"), _clip),
        Rule(
            "",
            (ACTOR + "clip_ratio_c",),
            lambda c: Differs(
                None, f"verl bounds the loss of negative advantages at ratio {c:g} (dual clip); here not"
            ),
        ),
        Rule(
            "algo.loss.kl_coefficient",
            (
                ACTOR + "use_kl_loss",
                ACTOR + "kl_loss_coef",
                ACTOR + "kl_loss_type",
                "algorithm.use_kl_in_reward",
                "algorithm.kl_ctrl.kl_coef",
            ),
            _kl,
        ),
        Rule("algo.loss.entropy_coefficient", (ACTOR + "entropy_coeff",)),
        Rule(
            "algo.loss.clip_against",
            (CORRECTION + "bypass_mode",),
            lambda bypass: "rollout" if bypass else None,
        ),
        Rule("algo.loss.importance_correction", (CORRECTION + "rollout_is", CORRECTION + "bypass_mode"), _correction),
        Rule("algo.loss.importance_level", (CORRECTION + "rollout_is",)),
        Rule("algo.loss.importance_cap", (CORRECTION + "rollout_is_threshold",)),
        Rule("", (CORRECTION + "rollout_rs",), unless(None, "no rejection beside the correction here")),
        Rule("algo.overlong_tokens", (OVERLONG + "enable", OVERLONG + "len", OVERLONG + "penalty_factor"), _overlong),
        Rule("algo.dynamic_sampling_rounds", (FILTER + "enable", FILTER + "max_num_gen_batches"), _rounds),
        Rule("trainer.num_workers", (*MACHINE, ACTOR + "ulysses_sequence_parallel_size"), _ranks, shows=2),
        Rule("trainer.zero_stage", (ACTOR + "strategy",), always(3), "verl shards parameters, as ZeRO-3"),
        Rule("trainer.learning_rate", (ACTOR + "optim.lr",)),
        Rule("trainer.schedule", (ACTOR + "optim.lr_scheduler_type",), makers.schedule),
        Rule(
            "trainer.warmup_steps",
            (ACTOR + "optim.lr_warmup_steps", ACTOR + "optim.lr_warmup_steps_ratio", *RUN),
            makers.warmup,
            shows=2,
        ),
        Rule("trainer.adam_betas", (ACTOR + "optim.betas",)),
        Rule("trainer.weight_decay", (ACTOR + "optim.weight_decay",)),
        Rule("trainer.max_grad_norm", (ACTOR + "grad_clip",)),
        Rule("trainer.epochs", (ACTOR + "ppo_epochs",)),
        Rule("trainer.mini_batches", (ACTOR + "ppo_mini_batch_size", *GROUPS), _mini_batches),
        Rule(
            "trainer.tokens_per_micro_batch",
            (
                ACTOR + "use_dynamic_bsz",
                ACTOR + "ppo_max_token_len_per_gpu",
                ACTOR + "ppo_micro_batch_size_per_gpu",
                "data.max_prompt_length",
                "data.max_response_length",
            ),
            _tokens,
        ),
        Rule("trainer.gradient_checkpointing", (MODEL + "enable_gradient_checkpointing",)),
        Rule(
            "trainer.offload",
            (ACTOR + "fsdp_config.param_offload", ACTOR + "fsdp_config.optimizer_offload"),
            _offload,
        ),
        Rule("trainer.sequence_parallel_size", (ACTOR + "ulysses_sequence_parallel_size",)),
        Rule("weight_sync.transport", MACHINE, _transport),
        Rule("evaluation.data.source", ("data.val_files",)),
        Rule("evaluation.data.format", ("data.prompt_key",), lambda key: "verl" if key == "prompt" else None),
        Rule("evaluation.data.columns", ("data.prompt_key",), _columns),
        Rule("evaluation.every", ("trainer.test_freq",), lambda n: makers.every(n, "evaluation.every")),
        Rule("", (ROLLOUT + "val_kwargs.n",), unless(1, "a held-out problem is answered once, greedily")),
        Rule("", (ROLLOUT + "val_kwargs.do_sample",), unless(False, "a held-out problem is answered greedily")),
    ),
    without={
        "trainer.critic_warmup": "no critic here",
        "critic.*": "no critic here",
        "algorithm.gamma": "only whole completions have a reward here",
        "algorithm.lam": "no critic here",
        "algorithm.kl_ctrl.*": "the KL coefficient is fixed here",
        "algorithm.kl_penalty": "the KL is no part of the reward here",
        "algorithm.rollout_correction.*": "the correction has a kind, a level and a cap here",
        "algorithm.*": "no counterpart",
        "reward_manager.*": "rewards are functions and servers here: verifier.rewards",
        "reward_model.*": "rewards are functions and servers here: verifier.rewards",
        "custom_reward_function.*": "see jobs/examples for rewards of your own",
        "trainer.val_before_train": "a run with an evaluation begins with one",
        "trainer.*": "logging, checkpoints and start-up of a run are its own here",
        "data.reward_fn_key": "the data set's name is that of its file here",
        "data.*": "reading of data is its own here",
        "actor_rollout_ref.ref.*": "the reference model is placed and split as the policy",
        ROLLOUT
        + "gpu_memory_utilization": "an engine has its GPU to itself here; rollout.memory_fraction is a share of it",
        ROLLOUT + "*log_prob*": "no results depend on it: passes are packed by trainer.tokens_per_micro_batch",
        ROLLOUT + "name": "engines are vLLM's",
        ROLLOUT + "mode": "engines are always asynchronous",
        ROLLOUT + "multi_turn.*": "completions are one turn here",
        ROLLOUT + "agent.*": "completions are one turn here",
        ROLLOUT + "*": "how an engine runs; rollout.* has its settings",
        MODEL + "use_remove_padding": "sequences are always packed",
        MODEL + "*": "how the model runs; no results depend on it",
        ACTOR + "fsdp_config.*": "the trainer is DeepSpeed's",
        ACTOR + "megatron.*": "the trainer is DeepSpeed's",
        ACTOR + "shuffle": "a step's groups stay in their order",
        ACTOR + "*": "no counterpart",
        "actor_rollout_ref.*": "no counterpart",
        "transfer_queue.*": "groups wait in one queue, cluster.queue_capacity",
        "ray_kwargs.*": "a run joins the Ray cluster that it is submitted to",
        "global_profiler.*": "no profiler here",
    },
    always=(
        "A completion that could not be judged leaves baseline and loss here; there it has reward 0.",
        "Held-out accuracy is that of the first 500 problems here (evaluation.num_problems); there of all.",
    ),
)
