"""Arguments that an engine is started with: those of the program, and further ones."""

from typing import Any

import pytest
from vllm import AsyncEngineArgs

from seed_grpo.config import Config
from seed_grpo.config.engine_args import OWNED, OWNED_ON_CPU
from seed_grpo.rollout.vllm import startup
from seed_grpo.weight_sync.transports import TRANSPORTS


def config_with(device: str, **engine_args: Any) -> Config:
    return Config.model_validate(
        {
            "run": {"directory": "unused", "steps": 1},
            "model": {"path": "nowhere"},
            "data": {"source": "arithmetic"},
            "rollout": {"engine_args": engine_args},
            "cluster": {"device": device},
        }
    )


@pytest.mark.parametrize("deterministic", [True, False])
def test_only_a_deterministic_engine_on_cpu_keeps_a_sequence_in_one_thread(deterministic: bool) -> None:
    # with two threads, 3 of 48 groups had other last bits beside others; with this 0 of 72
    config = config_with("cpu")
    config = config.model_copy(update={"run": config.run.model_copy(update={"deterministic": deterministic})})
    variables = startup.environment(config, TRANSPORTS[config.transport].receiving)
    assert variables.get("VLLM_CPU_ATTN_SPLIT_KV") == ("0" if deterministic else None)


def arguments_of(config: Config, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    given: dict[str, Any] = {}

    class Recording(AsyncEngineArgs):
        def __init__(self, **arguments: Any) -> None:
            given.update(arguments)

    monkeypatch.setattr(startup, "AsyncEngineArgs", Recording)
    startup.engine_args(config, TRANSPORTS[config.transport].receiving)
    return given


@pytest.mark.parametrize(("device", "owned"), [("cpu", {**OWNED, **OWNED_ON_CPU}), ("cuda", OWNED)])
def test_what_the_program_sets_nobody_else_may(
    device: str, owned: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert arguments_of(config_with(device), monkeypatch).keys() <= owned.keys()


def test_arguments_that_are_refused_are_arguments_of_vllm() -> None:
    startup.check_engine_args([*OWNED, *OWNED_ON_CPU])


def test_further_arguments_arrive_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    speculation = {"method": "ngram", "num_speculative_tokens": 3}
    given = arguments_of(config_with("cuda", speculative_config=speculation, block_size=32), monkeypatch)
    assert (given["speculative_config"], given["block_size"]) == (speculation, 32)
