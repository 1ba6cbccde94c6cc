"""OpenRLHF's settings, by its example for DAPO, by the names before April 2026, and by single settings."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from seed_grpo.config import Config
from seed_grpo.config.loading import parse_config
from seed_grpo.importing.peers.openrlhf import OPENRLHF, parse
from seed_grpo.importing.reading import read
from seed_grpo.importing.rules import GPUS, PROBLEMS, Imported, bring_over
from seed_grpo.importing.writing import as_yaml, set_by_hand

EXAMPLE = Path(__file__).parents[3] / "support/imported/openrlhf.sh"
SAID = {GPUS: None, PROBLEMS: 30_000}


def of(given: dict[str, Any]) -> dict[str, Any]:
    return {each.to: each.value for each in bring_over(OPENRLHF, given, SAID).written}


@pytest.fixture(scope="module")
def example() -> Imported:
    found = read(EXAMPLE, None)
    return bring_over(found.peer, found.given, SAID)


def test_the_example_becomes_a_configuration(example: Imported) -> None:
    config: Config = parse_config(yaml.safe_load(as_yaml(example, "openrlhf.sh", [])), "test")
    assert config.model.path == "OpenRLHF/Llama-3-8b-sft-mixture"
    assert config.data.columns is not None
    assert (config.data.columns.problem, config.data.columns.answer, config.data.template) == (
        "context_messages", "label", "chat",
    )  # fmt: skip
    assert config.run.steps == 156  # 30,000 problems, of which 20,000 are taken, by 128: 156.25
    assert config.trainer.warmup_steps == 4  # 0.03 x 156 = 4.68
    assert (config.rollout.prompts_per_step, config.rollout.completions_per_prompt) == (128, 8)
    assert config.trainer.mini_batches == 8  # 128 x 8 completions in updates of 128
    # 2,048 tokens for both: half for either
    assert (config.data.max_prompt_tokens, config.rollout.max_completion_tokens) == (1024, 1024)
    assert config.trainer.tokens_per_micro_batch == 16_384  # 8 sequences of 2,048
    # 8 GPUs: 4 ranks, and 2 engines of 2
    assert (config.trainer.num_workers, config.rollout.num_workers, config.rollout.tensor_parallel_size) == (4, 2, 2)
    loss = config.algo.loss
    assert (config.algo.advantage, loss.aggregation, loss.kl_coefficient) == ("standardized", "per_token", 0.001)
    assert (loss.clip_low, loss.clip_high) == (0.2, 0.27)
    assert (loss.importance_correction, loss.importance_cap) == ("truncated", 5.0)
    assert (config.algo.dynamic_sampling_rounds, config.trainer.schedule) == (3, "constant")


def test_each_setting_of_the_example_is_accounted_for(example: Imported) -> None:
    # counted in the file: 43 flags
    assert (example.settings, len(example.over), len(example.without), len(example.unknown)) == (43, 29, 10, 0)
    assert {name.partition("=")[0] for name in example.differing} == {
        "train.colocate_all", "algo.dynamic_filtering_enable", "reward.remote_url", "data.max_len",
    }  # fmt: skip
    assert {name.partition("=")[0] for name in example.of_defaults} == {
        "data.label_key", "algo.advantage.is_correction_type", "actor.lr_scheduler",
    }  # fmt: skip


def test_names_before_the_dots_mean_the_same() -> None:
    earlier = (
        "--pretrain m --actor_num_nodes 2 --actor_num_gpus_per_node 4 --vllm_num_engines 2 --colocate_all_models "
        "--init_kl_coef 1e-6 --use_kl_loss --use_kl_estimator_k3 --advantage_estimator group_norm --bf16 "
        "--micro_train_batch_size 8 --train_batch_size 128 --rollout_batch_size 1024 --n_samples_per_prompt 1 "
        "--prompt_max_len 512 --generate_max_len 1024 --actor_learning_rate 5e-7 --prompt_data d --flash_attn"
    )
    given, strays = parse(earlier.split())
    assert not strays
    assert given == {
        "actor.model_name_or_path": "m", "actor.num_nodes": 2, "actor.num_gpus_per_node": 4, "vllm.num_engines": 2,
        "train.colocate_all": True, "algo.kl.init_coef": 1e-6, "algo.kl.use_loss": True, "algo.kl.estimator": "k3",
        "algo.advantage.estimator": "group_norm", "ds.param_dtype": "bf16", "train.micro_batch_size": 8,
        "train.batch_size": 128, "rollout.batch_size": 1024, "rollout.n_samples_per_prompt": 1, "prompt_max_len": 512,
        "rollout.max_new_tokens": 1024, "actor.adam.lr": 5e-7, "data.prompt_dataset": "d",
        "ds.attn_implementation": True,
    }  # fmt: skip
    written = of(given)
    assert (written["data.max_prompt_tokens"], written["rollout.max_completion_tokens"]) == (512, 1024)
    assert written["trainer.tokens_per_micro_batch"] == 12_288  # 8 x (512 + 1,024)
    assert written["rollout.completions_per_prompt"] == 8  # groups of one have no advantage


def test_engines_of_their_own_keep_their_number() -> None:
    written = of({"vllm.num_engines": 4, "vllm.tensor_parallel_size": 2, "actor.num_gpus_per_node": 6})
    assert (written["rollout.num_workers"], written["trainer.num_workers"]) == (4, 6)


@pytest.mark.parametrize(
    ("given", "to", "value"),
    [
        ({"algo.advantage.estimator": "rloo"}, "algo.advantage", "leave_one_out"),
        ({"algo.advantage.estimator": "dr_grpo"}, "algo.advantage", "centered"),
        ({"algo.advantage.estimator": "dr_grpo"}, "algo.loss.aggregation", "per_token"),  # as it is there
        ({"actor.policy_loss_type": "gspo"}, "algo.loss.ratio", "sequence"),
        ({"actor.policy_loss_type": "gspo"}, "algo.loss.aggregation", "per_completion"),
        ({"algo.kl.init_coef": 0}, "algo.loss.kl_coefficient", 0.0),
        ({}, "algo.loss.kl_coefficient", 0.01),
        ({"algo.advantage.is_correction_enable": True, "algo.advantage.is_correction_type": "icepop"},
         "algo.loss.importance_correction", "masked"),
        ({"train.async_enable": True, "train.async_queue_size": 2}, "run.max_staleness", 2),
        ({"data.max_len": 4096, "rollout.max_new_tokens": 3072}, "data.max_prompt_tokens", 1024),
        ({"data.prompt_dataset": "a,b"}, "data.source", ["a", "b"]),
        ({"reward.overlong_buffer_len": 512.0}, "algo.overlong_tokens", 512),
        ({"logger.wandb.key": "x", "logger.wandb.project": "p"}, "run.trackers",
         [{"use": "tensorboard"}, {"use": "wandb", "project": "p"}]),
    ],
)  # fmt: skip
def test_single_settings(given: dict[str, Any], to: str, value: Any) -> None:
    assert of(given)[to] == value


@pytest.mark.parametrize(
    "given",
    [
        {"algo.advantage.estimator": "reinforce_baseline"},
        {"algo.advantage.estimator": "dr_grpo"},
        {"algo.kl.estimator": "k2", "algo.kl.use_loss": True},
        {"algo.kl.init_coef": 0.02},
        {"reward.remote_url": "http://judge:5000/score"},
        {"reward.model_name_or_path": "rm"},
        {"reward.normalize_enable": True},
        {"data.input_template": "User: {}"},
        {"rollout.top_p": 0.9},
        {"actor.dual_clip": 3.0},
        {"train.async_enable": True},
        {"ds.param_dtype": "fp16"},
        {"reward.overlong_buffer_len": 10, "reward.overlong_penalty_factor": 2},
    ],
    ids=lambda given: "-".join(given),
)
def test_a_setting_that_differs_is_told(given: dict[str, Any]) -> None:
    told = [name.partition("=")[0] for name in bring_over(OPENRLHF, given, SAID).differing]
    assert len(told) == 1 and told[0] in given


def test_a_key_for_weights_and_biases_is_not_shown() -> None:
    found = bring_over(OPENRLHF, parse(["--use_wandb", "0123456789abcdef", "--pretrain", "m"])[0], SAID)
    set_by_hand(found, ["data.source=d"])
    assert "0123456789abcdef" not in as_yaml(found, "run.sh", [])
