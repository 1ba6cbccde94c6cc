"""oat's settings, by Dr.GRPO's example for Qwen2.5-Math-1.5B and by single settings."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from seed_grpo.config import Config
from seed_grpo.config.loading import parse_config
from seed_grpo.importing.peers.oat import OAT, parse
from seed_grpo.importing.reading import read
from seed_grpo.importing.rules import GPUS, PROBLEMS, Imported, bring_over
from seed_grpo.importing.writing import as_yaml

EXAMPLE = Path(__file__).parents[3] / "support/imported/drgrpo.sh"
SAID = {GPUS: None, PROBLEMS: 12_000}


def of(given: dict[str, Any]) -> dict[str, Any]:
    return {each.to: each.value for each in bring_over(OAT, given, SAID).written}


@pytest.fixture(scope="module")
def example() -> Imported:
    found = read(EXAMPLE, 1)
    return bring_over(found.peer, found.given, SAID)


def test_the_example_becomes_a_configuration(example: Imported) -> None:
    config: Config = parse_config(yaml.safe_load(as_yaml(example, "drgrpo.sh", [])), "test")
    assert (config.model.path, config.data.source) == ("Qwen/Qwen2.5-Math-1.5B", "./datasets/train/math_12k")
    assert (config.data.template, config.verifier.extraction, config.rollout.stop) == (
        "r1", "answer_tag", ("</answer>",),
    )  # fmt: skip
    assert config.run.steps == 1875  # 20 x 12,000 / 128
    assert (config.rollout.prompts_per_step, config.rollout.completions_per_prompt) == (128, 8)
    assert config.trainer.mini_batches == 8  # 128 x 8 completions, in updates of 128 completions
    assert (config.algo.advantage, config.algo.loss.aggregation) == ("centered", "constant")
    assert (config.rollout.max_completion_tokens, config.data.max_prompt_tokens) == (3000, 1024)
    assert config.trainer.tokens_per_micro_batch == 4024  # 1 sequence of 1,024 + 3,000
    assert (config.trainer.schedule, config.trainer.warmup_steps) == ("constant", 0)
    assert (config.algo.loss.kl_coefficient, config.algo.loss.importance_cap) == (0, 2.0)
    assert (config.trainer.num_workers, config.rollout.num_workers) == (4, 4)
    assert (config.run.trackers[-1].project, config.trainer.learning_rate) == ("zero", 1e-6)


def test_each_setting_of_the_example_is_accounted_for(example: Imported) -> None:
    # counted in the file: 46 flags of the first command
    assert (example.settings, len(example.over), len(example.without), len(example.unknown)) == (46, 31, 11, 0)
    assert {name.partition("=")[0] for name in example.differing} == {
        "gpus", "rnd_seed", "train_batch_size", "eval_data",
    }  # fmt: skip
    assert [name.partition("=")[0] for name in example.of_defaults] == ["verifier_version"]


def test_the_other_training_of_the_example_has_the_other_template() -> None:
    found = read(EXAMPLE, 2)
    written = of(found.given)
    assert (written["data.template"], written["verifier.extraction"]) == ("qwen_math", "boxed")
    assert "rollout.stop" not in written
    assert written["algo.loss.kl_coefficient"] == 0.1  # oat's default, which the first one sets to 0


def test_flags_of_tyro_may_be_negated() -> None:
    assert parse(["--no-flash-attn", "--rnd-seed", "--non-stop-penalty", "0.5", "--beta", "0"])[0] == {
        "flash_attn": False, "rnd_seed": True, "non_stop_penalty": 0.5, "beta": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "to", "value"),
    [
        ({"critic_type": "grpo"}, "algo.advantage", "standardized"),
        ({"critic_type": "grpo"}, "algo.loss.aggregation", "per_completion"),
        ({"critic_type": "grpo", "remove_std_bias": True}, "algo.advantage", "centered"),
        ({"critic_type": "grpo", "remove_len_bias": True}, "algo.loss.aggregation", "constant"),
        ({"prompt_template": "no"}, "data.template", "none"),
        ({"prompt_template": "qwen3"}, "data.template", "chat"),
        ({"tis_c": None}, "algo.loss.importance_correction", "none"),
        ({"bf16": False}, "model.dtype", "float32"),
        ({"lora_rank": 1, "lora_alpha": 2, "target_modules": ["q_proj"]}, "model.lora",
         {"rank": 1, "alpha": 2, "target_modules": ["q_proj"]}),
        ({"asynchronous": True}, "run.max_staleness", 1),
        ({"max_train": 500, "num_prompt_epoch": 128}, "run.steps", 500),  # 128 x 500 / 128
        ({"gpus": 1}, "weight_sync.transport", "ipc"),
        ({"num_samples": 2, "train_batch_size": 256}, "trainer.mini_batches", 1),  # 128 x 2 in one update
    ],
)  # fmt: skip
def test_single_settings(given: dict[str, Any], to: str, value: Any) -> None:
    assert of(given)[to] == value


@pytest.mark.parametrize(
    "given",
    [
        {"critic_type": "ppo"},
        {"prompt_template": "r1_distill_qwen"},
        {"lr_scheduler": "polynomial"},
        {"kl_penalty_coef": 0.1},
        {"ignore_no_eos": True},
        {"whiten_adv": True},
        {"correct_reward": 2.0},
        {"max_train": "10,20"},
        {"eval_n": 4},
        {"rnd_seed": True},
        {"fp16": True},
        {"reward_scale": 0.5},
    ],
    ids=lambda given: "-".join(given),
)
def test_a_setting_that_differs_is_told(given: dict[str, Any]) -> None:
    assert [name.partition("=")[0] for name in bring_over(OAT, given, SAID).differing] == list(given)
