"""oat's settings: flags of `oat.experiment.run_math_rl` and Dr.GRPO's `train_zero_math.py`. It is one thing: a table.

Defaults are those of oat's main branch of October 2025 (after 0.2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from seed_grpo.importing import makers
from seed_grpo.importing.arguments import flags
from seed_grpo.importing.makers import always, unless
from seed_grpo.importing.rules import GPUS, PROBLEMS, Differs, Peer, Rule


def parse(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Settings of a command; tyro's `--no-name` is false."""
    given, strays = flags(words)
    return {
        name.removeprefix("no_") if value is True else name: not name.startswith("no_") if value is True else value
        for name, value in given.items()
    }, strays


TEMPLATES = {"qwen_math": "qwen_math", "r1": "r1", "no": "none"}
INSTRUCTION = "Please reason step by step, and put your final answer within \\boxed{}."


def _template(name: str, chat: bool) -> Any:
    if chat:
        return Differs("chat", "the chat template's own turns, without an instruction there", "apply_chat_template")
    if name in TEMPLATES:
        return TEMPLATES[name]
    return Differs("chat", f"no template {name} by that name: the tokenizer's, with the same instruction")


def _instruction(name: str, chat: bool) -> str | None:
    if chat:
        return ""
    return None if name in TEMPLATES else INSTRUCTION


def _critic(kind: str, without_deviation: bool) -> Any:
    if kind == "drgrpo":
        return "centered"
    if kind == "grpo":
        return "centered" if without_deviation else "standardized"
    return Differs("centered", f"no {kind} here, nor a critic: Dr.GRPO's advantage is written")


def _aggregation(kind: str, without_lengths: bool) -> str:
    return "constant" if kind == "drgrpo" or without_lengths else "per_completion"


def _most(count: int | str) -> int | None:
    """Problems taken from a set; None: all, or a number for each of several sets."""
    return count if isinstance(count, int) and count < 999_999 else None


def _limit(count: int | str) -> Any:
    if isinstance(count, str):
        return Differs(None, "a number for each set: name them in data.sources, each with its limit")
    return _most(count)


def _steps(passes: int, prompts: int, most: int | str, problems: int | None) -> Any:
    return makers.steps(None, passes, prompts, problems and min(problems, _most(most) or problems))


def _warmup(share: float, name: str, passes: int, prompts: int, most: int | str, problems: int | None) -> Any:
    """Steps of warm-up; Transformers' constant schedule has none, whatever the share."""
    if name == "constant":
        return 0
    return makers.warmup(0, share, None, passes, prompts, problems and min(problems, _most(most) or problems))


def _schedule(name: str) -> Any:
    if name == "constant":
        return name
    return Differs(
        "constant",
        f"no schedule {name}; oat's ends after problems x passes / train_batch_size updates, which with groups is "
        "before the run does",
    )


def _updates(batch: int, prompts: int, size: int) -> Any:
    outcome = makers.updates(prompts * size, batch, prompts, "train_batch_size")
    if outcome == 1 or isinstance(outcome, Differs):
        return outcome
    why = f"it counts completions, {prompts} x {size} of a step, so {outcome} updates; there of completions at random, "
    return Differs(outcome, why + "here of whole groups")


def _staleness(asynchronous: bool) -> Any:
    return Differs(1, "sampling goes on while it trains; here at most one weight version behind") if asynchronous else 0


def _correction(cap: float | None) -> str:
    return "none" if cap is None else "truncated"


def _seed(by_clock: bool, seed: int) -> Any:
    return Differs(seed, "oat takes a seed from the clock: no two runs are alike", "rnd_seed") if by_clock else seed


def _dtype(bf16: bool, fp16: bool) -> Any:
    if fp16:
        return Differs("bfloat16", "no float16 here", "fp16")
    return "bfloat16" if bf16 else "float32"


def _reward(version: str, template: str, right: float, wrong: float) -> Any:
    extraction = "answer_tag" if template == "r1" else "boxed"
    if (right, wrong) != (1, 0):
        why = f"{right:g} and {wrong:g} for right and wrong; here 1 and 0, and verifier.rewards has weights"
        return Differs(extraction, why, "correct_reward")
    why = "its judge compares texts, and by sympy; here meanings are compared, so verdicts may differ"
    return Differs(extraction, why)


def _kl_in_reward(weight: float) -> Any:
    return Differs(None, "no KL in the reward here") if weight else None


def _evaluation(data: str) -> Any:
    why = "a folder of several sets, which oat averages over; one of ours is written, others are named the same way"
    return Differs("math500", why) if data else None


