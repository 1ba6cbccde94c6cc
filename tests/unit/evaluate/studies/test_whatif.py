"""Other settings on recorded groups: the controller's own numbers given back, and others worked by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seed_grpo.commands.console import Console
from seed_grpo.config import Config
from seed_grpo.config.loading import dump_config
from seed_grpo.errors import ConfigError
from seed_grpo.evaluate.studies.whatif import Outcome, variants_of, whatif
from seed_grpo.evaluate.studies.whatif_page import markdown
from seed_grpo.extensions import install
from seed_grpo.messages import (
    Completion,
    FinishReason,
    Group,
    GroupTask,
    JudgedGroup,
    Judgement,
    Problem,
    Sampling,
    Verdict,
)
from seed_grpo.records.callbacks import Callbacks
from seed_grpo.records.files import write_table
from seed_grpo.records.first_rewards import FirstRewards
from seed_grpo.records.ledger_table import LedgerRow, ledger_schema
from seed_grpo.records.recorder import Recorder
from seed_grpo.records.rollout_table import Estimate, rollout_rows, schema
from seed_grpo.records.run_directory import RunDirectory
from seed_grpo.records.throughput import Throughput
from seed_grpo.runtime.supervision.prometheus import Monitor
from seed_grpo.semantics.entropy import log_likelihood, semantic_entropy
from seed_grpo.testing.fake_pipeline import FakeEngine
from seed_grpo.testing.fake_world import World, fake_config


def completion(logprobs: Sequence[float], version: int) -> Completion:
    ids_T, versions_T = np.full((2, len(logprobs)), [[7], [version]], np.int32)
    return Completion("", ids_T, np.array(logprobs, np.float32), versions_T, FinishReason.STOP)


DATASETS = {0: "sums", 1: "hard", 2: "sums"}
"""names of data sets by group id"""


def judged(
    group_id: int,
    rewards: Sequence[int],
    classes: Sequence[int],
    logprobs: Sequence[Sequence[float]],
    made: Config,
    version: int = 0,
) -> JudgedGroup:
    """As a verifier worker makes it."""
    completions = tuple(completion(each, version) for each in logprobs)
    kind = made.algo.semantic_entropy.likelihood
    likelihoods_G = np.array([log_likelihood(each.logprobs_T, kind) for each in completions])
    entropy = semantic_entropy(np.array(classes, np.int32), likelihoods_G, made.algo.semantic_entropy)
    problem = Problem(f"p{group_id}", "?", ("1",), dataset=DATASETS.get(group_id, ""))
    task = GroupTask(group_id, problem, (1,), Sampling(len(rewards), 1.0, 1.0, 8, 0))
    return JudgedGroup(
        group=Group(task, completions, "rollout-0", 0.1),
        judgements_G=tuple(Judgement(Verdict.CORRECT if r else Verdict.INCORRECT, "a") for r in rewards),
        rewards_G=np.array(rewards, np.float32),
        valid_G=np.ones(len(rewards), bool),
        class_ids_G=np.array(classes, np.int32),
        semantic_entropy=entropy.value,
        entropy_max=entropy.maximum,
        entropy_clipped=entropy.clipped,
        seconds=0.1,
    )


class VariedEngine(FakeEngine):
    """Groups of all kinds: rewards, classes, lengths and likelihoods differ from one to the next."""

    def __init__(self, made: Config) -> None:
        super().__init__()
        self._made = made

    def judged(self, task: GroupTask, begun: int) -> JudgedGroup:
        rng = np.random.default_rng(task.group_id)
        count = task.sampling.num_completions
        rewards, classes = rng.integers(0, 2, count), rng.integers(0, 3, count)
        dense = np.unique(classes, return_inverse=True)[1]
        lengths = rng.integers(1, 7, count) * (task.group_id not in self.empty)
        logprobs = [-rng.exponential(0.3, length) for length in lengths]
        whole = judged(task.group_id, rewards.tolist(), dense.tolist(), logprobs, self._made, begun)
        return replace(whole, group=replace(whole.group, task=task))


SETTINGS = [
    {},
    {
        "semantic_entropy": {"mass": "counts", "functional": "shannon"},
        "scale": {"kind": "reciprocal", "alpha": 0.5},
        "advantage": "standardized",
        "overlong_tokens": 3,
    },
    {"scale": {"alpha": 1, "control": "shuffled"}, "advantage": "leave_one_out"},
    {"semantic_entropy": {"likelihood": "sum"}, "scale": {"control": "mean_matched"}, "dynamic_sampling_rounds": 2},
]


@pytest.mark.parametrize("algo", SETTINGS, ids=["default", "many", "shuffled", "mean_matched"])
def test_a_run_is_given_back(algo: dict[str, Any], tmp_path: Path) -> None:
    """A run of the real controller and recorder, one version stale, with a step whose updates were skipped and groups
    without a token. Were the steps' seeds off by one, their groups sorted by id, those skipped forgotten, or log-
    probabilities of the table (float16) taken, scales would differ."""
    changes = {
        "algo": algo,
        "run": {"directory": "unused", "steps": 4, "max_staleness": 1, "trackers": []},
        "rollout": {"prompts_per_step": 5, "completions_per_prompt": 4, "max_completion_tokens": 8},
    }
    made = fake_config(**changes)
    directory, console = RunDirectory(tmp_path, made), Console(4, io.StringIO())
    gauges = {"rollout_workers": 1.0}
    parts = (lambda payload: world.pipeline.fetch(payload)), (lambda: gauges), Monitor("test"), FirstRewards(made)
    recorder = Recorder(directory, console, *parts, Throughput(made, ""), Callbacks(None, None, print))
    world = World(recorder=recorder, **changes)
    world.engine = world.pipeline.engine = world.sync.engine = VariedEngine(made)
    world.engine.empty = {1, 7}
    world.trainer.skips = {2: (1, 3)}
    world.run()
    found = whatif(tmp_path, [])
    assert found.scale_difference < 1e-12 and found.advantage_difference < 1e-6
    assert (found.steps, found.trained, found.dropped >= 2) == (4, world.controller.ledger.trained, True)


def recorded(path: Path, made: Config, groups: Sequence[JudgedGroup], estimates: dict[int, Estimate]) -> None:
    """One step, written without the controller."""
    (path / "config.yaml").write_text(dump_config(made))
    write_table(path / "rollouts/step_000001.parquet", list(rollout_rows(1, groups, estimates)), schema())
    rows = [LedgerRow.dropped(1, each.summary, "stale") for each in groups if each.group.task.group_id not in estimates]
    write_table(path / "ledger/step_000001.parquet", [asdict(row) for row in rows], ledger_schema())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three trained groups and a dropped one under linear, alpha = 0.02, counts and Shannon. With SE_max = ln 4:

    0: 1 of 4 right, classes of 1 and 3: SE = 1/4 ln 4 + 3/4 ln 4/3 = 0.562335, SE / SE_max = 0.405639
    1: 2 of 4 right, classes of 2 and 2: SE = ln 2, half of SE_max
    2: all right, one class: SE = 0
    """
    made = fake_config(algo={"semantic_entropy": {"mass": "counts", "functional": "shannon"}})
    one = [[-1.0]] * 4
    groups = [
        judged(0, [1, 0, 0, 0], [0, 1, 1, 1], [[0.0], [-10.0], [-10.0], [-10.0]], made),
        judged(1, [1, 1, 0, 0], [0, 0, 1, 1], [[-1.0], [-1.0], [-1.0, -1.0], [-1.0, -1.0]], made),
        judged(2, [1, 1, 1, 1], [0, 0, 0, 0], one, made),
        judged(3, [1, 0, 0, 0], [0, 1, 2, 3], one, made),
    ]
    nothing, first = np.zeros(4), 1 - 0.02 * 0.4056390622
    estimates = {
        0: Estimate(first, nothing, first * np.array([0.75, -0.25, -0.25, -0.25])),
        1: Estimate(0.99, nothing, 0.99 * np.array([0.5, 0.5, -0.5, -0.5])),
        2: Estimate(1.0, nothing, nothing),
    }
    recorded(tmp_path, made, groups, estimates)
    return tmp_path


