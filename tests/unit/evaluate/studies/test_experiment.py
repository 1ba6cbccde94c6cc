"""Experiments: what a file asks for, the comparison over seeds by hand, and runs that fail."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from seed_grpo.commands import experiment as runner
from seed_grpo.config.experiment import load_experiment
from seed_grpo.config.loading import load_config
from seed_grpo.errors import ConfigError, SeedGrpoError
from seed_grpo.evaluate.studies.experiment import Runs, run_metrics, sign_flip_p, summarize, write_report
from seed_grpo.extensions import installed

EXPERIMENTS = Path(__file__).parents[4] / "jobs" / "experiments"


def write(path: Path, **changes: object) -> Path:
    base = {"run": {"directory": "x", "steps": 3}, "model": {"path": "m"}, "data": {"source": "arithmetic"}}
    (path / "base.yaml").write_text(yaml.safe_dump(base))
    tree = {
        "title": "t", "base": "base.yaml", "directory": str(path / "runs"), "seeds": [0, 1],
        "configurations": {"a": {"algo.scale.kind": "none"}, "b": {"rollout.stop": ["x"]}}, "baseline": "a",
    } | changes  # fmt: skip
    (path / "experiment.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return path / "experiment.yaml"


@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_files_of_the_studies_are_sound(file: Path) -> None:
    experiment = load_experiment(file)
    assert len(experiment.seeds) >= 5
    for name in experiment.all_configurations():
        assert experiment.config(name, 4).run.seed == 4


def test_a_grid_is_the_product_of_its_values(tmp_path: Path) -> None:
    grid = {"algo.scale.kind": ["linear", "reciprocal"], "algo.scale.alpha": [0.02, 0.5]}
    experiment = load_experiment(write(tmp_path, grid=grid, settings={"run.steps": 7, "evaluation": None}))
    assert list(experiment.all_configurations()) == [
        "a", "b", "kind=linear alpha=0.02", "kind=linear alpha=0.5", "kind=reciprocal alpha=0.02",
        "kind=reciprocal alpha=0.5",
    ]  # fmt: skip
    config = experiment.config("kind=reciprocal alpha=0.5", 1)
    assert (config.algo.scale.kind, config.algo.scale.alpha, config.run.steps) == ("reciprocal", 0.5, 7)
    assert config.run.directory == tmp_path / "runs" / "kind=reciprocal_alpha=0.5" / "seed-1"
    assert experiment.config("b", 0).rollout.stop == ("x",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": "c"}, "baseline=c is none of the configurations; name one of a, b"),
        ({"baseline": None}, "baseline=None is none of the configurations; name one of a, b"),
        ({"configurations": {}}, "has no configurations"),
        ({"seeds": [1, 1]}, "has a seed twice"),
        ({"sedes": [1]}, "unknown key 'sedes'"),
        ({"metrics": []}, "metrics: .*at least 1 item"),
        ({"configurations": {"a b": {}, "a/b": {}}, "baseline": "a b"}, "two configurations would share a folder"),
        ({"configurations": {"a": {"algo.scale.alpha": 2}}}, "alpha=2.0 lets the linear scale leave"),
        ({"grid": {"rollout.top_p": [0.8]}}, r"rollout\.top_p=0\.8 samples from the likeliest tokens alone"),
    ],
)
def test_a_fault_is_one_clear_error(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_experiment(write(tmp_path, **changes))


def test_evaluations_may_sample_with_any_top_p(tmp_path: Path) -> None:
    evaluate = {"sets": ["math500"], "samples": 4}
    experiment = load_experiment(write(tmp_path, evaluate=evaluate, grid={"rollout.top_p": [0.8]}))
    assert experiment.config("top_p=0.8", 0).rollout.top_p == 0.8


def test_differences_are_taken_seed_by_seed() -> None:
    """Seeds differ by 0.4, the configurations by 0.1, 0.1 and 0.4: mean 0.2, s = 0.1732, half = 4.3027 s / sqrt(3) =
    0.4303. Unpaired, the seeds' own spread would be in it. Seed 3 has no partner. Of the eight ways to flip the signs
    of 1, 1, 4 the sums are 6, 4, 4, 2 and their negatives: two are at least as far as 6, so p = 2/8."""
    base = {0: {"m": 0.1}, 1: {"m": 0.5}, 2: {"m": 0.2}}
    other = {0: {"m": 0.2}, 1: {"m": 0.6}, 2: {"m": 0.6}, 3: {"m": 0.9}}
    values: Mapping[str, Mapping[int, Mapping[str, float]]] = {"base": base, "other": other}
    found = summarize("other", "m", values, "base")
    assert found.seeds == (0, 1, 2, 3) and found.mean.value == pytest.approx(0.575)
    assert found.difference == pytest.approx((0.2, 0.2 - 0.4303, 0.2 + 0.4303), abs=1e-3)
    assert found.p_value == 0.25
    assert summarize("base", "m", values, "base").difference is None
    assert (found.pairs, summarize("base", "m", values, "base").pairs) == (3, 0)
    assert sign_flip_p(np.array([1.0, -1.0])) == 1.0 and math.isnan(sign_flip_p(np.zeros(0)))


def make_run(directory: Path, rewards: list[float], accuracy: float) -> None:
    directory.mkdir(parents=True)
    lines = [{"step": i, "reward": r, "sampled_completions": 8} for i, r in enumerate(rewards, 1)]
    (directory / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (directory / "timings.jsonl").write_text('{"step": 1, "total": 2.0}\n{"step": 2, "evaluation": 5.0}\n')
    evaluations = [{"step": 0, "accuracy": 0.9}, {"step": 4, "accuracy": accuracy, "semantic_entropy": None}]
    (directory / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in evaluations))


def test_a_report_is_of_the_runs_records(tmp_path: Path) -> None:
    make_run(tmp_path / "a0", [0.0, 0.1, 0.2, 0.5], 0.6)
    make_run(tmp_path / "b0", [0.0, 0.1, 0.2, 0.9], 0.7)
    assert run_metrics(tmp_path / "a0") == {
        "accuracy": 0.6, "best_accuracy": 0.9, "reward": 0.5, "reward_over_all_steps": pytest.approx(0.2),
        "completions": 32.0, "seconds": 2.0,
    }  # fmt: skip
    directories = {"a": {0: tmp_path / "a0"}, "b<i>": {0: tmp_path / "b0"}}
    written = write_report(tmp_path / "out", "Title", Runs(directories, "a", ["accuracy", "reward"])).read_text()
    assert "| b\\<i\\> | 1 | 0.700 [-, -] | 0.100 [-, -] | 1 | 1.000 | 0.700 |" in written
    assert (tmp_path / "out/learning.png").is_file() and (tmp_path / "out/differences.png").is_file()


def test_runs_are_started_a_few_at_a_time_and_failures_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four runs, one through already; of the others that of b, seed 1 fails. The same command runs that one alone."""
    experiment = load_experiment(write(tmp_path))
    working, most, failing, started, stopped = set(), [0], {"b, seed 1"}, [], []

    class Fake:
        def __init__(self, run: runner.Planned) -> None:
            self.run, self.polls = run, 0
            working.add(run.name)
            started.append(run.name)
            most.append(len(working))

        def poll(self) -> int | None:
            self.polls += 1
            if self.polls < 3:
                return None
            working.discard(self.run.name)
            if self.run.name in failing:
                return 1
            finish(self.run.directory)
            return 0

        def said(self) -> str:
            return "out of memory"

        def stop(self) -> None:
            stopped.append(self.run.name)

    def finish(directory: Path) -> None:
        make_run(directory, [0.1, 0.2, 0.3], 0.5)
        (directory / "policy").mkdir()
        (directory / "policy/config.json").touch()

    monkeypatch.setattr(runner, "LocalRun", Fake)
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.0)
    finish(experiment.run_directory("a", 0))
    with pytest.raises(SeedGrpoError, match="1 of 4 runs failed: b, seed 1"):
        runner.run_experiment(experiment, parallel=2, address=None)
    assert started == ["b, seed 0", "a, seed 1", "b, seed 1"] and max(most) == 2
    assert "FAILED: b, seed 1, status 1" in capsys.readouterr().out
    failing.clear()
    runner.run_experiment(experiment, parallel=2, address=None)
    assert started[3:] == ["b, seed 1"] and stopped == []


