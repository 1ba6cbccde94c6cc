"""verl's settings, by its example for GSM8K and MATH and by single settings."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from seed_grpo.config import Config
from seed_grpo.config.loading import parse_config
from seed_grpo.importing.peers.verl import ACTOR, CORRECTION, MODEL, ROLLOUT, VERL, parse
from seed_grpo.importing.reading import read
from seed_grpo.importing.rules import GPUS, PROBLEMS, Imported, bring_over
from seed_grpo.importing.writing import as_yaml

EXAMPLE = Path(__file__).parents[3] / "support/imported/verl.sh"


def of(given: dict[str, Any]) -> dict[str, Any]:
    return {each.to: each.value for each in bring_over(VERL, given, {GPUS: None, PROBLEMS: 1000}).written}


def differing(given: dict[str, Any]) -> list[str]:
    return [name.partition("=")[0] for name in bring_over(VERL, given, {GPUS: None, PROBLEMS: 1000}).differing]


@pytest.fixture(scope="module")
def example() -> Imported:
    found = read(EXAMPLE, None)
    # 7,473 problems of GSM8K and 7,500 of MATH
    return bring_over(found.peer, found.given, {GPUS: None, PROBLEMS: 14_973})


def test_the_example_becomes_a_configuration(example: Imported) -> None:
    config: Config = parse_config(yaml.safe_load(as_yaml(example, "verl.sh", [])), "test")
    assert config.data.source == ("~/data/gsm8k/train.parquet", "~/data/math/train.parquet")
    assert config.evaluation is not None and config.evaluation.data.source == (
        "~/data/gsm8k/test.parquet", "~/data/math/test.parquet",
    )  # fmt: skip
    assert (config.data.format, config.data.template, config.evaluation.every) == ("verl", "chat", 5)
    assert config.run.steps == 219  # 15 x 14,973 / 1,024 = 219.3
    assert (config.rollout.prompts_per_step, config.rollout.completions_per_prompt) == (1024, 5)
    assert config.trainer.mini_batches == 4  # 1,024 prompts in mini-batches of 256
    assert config.trainer.tokens_per_micro_batch == 32_768  # 16 sequences of 1,024 + 1,024
    # 8 GPUs: 4 ranks, and 2 engines of 2
    assert (config.trainer.num_workers, config.rollout.num_workers, config.rollout.tensor_parallel_size) == (4, 2, 2)
    loss = config.algo.loss
    assert (config.algo.advantage, config.algo.scale.kind) == ("standardized", "none")
    assert (loss.aggregation, loss.kl_coefficient, loss.importance_correction) == ("per_token", 0.001, "none")
    assert (config.trainer.adam_betas, config.trainer.weight_decay) == ((0.9, 0.999), 0.01)
    assert (config.trainer.learning_rate, config.run.trackers[-1].project) == (1e-6, "grpo_gsm8k_math")


def test_each_setting_of_the_example_is_accounted_for(example: Imported) -> None:
    # counted in the file: 37 settings
    assert (example.settings, len(example.over), len(example.unknown)) == (37, 29, 0)
    assert [name.partition("=")[0] for name in example.differing] == ["trainer.n_gpus_per_node"]
    assert sorted(name.partition("=")[0].rpartition(".")[2] for name in example.without) == [
        "critic_warmup", "gpu_memory_utilization", "log_prob_micro_batch_size_per_gpu",
        "log_prob_micro_batch_size_per_gpu", "name", "param_offload", "use_remove_padding",
    ]  # fmt: skip
    assert [name.partition("=")[0] for name in example.of_defaults] == [
        ACTOR + "fsdp_config.model_dtype", "custom_reward_function.path", ACTOR + "loss_agg_mode",
        ACTOR + "clip_ratio_c",
    ]  # fmt: skip


def test_arguments_of_the_chat_template_are_put_together() -> None:
    words = ["+data.apply_chat_template_kwargs.enable_thinking=False", "~critic", "data.shuffle=True"]
    given, strays = parse(words)
    assert given == {"data.apply_chat_template_kwargs": {"enable_thinking": False}, "data.shuffle": True}
    assert strays == ["~critic"]
    assert of(given)["data.chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("given", "to", "value"),
    [
        ({"algorithm.adv_estimator": "grpo", "algorithm.norm_adv_by_std_in_grpo": False}, "algo.advantage", "centered"),
        ({"algorithm.adv_estimator": "rloo"}, "algo.advantage", "leave_one_out"),
        ({ACTOR + "loss_agg_mode": "seq-mean-token-mean"}, "algo.loss.aggregation", "per_completion"),
        ({ACTOR + "loss_agg_mode": "seq-mean-token-sum-norm"}, "algo.loss.aggregation", "constant"),
        ({ACTOR + "policy_loss.loss_mode": "gspo"}, "algo.loss.ratio", "sequence"),
        ({ACTOR + "policy_loss.loss_mode": "gspo"}, "algo.loss.aggregation", "per_completion"),
        ({ACTOR + "clip_ratio_high": 0.28}, "algo.loss.clip_high", 0.28),
        ({ACTOR + "clip_ratio": 0.1, ACTOR + "clip_ratio_low": None}, "algo.loss.clip_low", 0.1),
        ({"algorithm.use_kl_in_reward": True}, "algo.loss.kl_coefficient", 0.001),
        ({CORRECTION + "rollout_is": "sequence"}, "algo.loss.importance_level", "sequence"),
        ({CORRECTION + "rollout_is": "token"}, "algo.loss.importance_correction", "truncated"),
        ({CORRECTION + "bypass_mode": True}, "algo.loss.clip_against", "rollout"),
        ({ACTOR + "use_dynamic_bsz": True}, "trainer.tokens_per_micro_batch", 16_384),
        ({ACTOR + "fsdp_config.param_offload": True}, "trainer.offload", "optimizer_and_parameters"),
        ({MODEL + "lora_rank": 8}, "model.lora", {"rank": 8, "alpha": 16, "target_modules": "all-linear"}),
        ({ROLLOUT + "n": 1}, "rollout.completions_per_prompt", 8),
        ({"trainer.n_gpus_per_node": 1}, "weight_sync.transport", "ipc"),
        ({"data.prompt_key": "q"}, "data.columns", {
            "problem": "q", "answer": "reward_model.ground_truth", "id": "extra_info.index",
        }),
    ],
)  # fmt: skip
def test_single_settings(given: dict[str, Any], to: str, value: Any) -> None:
    assert of(given)[to] == value


@pytest.mark.parametrize(
    "given",
    [
        {"algorithm.adv_estimator": "remax"},
        {ACTOR + "loss_agg_mode": "seq-mean-token-sum"},
        {ACTOR + "policy_loss.loss_mode": "clip_cov"},
        {ACTOR + "clip_ratio": 0.1},  # the two others stand at 0.2 and win
        {"algorithm.use_kl_in_reward": True},
        {ROLLOUT + "top_p": 0.9},
        {ROLLOUT + "top_k": 50},
        {CORRECTION + "rollout_rs": "geometric"},
        {"data.truncation": "left"},
        {ACTOR + "optim.lr_scheduler_type": "cosine"},
        {"custom_reward_function.path": "reward.py"},
        {MODEL + "custom_chat_template": "{{ x }}"},
        {ROLLOUT + "val_kwargs.n": 16},
        {ROLLOUT + "n": 1},
    ],
    ids=lambda given: next(iter(given)),
)
def test_a_setting_that_differs_is_told(given: dict[str, Any]) -> None:
    assert differing(given) == list(given)