def only(run: Path, *overrides: str) -> Outcome:
    """The outcome of one variant."""
    found = whatif(run, variants_of(run, overrides))
    assert len(found.outcomes) == 2
    return found.outcomes[1]


def test_weights_by_difficulty(run: Path) -> None:
    # alpha = 0.5: scales 1 - 0.202820 = 0.797180, 0.75, 1. Sums of |A|: 0.75 + 3/4 = 1.5, 4/2 = 2, 0.
    # Weights 1.195770, 1.5, 0 of 2.695770: 0.443573, 0.556427, 0. By groups instead of by |A| it would be a third each.
    found = only(run, "algo.scale.alpha=0.5")
    assert [(d.name, d.groups) for d in found.difficulties if d.groups] == [
        ("(0, 0.25]", 1), ("(0.25, 0.5]", 1), ("1", 1)
    ]  # fmt: skip
    filled = [d for d in found.difficulties if d.groups]
    assert [d.weight for d in filled] == pytest.approx([0.443573, 0.556427, 0.0], abs=1e-6)
    assert [d.scale_mean for d in filled] == pytest.approx([0.797180, 0.75, 1.0], abs=1e-6)
    assert [d.scale_mean for d in found.difficulties if not d.groups] == [None] * 3


def test_weights_by_data_set(run: Path) -> None:
    # groups 0 and 2 of the one, 1 of the other: weights 1.195770 + 0 and 1.5, scales (0.797180 + 1) / 2 and 0.75
    found = only(run, "algo.scale.alpha=0.5")
    assert [(part.name, part.groups) for part in found.datasets] == [("hard", 1), ("sums", 2)]
    assert [part.weight for part in found.datasets] == pytest.approx([0.556427, 0.443573], abs=1e-6)
    assert [part.scale_mean for part in found.datasets] == pytest.approx([0.75, 0.898590], abs=1e-6)