def _evaluation_tokens(own: int, common: int, data: str) -> Any:
    return (
        Differs(None, f"held-out answers may have {common} tokens here, as in training")
        if data and own != common
        else None
    )


def _gpus(gpus: int, nodes: int, said: int | None) -> int:
    return said or gpus * nodes


RUN = ("num_prompt_epoch", "rollout_batch_size", "max_train", PROBLEMS)
MACHINE = ("gpus", "num_groups", GPUS)

OAT = Peer(
    name="oat",
    version="0.2",
    command=re.compile(r"oat\.experiment\.run_(?:math_rl|ppo)|(?:.*/)?(?:train_zero_math|run_math_rl|run_ppo)\.py"),
    parse=parse,
    defaults={
        "save_path": "./oat-output",
        "wb_run_name": "debug",
        "wb_project": "oat-llm",
        "use_wb": False,
        "seed": 42,
        "rnd_seed": False,
        "num_prompt_epoch": 1,
        "save_steps": -1,
        "asynchronous": False,
        "ref_pretrain": None,
        "load_in_4bit": False,
        "sync_params_every": 1,
        "reward_scale": 1.0,
        "whiten_rewards": False,
        "non_stop_fixed_reward": None,
        "pretrain": "trl-lib/pythia-1b-deduped-tldr-sft",
        "bf16": True,
        "fp16": False,
        "lora_rank": 0,
        "lora_alpha": 16,
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "down_proj", "up_proj", "gate_proj"],
        "lora_dropout": 0.0,
        "prompt_data": "lkevinzc/tldr-with-sft-reference",
        "train_split": "train",
        "input_key": "prompt",
        "output_key": "output",
        "max_train": "999999",
        "prompt_template": "qwen_math",
        "apply_chat_template": False,
        "prompt_max_length": 1024,
        "gpus": 8,
        "num_groups": 1,
        "num_gpus_per_actor": 1,
        "rollout_batch_size": 128,
        "num_samples": 2,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": -1,
        "generate_max_length": 512,
        "enable_prefix_caching": False,
        "verifier_version": "fast",
        "correct_reward": 1.0,
        "incorrect_reward": 0.0,
        "critic_type": "drgrpo",
        "remove_std_bias": False,
        "remove_len_bias": False,
        "whiten_adv": False,
        "reinforce_update": False,
        "cliprange": 0.2,
        "beta": 0.1,
        "kl_penalty_coef": 0.0,
        "tis_c": 2.0,
        "ignore_no_eos": False,
        "non_stop_penalty": 0.0,
        "zero_stage": 2,
        "learning_rate": 5e-7,
        "lr_scheduler": "cosine_with_min_lr",
        "lr_warmup_ratio": 0.03,
        "adam_beta_1": 0.9,
        "adam_beta_2": 0.95,
        "l2": 0.0,
        "max_norm": 1.0,
        "num_ppo_epochs": 1,
        "train_batch_size": 128,
        "train_batch_size_per_device": 1,
        "gradient_checkpointing": False,
        "adam_offload": False,
        "eval_data": "",
        "eval_steps": 20,
        "eval_temperature": 0.0,
        "eval_n": 1,
        "eval_generate_max_length": 512,
    },
    rules=(
        Rule("run.directory", ("wb_run_name", "save_path"), makers.directory),
        Rule("run.seed", ("rnd_seed", "seed"), _seed),
        Rule("run.steps", RUN, _steps, shows=1),
        Rule("run.max_staleness", ("asynchronous",), _staleness),
        Rule("run.checkpoint_every", ("save_steps",), lambda n: makers.every(n, "run.checkpoint_every")),
        Rule("run.trackers", ("wb_project", "use_wb"), makers.trackers),
        Rule("model.path", ("pretrain",)),
        Rule("model.dtype", ("bf16", "fp16"), _dtype),
        Rule("model.lora", ("lora_rank", "lora_alpha", "target_modules"), makers.lora),
        Rule("", ("ref_pretrain",), unless(None, "the reference is the first policy here")),
        Rule("", ("load_in_4bit",), unless(False, "the policy is not quantised here")),
        Rule("", ("lora_dropout",), unless(0, "adapters have no dropout here")),
        Rule("data.source", ("prompt_data",), makers.sources),
        Rule("data.split", ("train_split",)),
        Rule(
            "data.columns",
            ("input_key", "output_key"),
            lambda key, answer: {"problem": key, "answer": answer, "id": None},
        ),
        Rule("data.limit", ("max_train",), _limit),
        Rule("data.template", ("prompt_template", "apply_chat_template"), _template),
        Rule("data.instruction", ("prompt_template", "apply_chat_template"), _instruction),
        Rule("data.max_prompt_tokens", ("prompt_max_length",)),
        Rule(
            "rollout.num_workers",
            (*MACHINE, "num_gpus_per_actor"),
            lambda gpus, nodes, said, size: makers.engines(_gpus(gpus, nodes, said), size),
        ),
        Rule("rollout.tensor_parallel_size", ("num_gpus_per_actor",)),
        Rule("rollout.prompts_per_step", ("rollout_batch_size",)),
        Rule("rollout.completions_per_prompt", ("num_samples",), makers.group),
        Rule("rollout.temperature", ("temperature",), makers.temperature),
        Rule("rollout.top_p", ("top_p",), makers.top_p),
        Rule("", ("top_k",), unless(-1, "a run samples from all tokens")),
        Rule("rollout.max_completion_tokens", ("generate_max_length",)),
        Rule("rollout.stop", ("prompt_template",), lambda name: ["</answer>"] if name == "r1" else None),
        Rule("rollout.prefix_caching", ("enable_prefix_caching",)),
        Rule(
            "verifier.extraction",
            ("verifier_version", "prompt_template", "correct_reward", "incorrect_reward"),
            _reward,
        ),
        Rule("algo.scale.kind", (), always("none"), "as there; `linear` makes it SEED-GRPO"),
        Rule("algo.advantage", ("critic_type", "remove_std_bias"), _critic),
        Rule("", ("whiten_adv",), unless(False, "advantages are not whitened over the batch here")),
        Rule("algo.loss.aggregation", ("critic_type", "remove_len_bias"), _aggregation),
        Rule("", ("reinforce_update",), unless(False, "the loss is always the clipped surrogate here")),
        Rule("algo.loss.clip_low", ("cliprange",)),
        Rule("algo.loss.clip_high", ("cliprange",)),
        Rule("algo.loss.kl_coefficient", ("beta",)),
        Rule("", ("kl_penalty_coef",), _kl_in_reward),
        Rule("algo.loss.importance_correction", ("tis_c",), _correction),
        Rule("algo.loss.importance_cap", ("tis_c",)),
        Rule("", ("sync_params_every",), unless(1, "weights go to the engines behind every step here")),
        Rule("", ("reward_scale",), unless(1, "give the rewards of verifier.rewards a weight")),
        Rule("", ("whiten_rewards",), unless(False, "rewards are not whitened here")),
        Rule("", ("non_stop_fixed_reward",), unless(None, "add the reward `truncated`, of negative weight")),
        Rule("", ("ignore_no_eos",), unless(False, "completions that were cut off stay in the loss here")),
        Rule("", ("non_stop_penalty",), unless(0, "add the reward `truncated`, of negative weight")),
        Rule(
            "trainer.num_workers",
            MACHINE,
            lambda gpus, nodes, said: makers.halved(_gpus(gpus, nodes, said), "gpus"),
        ),
        Rule("trainer.zero_stage", ("zero_stage",)),
        Rule("trainer.learning_rate", ("learning_rate",)),
        Rule("trainer.schedule", ("lr_scheduler",), _schedule),
        Rule("trainer.warmup_steps", ("lr_warmup_ratio", "lr_scheduler", *RUN), _warmup, shows=2),
        Rule("trainer.adam_betas", ("adam_beta_1", "adam_beta_2"), lambda first, second: [first, second]),
        Rule("trainer.weight_decay", ("l2",)),
        Rule("trainer.max_grad_norm", ("max_norm",)),
        Rule("trainer.epochs", ("num_ppo_epochs",)),
        Rule("trainer.mini_batches", ("train_batch_size", "rollout_batch_size", "num_samples"), _updates),
        Rule(
            "trainer.tokens_per_micro_batch",
            ("train_batch_size_per_device", "prompt_max_length", "generate_max_length"),
            makers.tokens,
        ),
        Rule("trainer.gradient_checkpointing", ("gradient_checkpointing",)),
        Rule("trainer.offload", ("adam_offload",), lambda on: "optimizer" if on else None),
        Rule(
            "weight_sync.transport",
            MACHINE,
            lambda gpus, nodes, said: makers.transport(_gpus(gpus, nodes, said)),
        ),
        Rule("evaluation.data.source", ("eval_data",), _evaluation),
        Rule(
            "evaluation.every",
            ("eval_steps", "eval_data"),
            lambda n, data: makers.every(n, "evaluation.every") if data else None,
        ),
        Rule("", ("eval_temperature",), unless(0, "held-out problems are answered greedily")),
        Rule("", ("eval_n",), unless(1, "a held-out problem is answered once, greedily")),
        Rule("", ("eval_generate_max_length", "generate_max_length", "eval_data"), _evaluation_tokens),
    ),
    without={
        "collocate": "each worker has GPUs of its own; with one GPU in all they share it",
        "vllm_sleep": "an engine keeps its GPU",
        "vllm_gpu_ratio": "an engine has its GPU to itself here; rollout.memory_fraction is a share of it",
        "max_model_len": "prompts and completions have limits of their own",
        "flash_attn": "taken where it is installed",
        "ref_offload": "the reference model stays on its GPU",
        "oracle*": "the judge is our own: verifier.*",
        "remote_rm*": "reward servers are entries of verifier.rewards",
        "rollout_batch_size_per_device": "prompts are dispatched one by one",
        "pi_buffer_maxlen_per_device": "groups wait in one queue, cluster.queue_capacity",
        "eval_batch_size": "prompts are dispatched one by one",
        "eval_*": "held-out problems are answered greedily, by evaluation.*",
        "test_split": "name the sets of evaluation.data",
        "critic_*": "no critic here",
        "*_value": "no critic here",
        "vf_coef": "no critic here",
        "lam": "no critic here",
        "gamma": "only whole completions have a reward here",
        "wb_*": "logging of a run is its own here",
        "algo": "groups, without preferences",
        "max_epochs": "num_ppo_epochs counts passes over a step; this does nothing there but to schedule",
        "max_step_adjustment": "the learning rate is constant here",
        "launch_type": "workers are Ray actors",
        "save_*": "checkpoints are in the run directory",
        "max_save_*": "checkpoints are in the run directory",
        "logging_steps": "every step is logged",
        "debug": "a run with an evaluation begins with one",
        "use_fused_lm_head": "log-probabilities are computed in blocks here",
        "zpg": "how DeepSpeed runs; no results depend on it",
        "grad_accum_dtype": "how DeepSpeed runs",
        "gradient_checkpointing_use_reentrant": "how checkpointing runs; no results depend on it",
        "group_rank": "workers are placed by Ray",
        "master_*": "workers are placed by Ray",
        "local_rank": "ranks are placed by Ray",
        "tokenizer": "a model has its own",
        "disable_fast_tokenizer": "a model has its own",
        "dry_run*": "`seed-grpo plan` estimates memory",
        "max_queries": "data.limit bounds the problems",
        "max_eval": "evaluation.num_problems bounds the problems",
        "online_evaluation": "held-out answers are judged as those of training",
        "best_of_n_eval": "`seed-grpo evaluate` measures pass@k",
        "num_bon": "`seed-grpo evaluate` measures pass@k",
        "bon_temperature": "`seed-grpo evaluate` measures pass@k",
        "resume_*": "a run goes on by itself",
        "max_sgd_steps": "a step trains on all of its groups",
        "*buffer_*": "groups wait in one queue, cluster.queue_capacity",
        "dump_*": "every completion is in the run directory",
        "model_offload": "an engine keeps its GPU",
        "activation_offloading": "trainer.gradient_checkpointing saves memory",
        "disable_trace_cache": "how DeepSpeed runs; no results depend on it",
        "lora_sync_only": "engines get adapters merged",
        "sft_*": "no supervised loss here",
        "label_smoothing": "of preferences, which are not learned from here",
        "gamma_beta_ratio": "of preferences, which are not learned from here",
        "dpo_*": "of preferences, which are not learned from here",
        "len_reg_alpha": "of preferences, which are not learned from here",
        "bt_sample": "of preferences, which are not learned from here",
        "preference_*": "of preferences, which are not learned from here",
        "rm_*": "no reward model here",
        "learn_rm*": "no reward model here",
        "num_ensemble": "no reward model here",
        "enn_*": "no reward model here",
        "encoding_dim": "no reward model here",
        "exp_*": "no reward model here",
        "model_rollout": "no reward model here",
        "max_model_data_ratio": "no reward model here",
        "burn_in_period": "no reward model here",
        "pure_model_based": "no reward model here",
        "model_data_strategy": "no reward model here",
        "shm_size_mb": "Ray's object store: cluster.object_store_mib",
    },
    always=(
        "oat gives a completion that was cut off reward 0, right or wrong; here its answer is judged, if it has one.",
        "A completion that could not be judged leaves baseline and loss here; there it is wrong after a second.",
        "Standardised advantages divide by the deviation plus 1e-8 there, plus 1e-6 here.",
    ),
)
