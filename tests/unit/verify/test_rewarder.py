"""The sum of all rewards of a group, its failures, and how verifier workers ask for it."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seed_grpo.config.sections import SemanticEntropyConfig, VerifierConfig
from seed_grpo.errors import VerifierError
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, JudgedGroup, Problem, Sampling, Verdict
from seed_grpo.verify.worker import VerifierWorker
from support.sockets import free_port

TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)


@pytest.fixture
def worker() -> Iterator[Callable[..., VerifierWorker]]:
    workers: list[VerifierWorker] = []

    def make(*rewards: dict[str, Any], **verifier: Any) -> VerifierWorker:
        config = VerifierConfig.model_validate({"relation": "exact", "rewards": rewards, **verifier})
        workers.append(VerifierWorker(config, SemanticEntropyConfig(mass="counts")))
        return workers[-1]

    yield make
    for each in workers:
        each.close()


def group(*texts: str, group_id: int = 0, rewarded: bool = True, timed_out: int | None = None) -> Group:
    """Completions of as many tokens as their texts have characters; the reference is 2."""
    problem = Problem("p", "1+1=", ("2",), dataset="main", record_json=json.dumps({"nested": [{"deep": 2}]}))
    task = GroupTask(group_id, problem, (1,), Sampling(len(texts), 1.0, 1.0, 64, 0), rewarded)
    completions = []
    for place, text in enumerate(texts):
        ids = np.zeros(len(text), np.int32)
        reason = FinishReason.TIMEOUT if place == timed_out else FinishReason.STOP
        completions.append(Completion(text, ids, np.full(len(ids), -0.5, np.float32), ids, reason))
    return Group(task, tuple(completions), "rollout-0", 1.0)


def judge(worker: VerifierWorker, *groups: Group) -> list[JudgedGroup]:
    summaries, *judged = worker.judge(*groups)
    assert [summary.group_id for summary in summaries] == [each.group.task.group_id for each in judged]
    return judged  # type: ignore[return-value]


TWO, THREE, NOTHING = r"\boxed{2}", r"so \boxed{3}", "no idea of it"
"""9, 12 and 13 characters; right, wrong, without an answer"""


def test_the_reward_is_the_weighted_sum(worker: Callable[..., VerifierWorker]) -> None:
    length = {"use": "length", "weight": -2, "settings": {"target": 12}}
    rewards = ({"use": "correct"}, {"use": "format", "weight": 0.5}, length)
    (judged,) = judge(worker(*rewards), group(TWO, THREE, NOTHING))
    # correct 1 0 0; format 1 1 0; length 1 - 3/12, 1, 1 - 1/12: 1 + 0.5 - 2 * 0.75, 0.5 - 2, -2 * 11/12
    assert judged.rewards_G.tolist() == pytest.approx([0.0, -1.5, -22 / 12]) and judged.rewards_G.dtype == np.float32
    assert {name: part.tolist() for name, part in judged.reward_parts_G.items()} == {
        "correct": [1, 0, 0], "format": [1, 1, 0], "length": pytest.approx([0.75, 1, 11 / 12]),
    }  # fmt: skip
    assert list(judged.reward_parts_G) == ["correct", "format", "length"]  # as configured, and so are the metrics
    assert judged.valid_G.all() and not judged.fault


def test_a_reward_of_none_is_not_valid_and_stays_in_the_partition(worker: Callable[..., VerifierWorker]) -> None:
    (plain,) = judge(worker({"use": "correct"}), group(TWO, THREE, TWO))
    own = {"use": "support.own_rewards:none_for_the_second"}
    (judged,) = judge(worker({"use": "correct"}, own), group(TWO, THREE, TWO))
    assert judged.valid_G.tolist() == [True, False, True]
    assert judged.rewards_G.tolist() == [2, 0, 2]
    assert judged.class_ids_G.tolist() == plain.class_ids_G.tolist() == [0, 1, 0]
    assert judged.semantic_entropy == plain.semantic_entropy > 0
    assert judged.judgements_G[1].verdict is Verdict.INCORRECT
    assert np.isnan(judged.reward_parts_G["none_for_the_second"][1]) and judged.reward_parts_G["correct"][1] == 0


def test_what_was_not_judged_is_not_valid_whatever_its_reward(worker: Callable[..., VerifierWorker]) -> None:
    (judged,) = judge(worker({"use": "format"}), group(TWO, THREE, timed_out=0))
    assert judged.valid_G.tolist() == [False, True] and judged.rewards_G.tolist() == [0, 1]
    assert judged.class_ids_G.tolist() == [-1, 0]


def test_one_reward_that_fails_costs_its_group_and_no_other(worker: Callable[..., VerifierWorker]) -> None:
    rewards = {"use": "correct"}, {"use": "support.own_rewards:faulty", "name": "mine"}
    groups = [group(TWO, THREE, group_id=5), group("raise", TWO, group_id=6), group(TWO, TWO, group_id=7)]
    first, failed, last = judge(worker(*rewards), *groups)
    assert first.rewards_G.tolist() == [10, 12] and last.rewards_G.tolist() == [10, 10]
    assert [each.group.task.group_id for each in (first, failed, last)] == [5, 6, 7]
    assert {judgement.verdict for judgement in failed.judgements_G} == {Verdict.VERIFIER_ERROR}
    assert not failed.valid_G.any() and not failed.rewards_G.any() and failed.class_ids_G.tolist() == [-1, -1]
    assert (failed.semantic_entropy, failed.entropy_max, failed.entropy_clipped) == (0, 0, False)
    assert not failed.reward_parts_G and failed.summary.fault == failed.fault
    line, _, details = failed.fault.partition("\n")
    assert line == "the reward mine failed: KeyError: 'own fault'" and "own_rewards.py" in details
    assert failed.judgements_G[0].rule == line


def test_all_rewards_that_fail_are_named(worker: Callable[..., VerifierWorker]) -> None:
    rewards = ({"use": "support.own_rewards:faulty"}, {"use": "support.own_rewards:faulty", "name": "again"})
    (judged,) = judge(worker(*rewards), group("few", TWO))
    failures = [line for line in judged.fault.splitlines() if line.startswith("the reward")]
    assert [line.partition(" failed:")[0] for line in failures] == ["the reward faulty", "the reward again"]


class Graders(http.server.ThreadingHTTPServer):
    """Rewards texts by their length, but a group whose first text says so."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            group = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            texts = [each["text"] for each in group["completions"]]
            body = json.dumps({"rewards": [None if text == "unknown" else len(text) for text in texts]}).encode()
            self.send_response(500 if texts[0] == "down" else 200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)