def test_steps_scales_and_gradients(run: Path) -> None:
    # As above: 2.695770 over 12 completions = 0.224648; without a scale 3.5 / 12; their ratio 0.770220.
    # Over the groups with a gradient alone it would be 2.695770 / 8.
    found = only(run, "algo.scale.alpha=0.5")
    assert (found.step_mean, found.step_against_none) == pytest.approx((0.224648, 0.770220), abs=1e-6)
    assert (found.scale_mean, found.scale_min, found.scale_max) == pytest.approx((2.547180 / 3, 0.75, 1.0), abs=1e-6)
    assert found.gradient_share == pytest.approx(2 / 3)
    assert only(run, "algo.scale.kind=none").step_against_none == 1.0


def test_a_scale_of_zero_leaves_no_gradient(run: Path) -> None:
    # four singletons: SE = SE_max, so the dropped group's scale is 1 - 1 = 0, and its mixed rewards give nothing
    found = only(run, "algo.scale.alpha=1")
    assert (found.dropped_scale_mean, found.dropped_gradient_share) == (0.0, 0.0)
    found = only(run, "algo.scale.alpha=0.5")
    assert (found.dropped_scale_mean, found.dropped_gradient_share) == (0.5, 1.0)
    # of the trained, group 0 has the clipped maximum under `paper` by likelihood; group 2 has no gradient in any case
    mixed = "algo.semantic_entropy.mass=likelihood", "algo.semantic_entropy.functional=paper"
    assert only(run, "algo.scale.alpha=1", *mixed).gradient_share == pytest.approx(1 / 3)


def test_other_estimators_of_the_same_completions(run: Path) -> None:
    def scale(*overrides: str) -> list[float]:
        found = only(run, "algo.scale.alpha=0.5", *overrides)
        return [d.scale_mean for d in found.difficulties if d.scale_mean is not None]

    # By likelihood, of group 1: means are all -1, so masses are 1/2; sums are -1, -1, -2, -2, so they are as 1 to 1/e:
    # 0.731059, 0.268941, with Shannon 0.582203 and the scale 1 - 0.5 * 0.582203 / ln 4 = 0.790014.
    assert scale("algo.semantic_entropy.mass=likelihood")[1] == pytest.approx(0.75)
    by_sum = scale("algo.semantic_entropy.mass=likelihood", "algo.semantic_entropy.likelihood=sum")
    assert by_sum[1] == pytest.approx(0.790014, abs=1e-6)
    # Of group 0: masses 1 and 3 e^-10, whose mean log is -4.45: the paper's functional exceeds ln 4 = 1.39, is clipped,
    # and gives 1 - 0.5. That of group 1 is ln 2 exactly.
    mixed = "algo.semantic_entropy.mass=likelihood", "algo.semantic_entropy.functional=paper"
    assert scale(*mixed) == pytest.approx([0.5, 0.75, 1.0])
    assert only(run, *mixed).clipped == 1
    assert only(run, "algo.semantic_entropy.functional=paper").clipped == 0


