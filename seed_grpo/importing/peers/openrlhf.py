"""OpenRLHF's settings: flags of `openrlhf.cli.train_ppo_ray`. The file is one thing: a table.

Defaults are those of version 0.10 (August 2026). Flags have had dots since April 2026; `EARLIER` has those before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from seed_grpo.importing import makers
from seed_grpo.importing.arguments import flags
from seed_grpo.importing.makers import always, unless
from seed_grpo.importing.rules import GPUS, PROBLEMS, Differs, Peer, Rule

EARLIER = {
    "pretrain": "actor.model_name_or_path",
    "reward_pretrain": "reward.model_name_or_path",
    "remote_rm_url": "reward.remote_url",
    "critic_pretrain": "critic.model_name_or_path",
    "agent_func_path": "train.agent_func_path",
    "save_path": "ckpt.output_dir",
    "ckpt_path": "ckpt.path",
    "save_hf_ckpt": "ckpt.save_hf",
    "save_steps": "ckpt.save_steps",
    "max_ckpt_num": "ckpt.max_num",
    "load_checkpoint": "ckpt.load_enable",
    "logging_steps": "logger.logging_steps",
    "eval_steps": "eval.steps",
    "eval_dataset": "eval.dataset",
    "eval_split": "eval.split",
    "eval_temperature": "eval.temperature",
    "eval_n_samples_per_prompt": "eval.n_samples_per_prompt",
    "micro_train_batch_size": "train.micro_batch_size",
    "train_batch_size": "train.batch_size",
    "micro_rollout_batch_size": "rollout.micro_batch_size",
    "rollout_batch_size": "rollout.batch_size",
    "n_samples_per_prompt": "rollout.n_samples_per_prompt",
    "max_epochs": "train.max_epochs",
    "num_episodes": "train.num_episodes",
    "generate_max_len": "rollout.max_new_tokens",
    "max_new_tokens": "rollout.max_new_tokens",
    "max_len": "data.max_len",
    "max_samples": "data.max_samples",
    "temperature": "rollout.temperature",
    "top_p": "rollout.top_p",
    "seed": "train.seed",
    "full_determinism": "train.full_determinism_enable",
    "zero_stage": "ds.zero_stage",
    "param_dtype": "ds.param_dtype",
    "adam_offload": "ds.adam_offload",
    "packing_samples": "ds.packing_samples",
    "flash_attn": "ds.attn_implementation",
    "attn_implementation": "ds.attn_implementation",
    "ring_attn_size": "ds.ring_attn_size",
    "ring_head_stride": "ds.ring_attn_head_stride",
    "lora_rank": "ds.lora.rank",
    "lora_alpha": "ds.lora.alpha",
    "lora_dropout": "ds.lora.dropout",
    "target_modules": "ds.lora.target_modules",
    "load_in_4bit": "ds.load_in_4bit",
    "deepspeed_enable_sleep": "ds.enable_sleep",
    "ds_tensor_parallel_size": "ds.tensor_parallel_size",
    "gradient_checkpointing": "actor.gradient_checkpointing_enable",
    "use_dynamic_batch": "train.dynamic_batch_enable",
    "train_max_tokens_per_gpu": "train.max_tokens_per_gpu",
    "rollout_max_tokens_per_gpu": "rollout.max_tokens_per_gpu",
    "colocate_all_models": "train.colocate_all",
    "colocate_actor_ref": "train.colocate_actor_ref",
    "colocate_critic_reward": "train.colocate_critic_reward",
    "async_train": "train.async_enable",
    "async_queue_size": "train.async_queue_size",
    "partial_rollout": "train.partial_rollout_enable",
    "enable_prefix_caching": "vllm.enable_prefix_caching",
    "enforce_eager": "vllm.enforce_eager",
    "enable_vllm_is_correction": "algo.advantage.is_correction_enable",
    "vllm_is_truncated_threshold": "algo.advantage.is_correction_threshold",
    "vllm_is_correction_type": "algo.advantage.is_correction_type",
    "advantage_estimator": "algo.advantage.estimator",
    "no_advantage_std_norm": "algo.advantage.no_std_norm",
    "lambd": "algo.advantage.lambd",
    "gamma": "algo.advantage.gamma",
    "init_kl_coef": "algo.kl.init_coef",
    "use_kl_loss": "algo.kl.use_loss",
    "kl_estimator": "algo.kl.estimator",
    "kl_target": "algo.kl.target",
    "kl_horizon": "algo.kl.horizon",
    "dynamic_filtering": "algo.dynamic_filtering_enable",
    "dynamic_filtering_reward_range": "algo.dynamic_filtering_range",
    "policy_loss_type": "actor.policy_loss_type",
    "eps_clip": "actor.eps_clip",
    "eps_clip_low_high": "actor.eps_clip_low_high",
    "dual_clip": "actor.dual_clip",
    "entropy_loss_coef": "actor.entropy_coef",
    "aux_loss_coef": "actor.aux_loss_coef",
    "actor_learning_rate": "actor.adam.lr",
    "critic_learning_rate": "critic.adam.lr",
    "adam_betas": "actor.adam.betas",
    "l2": "actor.adam.weight_decay",
    "max_norm": "actor.max_norm",
    "lr_scheduler": "actor.lr_scheduler",
    "lr_warmup_ratio": "actor.lr_warmup_ratio",
    "value_clip": "critic.value_clip",
    "normalize_reward": "reward.normalize_enable",
    "reward_clip_range": "reward.clip_range",
    "overlong_buffer_len": "reward.overlong_buffer_len",
    "overlong_penalty_factor": "reward.overlong_penalty_factor",
    "stop_properly_penalty_coef": "reward.stop_properly_penalty_coef",
    "prompt_data": "data.prompt_dataset",
    "prompt_data_probs": "data.prompt_probs",
    "prompt_split": "data.prompt_split",
    "input_key": "data.input_key",
    "label_key": "data.label_key",
    "input_template": "data.input_template",
    "apply_chat_template": "data.apply_chat_template",
    "use_wandb": "logger.wandb.key",
    "wandb_project": "logger.wandb.project",
    "wandb_run_name": "logger.wandb.run_name",
    "wandb_group": "logger.wandb.group",
    "wandb_org": "logger.wandb.org",
    "use_tensorboard": "logger.tensorboard_dir",
    "disable_ds_ckpt": "ckpt.disable_ds",
    "max_ckpt_mem": "ckpt.max_mem",
    "best_metric_key": "ckpt.best_metric_key",
    "use_ds_universal_ckpt": "ds.use_universal_ckpt",
    "deepcompile": "ds.deepcompile",
    "zpg": "ds.zpg",
    "use_liger_kernel": "ds.use_liger_kernel",
    "grad_accum_dtype": "ds.grad_accum_dtype",
    "overlap_comm": "ds.overlap_comm",
    "value_head_prefix": "ds.value_head_prefix",
    "enable_ema": "train.enable_ema",
    "ema_beta": "train.ema_beta",
    "gradient_checkpointing_use_reentrant": "actor.gradient_checkpointing_reentrant",
    "freeze_visual_encoder": "actor.freeze_visual_encoder",
    "disable_fast_tokenizer": "data.disable_fast_tokenizer",
    "dataloader_num_workers": "data.dataloader_num_workers",
    "image_key": "data.image_key",
    "max_images_per_prompt": "data.max_images_per_prompt",
    "vllm_generate_batch_size": "rollout.vllm_generate_batch_size",
    "freezing_actor_steps": "critic.freezing_steps",
    "save_value_network": "critic.save_value_network",
    "ref_reward_offload": "ref.offload",
}
"""name with dots by the name before April 2026"""
PLACES = re.compile(r"(ref|reward|critic|actor|vllm)_(\w+)")
"""older names whose first word became the part before the dot"""
FIXED_KL = {"use_kl_estimator_k3": "k3", "use_kl_estimator_k2": "k2"}


def parse(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Settings of a command, by their names with dots."""
    given, strays = flags(words)
    renamed = {}
    for name, value in given.items():
        if name in FIXED_KL:
            renamed["algo.kl.estimator"] = FIXED_KL[name]
        elif name == "bf16":
            renamed["ds.param_dtype"] = "bf16"
        elif name in EARLIER:
            renamed[EARLIER[name]] = value
        else:
            place = PLACES.fullmatch(name)
            renamed[f"{place[1]}.{place[2]}" if place else name] = value
    return renamed, strays


