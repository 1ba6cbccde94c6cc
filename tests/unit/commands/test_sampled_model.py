"""Model and settings that a run is sampled with, after training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seed_grpo.commands import sampled_model
from seed_grpo.commands.console import Console
from seed_grpo.config import Config
from seed_grpo.config.checks import check_sampling
from seed_grpo.config.loading import dump_config
from seed_grpo.errors import ConfigError, ModelError
from seed_grpo.records import checkpoint
from seed_grpo.records.files import claimed
from support.model_folders import without
from support.tiny_model import make_tiny_model


def test_the_policy_of_a_checkpoint_is_written_once_and_by_one_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    run.mkdir()
    config = {"run": {"directory": run, "steps": 1}, "model": {"path": "unused"}, "data": {"source": "arithmetic"}}
    (run / "config.yaml").write_text(dump_config(Config.model_validate(config)))
    (run / "metrics.jsonl").write_text("")
    with checkpoint.writing(run / "checkpoints", step=2, keep=1):
        pass
    exported: list[Path] = []

    def export(_config: Config, folder: Path) -> None:
        exported.append(folder)
        folder.mkdir()
        (folder / "config.json").write_text("{}")

    monkeypatch.setattr(sampled_model, "export", export)
    with pytest.raises(ConfigError, match="temprature"):  # before anything is written
        sampled_model.serving_config(str(run), 2, out, None, ["rollout.temprature=1"])
    assert not out.exists()
    with claimed(out), pytest.raises(ConfigError, match=f"another program is at work in {out}"):
        sampled_model.serving_config(str(run), 2, out, None, [])
    for _ in range(2):
        served = sampled_model.serving_config(str(run), 2, out, None, [])
        assert served.model.path == str(out / "policy_step_00000002")
    assert exported == [out / "policy_step_00000002"]


def test_a_model_may_be_sampled_as_no_run_is(tmp_path: Path) -> None:
    overrides = ["rollout.top_p=0.9", "rollout.temperature=0.6"]
    config = sampled_model.serving_config("a/model", 2, tmp_path / "out", None, overrides)
    assert (config.rollout.top_p, config.rollout.temperature) == (0.9, 0.6)
    with pytest.raises(ConfigError, match=r"rollout\.top_p=0\.9 .* below 0\.6 for likelier tokens"):
        check_sampling(config)


def test_a_model_that_is_not_whole_is_not_sampled_from(tmp_path: Path) -> None:
    """Before Ray is started, and before anything is written."""
    folder = make_tiny_model(tmp_path / "model", tied=True, seed=0)
    without("layers.1.mlp")(folder)
    config = sampled_model.serving_config(str(folder), 2, tmp_path / "out", None, ["cluster.dashboard=false"])
    with (
        Console(total_steps=1) as console,
        pytest.raises(ModelError, match=r"missing: 3 \(model\.layers\.1\.mlp\.down_proj"),
        sampled_model.served(config, console),
    ):
        raise AssertionError("a model of random weights is served")
    assert not (tmp_path / "out/config.yaml").exists()


def test_a_run_is_sampled_with_the_code_that_it_keeps_and_asks_no_reward(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    (run / "policy").mkdir(parents=True)
    (run / "policy/config.json").write_text("{}")
    config = Config.model_validate(
        {
            "run": {"directory": run, "steps": 1, "code": ["gone/own_judging.py"]},
            "model": {"path": "unused"},
            "data": {"source": "arithmetic"},
            "verifier": {"relation": "own_judging:form", "rewards": [{"use": "own_judging:reward"}]},
        }
    )
    (run / "config.yaml").write_text(dump_config(config))
    (run / "metrics.jsonl").write_text("")
    kept = run / "code/own_judging.py"
    kept.parent.mkdir()
    kept.write_text("def form(answer):\n    return answer\n")
    for settings in (None, run / "config.yaml"):
        served = sampled_model.serving_config(str(run), 2, out, settings, [])
        assert served.run.code == (kept,) and served.verifier.relation == "own_judging:form"
        assert [reward.use for reward in served.verifier.rewards] == ["correct"]
    (tmp_path / "mine.yaml").write_text(dump_config(config))
    served = sampled_model.serving_config("some/model", 2, out, tmp_path / "mine.yaml", [])
    assert served.run.code == (Path("gone/own_judging.py"),)  # of no run: where the file says

    served = sampled_model.serving_config(str(run), 2, out, None, [])
    out.mkdir()
    (out / "model.json").write_text(json.dumps(sampled_model.identity(served)))
    sampled_model.check_same_sampling(served)
    kept.write_text("def form(answer):\n    return answer.lower()\n")
    with pytest.raises(ConfigError, match=r"before code/own_judging.py changed"):
        sampled_model.check_same_sampling(served)