@pytest.fixture
def address() -> Iterator[str]:
    server = Graders()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/grade"
    server.shutdown()
    server.server_close()


def test_a_server_that_fails_is_never_a_reward_of_zero(worker: Callable[..., VerifierWorker], address: str) -> None:
    served = worker({"use": address, "retries": 0})
    groups = [group(*texts, group_id=n) for n, texts in enumerate([("a", "bb"), ("down", "bb"), ("unknown", "bb")] * 5)]
    for place, each in enumerate(judge(served, *groups)):
        expected = [([True] * 2, [1, 2]), ([False] * 2, [0, 0]), ([False, True], [0, 2])][place % 3]
        assert (each.valid_G.tolist(), each.rewards_G.tolist()) == expected
        assert bool(each.fault) is (place % 3 == 1) and each.group is groups[place]


def test_evaluations_ask_no_reward(worker: Callable[..., VerifierWorker]) -> None:
    down = f"http://127.0.0.1:{free_port()}/"
    served = worker({"use": down, "name": "down", "retries": 0}, {"use": "support.own_rewards:faulty"})
    evaluated, trained = judge(served, group("raise", TWO, rewarded=False), group("raise", TWO))
    assert evaluated.rewards_G.tolist() == [0, 1] and evaluated.valid_G.all() and not evaluated.reward_parts_G
    assert trained.fault.count("the reward") == 2


def test_a_reward_that_cannot_be_imported_ends_the_start(worker: Callable[..., VerifierWorker]) -> None:
    with pytest.raises(VerifierError, match=r"there is no module 'absent_module'; add its file or package to run.code"):
        worker({"use": "absent_module:f"})


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        ([], "at least 1 item"),
        ([{"use": "corect"}], "is none of correct, format, length, truncated, agreement, majority, and no import path"),
        ([{"use": "correct"}, {"use": "correct", "weight": 2}], "2 rewards are named correct"),
        ([{"use": "a:f"}, {"use": "b:f"}], "2 rewards are named f"),
        ([{"use": "correct", "weight": 0}], "weight 0"),
        ([{"use": "correct", "weight": float("nan")}], "finite number"),
        ([{"use": "correct", "weight": 2e9}], "less than or equal to"),
        ([{"use": "correct", "name": "a/b"}], "needs a name of letters"),
        ([{"use": "http://host/?key=1"}], "needs a name of letters"),
        ([{"use": "a:f", "settings": {"since": date(2024, 1, 1)}}], "settings"),
        ([{"use": "a:f", "timeout": 0}], "greater than 0"),
    ],
)  # fmt: skip
def test_impossible_rewards_are_refused(rewards: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VerifierConfig.model_validate({"rewards": rewards})


def test_the_time_for_a_group_counts_all_that_may_be_waited_for() -> None:
    rewards = [
        {"use": "correct"},  # none
        {"use": "a:f", "timeout": 5},
        {"use": "http://host/score", "timeout": 10, "retries": 2},  # 3 requests, 2 pauses of at most 8 s
    ]
    config = VerifierConfig.model_validate({"rewards": rewards, "group_timeout": 60})
    # the last 2 * 10 are for what comes behind the beginning of an answer
    assert config.group_seconds == 60 + 5 + 3 * 10 + 2 * 8 + 2 * 10