def _completion_tokens(most: int | None, total: int) -> Any:
    if most is not None:
        return most
    why = "prompt and completion share data.max_len there, whatever the prompt leaves; here each has half of it"
    return Differs(total // 2, why, "data.max_len")


def _prompt_tokens(own: int | None, total: int, most: int | None) -> int:
    if own is not None:
        return own
    return total - most if most is not None and most < total else total // 2


def _ranks(nodes: int, per_node: int, colocated: bool, asynchronous: bool, said: int | None, size: int) -> Any:
    if colocated and not asynchronous:
        return makers.halved(said or nodes * per_node, "train.colocate_all", size)
    return nodes * per_node


def _transport(nodes: int, per_node: int, colocated: bool, asynchronous: bool, said: int | None) -> str | None:
    return makers.transport(said or nodes * per_node) if colocated and not asynchronous else None


def _engines(
    engines: int | None, size: int, nodes: int, per_node: int, colocated: bool, asynchronous: bool, said: int | None
) -> int:
    if engines and not (colocated and not asynchronous):
        return engines
    return makers.engines(said or nodes * per_node, size)


def _dtype(dtype: str) -> Any:
    return "bfloat16" if dtype == "bf16" else Differs("bfloat16", f"no {dtype} here")


def _template(chat: bool, text: str | None) -> Any:
    if text:
        why = "write it into a .jinja file, for data.template: {{ problem }} takes the place of {}"
        return Differs("chat" if chat else "none", why, "data.input_template")
    return "chat" if chat else "none"


def _columns(problem: str, answer: str | None) -> Any:
    if answer is not None:
        return {"problem": problem, "answer": answer}
    why = "without a label no answer is judged there; here a column with the answer is needed: `label` is written"
    return Differs({"problem": problem, "answer": "label"}, why, "data.label_key")


def _reward(remote: str | None, model: str | None, agent: str | None) -> Any:
    if agent:
        return Differs("auto", "no agents here: completions are one turn", "train.agent_func_path")
    if remote and str(remote).startswith("http"):
        why = "another protocol: see jobs/examples for reward servers. The judge's verdict is the reward until then"
        return Differs("auto", why, "reward.remote_url")
    if remote:
        why = "a function of queries, prompts and labels: write it as one of a completion and its problem, see "
        return Differs("auto", why + "jobs/examples. The judge's verdict is the reward until then", "reward.remote_url")
    why = "no reward model here: the judge's verdict is the reward, or a function or server of your own"
    return Differs("auto", why, "reward.model_name_or_path")


def _advantage(estimator: str, without_deviation: bool) -> Any:
    if estimator in ("group_norm", "dr_grpo", "rloo"):
        return {"group_norm": "standardized", "dr_grpo": "centered", "rloo": "leave_one_out"}[estimator]
    if estimator == "reinforce_baseline":
        how = "subtracts the mean" if without_deviation else "standardises them"
        return Differs("centered", f"it then {how} over all tokens of the batch; here nothing behind the group's mean")
    return Differs("centered", f"no {estimator} here, nor a critic: Dr.GRPO's advantage is written")


def _aggregation(kind: str, estimator: str) -> Any:
    if kind == "gspo":
        return "per_completion"
    if estimator == "dr_grpo":
        why = "its loss is a mean over tokens there all the same; algo.loss.aggregation=constant is Dr.GRPO's"
        return Differs("per_token", why, "algo.advantage.estimator")
    return "per_token"


def _clip(side: int) -> Any:
    return lambda both, common: both[side] if both is not None else common


def _kl(weight: float, in_loss: bool, kind: str) -> Any:
    if weight <= 0:
        return 0.0
    if not in_loss:
        why = "the KL is taken from the reward of each token; here it is a term of the loss, by k3"
        return Differs(weight, why)
    return weight if kind == "k3" else Differs(weight, f"the estimator {kind}; here k3", "algo.kl.estimator")


def _correction(on: bool, kind: str, bounds: Sequence[float]) -> Any:
    if not on:
        return "none"
    about = "algo.advantage.is_correction_type"
    if kind == "seq-mask-tis":
        return Differs("truncated", "no mask by the mean over a completion here", about)
    name = "masked" if kind == "icepop" else "truncated"
    act = "0" if kind == "icepop" else str(bounds[0])
    return Differs(name, f"weights below {bounds[0]} are {act} there; here they stand", about)


def _cap(on: bool, bounds: Sequence[float]) -> float | None:
    return float(bounds[1]) if on else None


def _staleness(on: bool, queue: int) -> Any:
    return (
        Differs(queue, "groups may be as old as its queue is long; here at most so many weight versions") if on else 0
    )


def _rounds(on: bool, bounds: Sequence[float]) -> Any:
    if not on:
        return None
    why = f"prompts are drawn until enough groups have a mean reward within {list(bounds)}; here up to 3 further rounds"
    return Differs(3, f"{why}, for groups whose rewards differ")


def _overlong(length: float | None, factor: float) -> Any:
    if length is None:
        return None
    if factor == 1:
        return int(length)
    return Differs(
        int(length), f"the punishment ends at -{factor:g} there, at -1 here", "reward.overlong_penalty_factor"
    )


def _steps(passes: int, prompts: int, most: int, problems: int | None) -> Any:
    return makers.steps(None, passes, prompts, problems and min(problems, most))


def _warmup(share: float, passes: int, prompts: int, most: int, problems: int | None) -> Any:
    return makers.warmup(0, share, None, passes, prompts, problems and min(problems, most))


def _updates(batch: int, prompts: int, size: int) -> Any:
    return makers.updates(prompts * size, batch, prompts, "train.batch_size")


def _tokens(dynamic: bool, most: int, sequences: int, own: int | None, completion: int | None, total: int) -> int:
    longest = (own + completion) if own is not None and completion is not None else total
    return max(most, longest) if dynamic else makers.tokens(sequences, longest, 0)


BATCH = "rollout.batch_size"
RUN = ("train.num_episodes", BATCH, "data.max_samples", PROBLEMS)
PLACED = ("actor.num_nodes", "actor.num_gpus_per_node", "train.colocate_all", "train.async_enable", GPUS)

OPENRLHF = Peer(
    name="OpenRLHF",
    version="0.10",
    command=re.compile(r"openrlhf\.cli\.train_ppo(?:_ray)?|(?:.*/)?train_ppo(?:_ray)?\.py"),
    parse=parse,
    defaults={
        "ckpt.output_dir": "./ckpt",
        "ckpt.save_steps": -1,
        "train.seed": 42,
        "train.full_determinism_enable": False,
        "train.num_episodes": 1,
        "train.max_epochs": 1,
        "train.batch_size": 128,
        "train.micro_batch_size": 1,
        "train.dynamic_batch_enable": False,
        "train.max_tokens_per_gpu": 16192,
        "train.colocate_all": False,
        "train.async_enable": False,
        "train.async_queue_size": 1,
        "train.agent_func_path": None,
        "logger.wandb.project": "openrlhf_train_ppo",
        "logger.wandb.key": None,
        "actor.model_name_or_path": None,
        "actor.num_nodes": 1,
        "actor.num_gpus_per_node": 8,
        "actor.gradient_checkpointing_enable": False,
        "actor.policy_loss_type": "ppo",
        "actor.eps_clip": 0.2,
        "actor.eps_clip_low_high": None,
        "actor.dual_clip": None,
        "actor.entropy_coef": None,
        "actor.optim": "adam",
        "actor.adam.lr": 1e-6,
        "actor.adam.betas": [0.9, 0.95],
        "actor.adam.eps": 1e-8,
        "actor.adam.weight_decay": 0.0,
        "actor.max_norm": 1.0,
        "actor.lr_scheduler": "cosine_with_min_lr",
        "actor.lr_warmup_ratio": 0.03,
        "reward.remote_url": None,
        "reward.model_name_or_path": None,
        "reward.normalize_enable": False,
        "reward.overlong_buffer_len": None,
        "reward.overlong_penalty_factor": 1.0,
        "reward.stop_properly_penalty_coef": None,
        "data.prompt_dataset": None,
        "data.prompt_probs": None,
        "data.prompt_split": "train",
        "data.input_key": "input",
        "data.label_key": None,
        "data.input_template": None,
        "data.apply_chat_template": False,
        "data.max_len": 2048,
        "data.max_samples": 100_000_000,
        "prompt_max_len": None,
        "rollout.batch_size": 1024,
        "rollout.n_samples_per_prompt": 1,
        "rollout.max_new_tokens": None,
        "rollout.temperature": 1.0,
        "rollout.top_p": 1.0,
        "vllm.num_engines": None,
        "vllm.tensor_parallel_size": 1,
        "vllm.enforce_eager": False,
        "vllm.enable_prefix_caching": False,
        "ds.zero_stage": 2,
        "ds.param_dtype": "bf16",
        "ds.adam_offload": False,
        "ds.ring_attn_size": 1,
        "ds.lora.rank": 0,
        "ds.lora.alpha": 16,
        "ds.lora.target_modules": "all-linear",
        "ds.lora.dropout": 0.0,
        "algo.advantage.estimator": "gae",
        "algo.advantage.no_std_norm": False,
        "algo.advantage.gamma": 1.0,
        "algo.advantage.is_correction_enable": False,
        "algo.advantage.is_correction_type": "tis",
        "algo.advantage.is_correction_threshold": [0.5, 5.0],
        "algo.kl.init_coef": 0.01,
        "algo.kl.use_loss": False,
        "algo.kl.estimator": "k1",
        "algo.kl.target": None,
        "algo.dynamic_filtering_enable": False,
        "algo.dynamic_filtering_range": [0, 1],
        "eval.dataset": None,
        "eval.steps": -1,
        "eval.split": "train",
        "eval.temperature": 0.6,
        "eval.n_samples_per_prompt": 4,
    },
    rules=(
        Rule("run.directory", ("ckpt.output_dir",), makers.directory),
        Rule("run.seed", ("train.seed",)),
        Rule("run.steps", RUN, _steps, shows=1),
        Rule("run.max_staleness", ("train.async_enable", "train.async_queue_size"), _staleness),
        Rule("run.deterministic", ("train.full_determinism_enable",)),
        Rule("run.checkpoint_every", ("ckpt.save_steps",), lambda n: makers.every(n, "run.checkpoint_every")),
        Rule("run.trackers", ("logger.wandb.project", "logger.wandb.key"), makers.trackers),
        Rule("model.path", ("actor.model_name_or_path",)),
        Rule("model.dtype", ("ds.param_dtype",), _dtype),
        Rule("model.lora", ("ds.lora.rank", "ds.lora.alpha", "ds.lora.target_modules"), makers.lora),
        Rule("", ("ds.lora.dropout",), unless(0, "adapters have no dropout here")),
        Rule("data.source", ("data.prompt_dataset",), makers.sources),
        Rule("", ("data.prompt_probs",), unless(None, "set data.sources with a ratio each")),
        Rule("data.split", ("data.prompt_split",)),
        Rule("data.columns", ("data.input_key", "data.label_key"), _columns),
        Rule("data.template", ("data.apply_chat_template", "data.input_template"), _template),
        Rule("data.instruction", (), always(""), "OpenRLHF adds none"),
        Rule("data.max_prompt_tokens", ("prompt_max_len", "data.max_len", "rollout.max_new_tokens"), _prompt_tokens),
        Rule("data.limit", ("data.max_samples",), lambda most: most if most < 100_000_000 else None),
        Rule("rollout.num_workers", ("vllm.num_engines", "vllm.tensor_parallel_size", *PLACED), _engines),
        Rule("rollout.tensor_parallel_size", ("vllm.tensor_parallel_size",)),
        Rule("rollout.prompts_per_step", (BATCH,)),
        Rule("rollout.completions_per_prompt", ("rollout.n_samples_per_prompt",), makers.group),
        Rule("rollout.temperature", ("rollout.temperature",), makers.temperature),
        Rule("rollout.top_p", ("rollout.top_p",), makers.top_p),
        Rule("rollout.max_completion_tokens", ("rollout.max_new_tokens", "data.max_len"), _completion_tokens),
        Rule("rollout.enforce_eager", ("vllm.enforce_eager",)),
        Rule("rollout.prefix_caching", ("vllm.enable_prefix_caching",)),
        Rule(
            "verifier.extraction",
            ("reward.remote_url", "reward.model_name_or_path", "train.agent_func_path"),
            _reward,
        ),
        Rule("", ("reward.normalize_enable",), unless(False, "rewards are not normalised over the run here")),
        Rule(
            "", ("reward.stop_properly_penalty_coef",), unless(None, "add the reward `truncated`, of negative weight")
        ),
        Rule("algo.scale.kind", (), always("none"), "as there; `linear` makes it SEED-GRPO"),
        Rule("algo.advantage", ("algo.advantage.estimator", "algo.advantage.no_std_norm"), _advantage),
        Rule("", ("algo.advantage.gamma",), unless(1, "the reward is of the whole completion here, without discount")),
        Rule("algo.loss.aggregation", ("actor.policy_loss_type", "algo.advantage.estimator"), _aggregation),
        Rule("algo.loss.ratio", ("actor.policy_loss_type",), lambda kind: "sequence" if kind == "gspo" else "token"),
        Rule("algo.loss.clip_low", ("actor.eps_clip_low_high", "actor.eps_clip"), _clip(0)),
        Rule("algo.loss.clip_high", ("actor.eps_clip_low_high", "actor.eps_clip"), _clip(1)),
        Rule("", ("actor.dual_clip",), unless(None, "no second bound for negative advantages here")),
        Rule("algo.loss.kl_coefficient", ("algo.kl.init_coef", "algo.kl.use_loss", "algo.kl.estimator"), _kl),
        Rule("", ("algo.kl.target",), unless(None, "the KL coefficient is fixed here")),
        Rule("algo.loss.entropy_coefficient", ("actor.entropy_coef",), lambda weight: weight or 0.0),
        Rule(
            "algo.loss.importance_correction",
            (
                "algo.advantage.is_correction_enable",
                "algo.advantage.is_correction_type",
                "algo.advantage.is_correction_threshold",
            ),
            _correction,
        ),
        Rule(
            "algo.loss.importance_cap",
            ("algo.advantage.is_correction_enable", "algo.advantage.is_correction_threshold"),
            _cap,
        ),
        Rule("algo.overlong_tokens", ("reward.overlong_buffer_len", "reward.overlong_penalty_factor"), _overlong),
        Rule(
            "algo.dynamic_sampling_rounds",
            ("algo.dynamic_filtering_enable", "algo.dynamic_filtering_range"),
            _rounds,
        ),
        Rule("trainer.num_workers", (*PLACED, "ds.ring_attn_size"), _ranks, shows=3),
        Rule("trainer.zero_stage", ("ds.zero_stage",)),
        Rule("trainer.learning_rate", ("actor.adam.lr",)),
        Rule("", ("actor.optim",), unless("adam", "the optimiser is AdamW here")),
        Rule("trainer.schedule", ("actor.lr_scheduler",), makers.schedule),
        Rule(
            "trainer.warmup_steps",
            ("actor.lr_warmup_ratio", *RUN),
            _warmup,
            shows=1,
        ),
        Rule("trainer.adam_betas", ("actor.adam.betas",)),
        Rule("trainer.adam_eps", ("actor.adam.eps",)),
        Rule("trainer.weight_decay", ("actor.adam.weight_decay",)),
        Rule("trainer.max_grad_norm", ("actor.max_norm",)),
        Rule("trainer.epochs", ("train.max_epochs",)),
        Rule("trainer.mini_batches", ("train.batch_size", BATCH, "rollout.n_samples_per_prompt"), _updates),
        Rule(
            "trainer.tokens_per_micro_batch",
            (
                "train.dynamic_batch_enable",
                "train.max_tokens_per_gpu",
                "train.micro_batch_size",
                "prompt_max_len",
                "rollout.max_new_tokens",
                "data.max_len",
            ),
            _tokens,
        ),
        Rule("trainer.gradient_checkpointing", ("actor.gradient_checkpointing_enable",)),
        Rule("trainer.offload", ("ds.adam_offload",), lambda on: "optimizer" if on else None),
        Rule("trainer.sequence_parallel_size", ("ds.ring_attn_size",)),
        Rule("weight_sync.transport", PLACED, _transport),
        Rule("evaluation.data.source", ("eval.dataset",)),
        Rule("evaluation.data.split", ("eval.split", "eval.dataset"), lambda split, data: split if data else None),
        Rule(
            "evaluation.data.columns",
            ("eval.dataset", "data.input_key", "data.label_key"),
            lambda data, key, label: {"problem": key, "answer": label or "label"} if data else None,
        ),
        Rule(
            "evaluation.every",
            ("eval.steps", "eval.dataset"),
            lambda n, data: makers.every(n, "evaluation.every") if data else None,
        ),
        Rule(
            "",
            ("eval.temperature", "eval.n_samples_per_prompt", "eval.dataset"),
            lambda heat, count, data: (
                Differs(None, f"{count} answers at temperature {heat:g} there; here one, greedily") if data else None
            ),
        ),
    ),
    without={
        "ref.*": "the reference model is placed with the policy",
        "reward.num_*": "rewards need no GPUs here",
        "reward.offload": "no reward model here",
        "reward.clip_range": "rewards are not clipped here",
        "critic.*": "no critic here",
        "actor.muon.*": "the optimiser is AdamW here",
        "actor.min_lr_ratio": "the learning rate does not end above 0 here",
        "actor.aux_loss_coef": "no loss for the balance of experts here",
        "actor.*": "no counterpart",
        "algo.kl.horizon": "the KL coefficient is fixed here",
        "algo.advantage.lambd": "no critic here",
        "ckpt.*": "checkpoints are in the run directory, and a run goes on from them by itself",
        "logger.*": "logging of a run is its own here",
        "eval.*": "held-out problems are answered greedily here",
        "vllm.gpu_memory_utilization": "an engine has its GPU to itself here; rollout.memory_fraction is a share of it",
        "vllm.sync_backend": "weights go by NCCL here, and are proven to arrive",
        "vllm.*": "how an engine runs; rollout.* has its settings",
        "ds.packing_samples": "sequences are always packed",
        "ds.*": "how DeepSpeed runs; no results depend on it",
        "train.colocate_*": "each worker has GPUs of its own",
        "train.partial_rollout_enable": "completions are never cut by a weight sync here",
        "train.*": "no counterpart",
        "rollout.micro_batch_size": "passes are packed by trainer.tokens_per_micro_batch",
        "rollout.max_tokens_per_gpu": "passes are packed by trainer.tokens_per_micro_batch",
        "rollout.*": "no counterpart",
        "data.*": "reading of data is its own here",
        "perf": "timings.jsonl has times",
        "local_rank": "ranks are placed by Ray",
        "actor_init_on_gpu": "how a model is loaded; no results depend on it",
        "use_ms": "models come from the Hugging Face hub, or a folder",
        "ptx_coef": "no pretraining loss here",
    },
    always=(
        "Completions of a group stay in one update here; there they are shuffled over the updates of a step, but with "
        "dynamic batches or ring attention.",
        "Longer prompts are left out and counted here; there they are cut.",
        "A completion that could not be judged leaves baseline and loss here.",
    ),
)
