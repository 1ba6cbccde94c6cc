"""TRL's settings, by open-r1's example for Qwen2.5-1.5B-Instruct, by single settings, and by TRL itself."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from trl import DatasetMixtureConfig, GRPOConfig, ModelConfig
from trl.scripts.grpo import GRPOScriptArguments

from seed_grpo.config import Config
from seed_grpo.config.loading import parse_config
from seed_grpo.errors import ConfigError
from seed_grpo.importing.peers.trl import EARLIER, GONE, TRL, parse
from seed_grpo.importing.reading import read
from seed_grpo.importing.rules import GPUS, PROBLEMS, Imported, bring_over
from seed_grpo.importing.writing import as_yaml

EXAMPLE = Path(__file__).parents[3] / "support/imported/open_r1.yaml"
SAID = {GPUS: 8, PROBLEMS: 93_733}
OF_OPEN_R1 = {"wandb_project", "dataset_prompt_column", "system_prompt", "chat_template", "soft_punish_cache"}


def of(given: dict[str, Any]) -> dict[str, Any]:
    return {each.to: each.value for each in bring_over(TRL, given, SAID).written}


@pytest.fixture(scope="module")
def example() -> Imported:
    found = read(EXAMPLE, None)
    return bring_over(found.peer, found.given, SAID)


def test_the_example_becomes_a_configuration(example: Imported) -> None:
    config: Config = parse_config(yaml.safe_load(as_yaml(example, "open_r1.yaml", [])), "test")
    assert (config.model.path, config.model.dtype) == ("Qwen/Qwen2.5-1.5B-Instruct", "bfloat16")
    assert config.data.columns is not None and config.data.columns.problem == "problem"
    assert (config.data.template, config.data.instruction) == ("chat", "")
    assert config.data.system_prompt is not None and config.data.system_prompt.count("\n") == 1
    # 16 x 4 completions on each of 8 GPUs are 512, in groups of 16
    assert (config.rollout.prompts_per_step, config.rollout.completions_per_prompt) == (32, 16)
    assert (config.trainer.mini_batches, config.trainer.epochs) == (1, 1)
    assert config.run.steps == 2929  # 93,733 / 32 = 2,929.2
    assert config.trainer.warmup_steps == 292  # 0.1 x 2,929 = 292.9
    assert config.trainer.tokens_per_micro_batch == 24_576  # 16 sequences of 512 + 1,024
    assert [(reward.use, reward.weight) for reward in config.verifier.rewards] == [("correct", 1.0), ("format", 1.0)]
    loss = config.algo.loss
    assert (config.algo.advantage, loss.aggregation, loss.kl_coefficient) == ("standardized", "per_token", 0.0)
    assert (loss.importance_correction, loss.importance_level, loss.importance_cap) == ("masked", "sequence", 3.0)
    assert (config.trainer.num_workers, config.rollout.num_workers, config.trainer.schedule) == (4, 4, "constant")


def test_each_setting_of_the_example_is_accounted_for(example: Imported) -> None:
    # counted in the file: 39 keys
    assert (example.settings, len(example.over), len(example.without), len(example.unknown)) == (39, 18, 15, 0)
    assert {name.partition("=")[0] for name in example.differing} == {
        "dataset_prompt_column", "use_vllm", "lr_scheduler_type", "max_prompt_length", "reward_funcs", "save_strategy",
    }  # fmt: skip


def fields() -> dict[str, Any]:
    found = {}
    for kind in (DatasetMixtureConfig, GRPOScriptArguments, ModelConfig, GRPOConfig):
        for field in dataclasses.fields(kind):
            made = field.default_factory
            default = made() if made is not dataclasses.MISSING else field.default
            found[field.name] = None if default in (dataclasses.MISSING, []) else default
    return found


def test_defaults_are_those_of_the_installed_trl() -> None:
    theirs = fields()
    assert set(TRL.defaults) - set(theirs) == {*OF_OPEN_R1, "max_prompt_length"}
    assert {name: value for name, value in TRL.defaults.items() if name in theirs and theirs[name] != value} == {}


def test_every_field_of_the_installed_trl_is_known() -> None:
    assert bring_over(TRL, dict(fields(), model_name_or_path="m", dataset_name="d"), SAID).unknown == []


def test_names_that_are_gone_are_not_in_the_installed_trl() -> None:
    assert not set(GONE) & set(fields())
    assert set(EARLIER.values()) <= set(fields())


@pytest.mark.parametrize(
    ("given", "to", "value"),
    [
        ({"loss_type": "grpo"}, "algo.loss.aggregation", "per_completion"),
        ({"loss_type": "dr_grpo"}, "algo.loss.aggregation", "constant"),
        ({"scale_rewards": False}, "algo.advantage", "centered"),
        ({"scale_rewards": True}, "algo.advantage", "standardized"),
        ({"importance_sampling_level": "sequence"}, "algo.loss.ratio", "sequence"),
        ({"epsilon": 0.1}, "algo.loss.clip_high", 0.1),
        ({"epsilon_high": 0.28}, "algo.loss.clip_high", 0.28),
        ({"use_vllm": False}, "algo.loss.importance_correction", "none"),
        ({"use_vllm": True, "vllm_importance_sampling_mode": "token_truncate"}, "algo.loss.importance_level", "token"),
        # 8 on each of 8, accumulated 4 times, and 8 steps a generation: 512 completions in 2 updates of 256
        ({"gradient_accumulation_steps": 4, "steps_per_generation": 8}, "trainer.mini_batches", 2),
        ({"gradient_accumulation_steps": 4, "steps_per_generation": 8}, "rollout.prompts_per_step", 64),
        # 100 updates of 64, of generations of 128 that are used twice: 25 steps
        ({"max_steps": 100, "steps_per_generation": 2, "num_iterations": 2}, "run.steps", 25),
        ({"num_iterations": 2}, "trainer.epochs", 2),
        ({"dtype": "float32", "bf16": False}, "model.dtype", "float32"),
        ({"use_peft": True, "lora_r": 8}, "model.lora", {"rank": 8, "alpha": 32, "target_modules": "all-linear"}),
        ({"dataset_name": "d", "dataset_config": "main"}, "data.source", "d:main"),
        ({"reward_funcs": ["accuracy_reward", "get_soft_overlong_punishment"]}, "algo.overlong_tokens", 256),
        ({"reward_funcs": "think_format_reward"}, "verifier.rewards", [
            {"use": "format", "weight": 1.0, "settings": {"marks": ["think"]}},
        ]),
        ({"save_strategy": "steps", "save_steps": 50}, "run.checkpoint_every", 50),
        ({"eval_strategy": "steps", "eval_steps": 10}, "evaluation.every", 10),
        ({"warmup_steps": 5}, "trainer.warmup_steps", 5),
    ],
)  # fmt: skip
def test_single_settings(given: dict[str, Any], to: str, value: Any) -> None:
    assert of(given)[to] == value


@pytest.mark.parametrize(
    "given",
    [
        {"loss_type": "bnpo"},
        {"loss_type": "cispo"},
        {"scale_rewards": "batch"},
        {"beta": 0.04, "use_bias_correction_kl": True},
        {"mask_truncated_completions": True},
        {"top_entropy_quantile": 0.2},
        {"delta": 2.0},
        {"top_p": 0.95},
        {"top_k": 50},
        {"min_p": 0.1},
        {"sync_ref_model": True},
        {"reward_funcs": ["accuracy", "cosine"]},
        {"reward_model_name_or_path": "rm"},
        {"lr_scheduler_type": "cosine_with_min_lr"},
        {"chat_template": "{{ messages }}"},
        {"model_revision": "v2"},
        {"use_peft": True, "lora_dropout": 0.1},
        {"multi_objective_aggregation": "normalize_then_sum"},
        {"save_strategy": "epoch"},
    ],
    ids=lambda given: "-".join(map(str, given)),
)
def test_a_setting_that_differs_is_told(given: dict[str, Any]) -> None:
    told = [name.partition("=")[0] for name in bring_over(TRL, given, SAID).differing]
    assert len(told) == 1 and told[0] in given


def test_weights_are_one_for_each_reward() -> None:
    with pytest.raises(ConfigError, match="2 reward_funcs have 1 reward_weights"):
        of({"reward_funcs": ["accuracy", "format"], "reward_weights": [1.0]})


def test_the_number_of_processes_is_asked_for() -> None:
    # 8 completions on each of 8 processes, in groups of 8
    imported = bring_over(TRL, {"num_generations": 8}, {GPUS: None, PROBLEMS: None})
    (why,) = imported.of_defaults["per_device_train_batch_size=8"]
    assert why.startswith("CHECK rollout.prompts_per_step: 64 completions in groups of 8, with 8 processes")


def test_a_command_has_the_same_settings() -> None:
    line = "--learning_rate 1e-6 --torch_dtype bfloat16 --use_vllm"
    assert parse(line.split())[0] == {
        "learning_rate": 1e-6, "dtype": "bfloat16", "use_vllm": True,
    }  # fmt: skip