def test_what_is_at_work_is_stopped_with_the_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_experiment(write(tmp_path))
    stopped: list[str] = []

    class Interrupted:
        def __init__(self, run: runner.Planned) -> None:
            self.run = run

        def poll(self) -> int | None:
            raise KeyboardInterrupt

        def stop(self) -> None:
            stopped.append(self.run.name)

    monkeypatch.setattr(runner, "LocalRun", Interrupted)
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        runner.run_experiment(experiment, parallel=2, address=None)
    assert stopped == ["a, seed 0", "b, seed 0"]
    with pytest.raises(ConfigError, match="--parallel 0"):
        runner.run_experiment(experiment, parallel=0, address=None)


def test_runs_of_other_settings_are_not_taken_for_those_of_the_experiment(tmp_path: Path) -> None:
    runner.plan_runs(load_experiment(write(tmp_path)))
    (tmp_path / "runs/a/seed-0").mkdir(parents=True)
    runner.plan_runs(load_experiment(write(tmp_path)))
    with pytest.raises(ConfigError, match="seed-0 was made with other settings"):
        runner.run_experiment(load_experiment(write(tmp_path, settings={"run.steps": 2})), parallel=1, address=None)


def test_all_runs_get_the_code_that_the_experiment_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy at an absolute path, which a job finds too; runs on record are not mixed with those of other code."""
    monkeypatch.setattr(runner, "work_off", lambda *_: [])
    monkeypatch.chdir(tmp_path)
    Path("own_reward_of_a.py").write_text("VALUE = 1\n")
    Path("own_package").mkdir()
    Path("own_package/__init__.py").write_text("")
    settings = {"a": {"run.code": ["own_reward_of_a.py", "own_package"]}, "b": {"run.code": ["own_package/"]}}
    file = write(tmp_path, configurations=settings)

    def run() -> None:
        runner.run_experiment(load_experiment(file), parallel=1, address=None)

    run()
    code = tmp_path / "runs/code"
    for name, names in (("a", ["own_reward_of_a.py", "own_package"]), ("b", ["own_package"])):
        config = load_config(tmp_path / f"runs/{name}/seed-1.yaml")
        assert config.run.code == tuple(code / each for each in names)
    assert (code / "own_reward_of_a.py").read_text() == "VALUE = 1\n" and (code / "own_package/__init__.py").is_file()
    Path("own_reward_of_a.py").write_text("VALUE = 2\n")
    run()  # nothing is on record yet
    assert (code / "own_reward_of_a.py").read_text() == "VALUE = 2\n"
    make_run(tmp_path / "runs/b/seed-0", [0.5], 0.5)
    run()
    Path("own_reward_of_a.py").write_text("VALUE = 3\n")
    with pytest.raises(ConfigError, match=r"own_reward_of_a\.py differ from those in"):
        run()
    assert installed() == []  # a run that is started from here has its own