def test_rank_correlation_with_the_run(run: Path) -> None:
    # The run ranks its scales 0.9919, 0.99, 1 as 2, 1, 3. The paper's functional on counts gives 0.836988 and ln 2:
    # 1, 2, 3. Spearman: 1 - 6 (1 + 1) / (3 * 8) = 0.5. Of the values themselves, Pearson's would be 0.94.
    assert only(run, "algo.semantic_entropy.functional=paper").rank_correlation == pytest.approx(0.5)
    assert only(run, "algo.scale.kind=reciprocal").rank_correlation == pytest.approx(1.0)
    matched = only(run, "algo.scale.control=mean_matched")
    assert matched.rank_correlation is None and matched.scale_min == matched.scale_max


def test_the_grid_of_the_overrides(run: Path) -> None:
    variants = variants_of(run, ["algo.scale.kind=linear,reciprocal", "algo.scale.alpha=0.02,1"])
    assert [name for name, _ in variants] == [
        "kind=linear alpha=0.02", "kind=linear alpha=1", "kind=reciprocal alpha=0.02", "kind=reciprocal alpha=1"
    ]  # fmt: skip
    scales = [(algo.scale.kind, algo.scale.alpha) for _, algo in variants]
    assert scales[1:3] == [("linear", 1.0), ("reciprocal", 0.02)]
    assert all(algo.semantic_entropy.mass == "counts" for _, algo in variants)  # as the run


def test_the_default_variants_are_not_the_run_itself(run: Path) -> None:
    names = [name for name, _ in variants_of(run, [])]
    assert "mass=counts functional=shannon" not in names and "kind=linear alpha=0.02" not in names
    assert {"mass=counts functional=paper", "kind=linear alpha=0.5", "control=shuffled"} <= set(names)


def test_what_cannot_be_replayed_is_one_clear_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"alpha=2\.0 lets the linear scale leave"):
        variants_of(run, ["algo.scale.alpha=0.5,2"])
    with pytest.raises(ConfigError, match=r"'algo\.loss\.clip_low=0\.1' changes nothing"):
        variants_of(run, ["algo.loss.clip_low=0.1"])
    with pytest.raises(ConfigError, match="has no rollouts"):
        whatif(tmp_path / "elsewhere", [])


def test_settings_that_are_not_those_of_the_record_are_an_error(run: Path) -> None:
    file = run / "config.yaml"
    file.write_text(file.read_text().replace("alpha: 0.02", "alpha: 0.03"))
    with pytest.raises(ConfigError, match=r"group 0 of step 1 has scale 0\.991887\d*, replayed 0\.98783"):
        whatif(run, [])


def test_the_page_and_the_record(run: Path) -> None:
    found = whatif(run, variants_of(run, []))
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["trained"] == 3
    page = markdown(found)
    assert "3 trained groups of 1 steps" in page and "The 1 groups that were dropped" in page
    assert "| kind=linear alpha=0.5 | 0.8491 | 0.7500 | 1.0000 | 0.2246 | 0.7702 | 66.7% | 1.000 | 0 |" in page
    assert "| kind=linear alpha=0.5 | 44.4% (0.7972) | 55.6% (0.7500) | 0.0% (1.0000) |" in page
    assert "by data set" in page and "| kind=linear alpha=0.5 | 55.6% (0.7500) | 44.4% (0.8986) |" in page


def test_a_run_of_own_functions_is_replayed_with_the_code_that_it_keeps(tmp_path: Path) -> None:
    """Wherever `run.code` leads by now."""
    algo = {"scale": {"kind": "own_kept_scale:half"}, "semantic_entropy": {"functional": "own_kept_scale:entropy"}}
    made = fake_config(algo=algo, run={"directory": "unused", "steps": 1, "code": ["gone/own_kept_scale.py"]})
    (tmp_path / "code").mkdir()
    text = "def half(x, config):\n    return 0.5\n\n\ndef entropy(log_mass):\n    return 0.25\n"
    (tmp_path / "code/own_kept_scale.py").write_text(text)
    install([tmp_path / "code/own_kept_scale.py"])
    groups = [judged(0, [1, 0], [0, 1], [[-1.0]] * 2, made)]
    install([])
    recorded(tmp_path, made, groups, {0: Estimate(0.5, np.zeros(2), np.array([0.25, -0.25]))})
    try:
        found = whatif(tmp_path, variants_of(tmp_path, ["algo.scale.kind=none"]))
    finally:
        install([])
    assert [each.scale_mean for each in found.outcomes] == [0.5, 1.0]
