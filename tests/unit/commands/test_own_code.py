"""The trial of own functions and servers: each fault is refused before anything starts, by what is to be mended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seed_grpo.commands.own_code import check_own_code, own_names
from seed_grpo.config import Config
from seed_grpo.data.mixture import LoadedSet
from seed_grpo.data.prompts import PromptSet
from seed_grpo.errors import ConfigError
from seed_grpo.extensions import install
from seed_grpo.messages import Problem
from support.sockets import free_port

TESTS = Path(__file__).parents[2]
PROBLEM = Problem(
    "p7", "1+1=", ("2",), turns=(("user", "hi"),), record_json='{"nested": [{"deep": 2}], "nothing": null}'
)
OWN = "support.own_functions"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Any]:
    """Writes own_tried.py and installs it."""

    def write(text: str) -> None:
        (tmp_path / "own_tried.py").write_text(text)
        install([tmp_path / "own_tried.py"])

    yield write
    install([])


def tried(made: Config, problem: Problem = PROBLEM) -> str:
    """The trial on one data set that begins with the problem."""
    (data,) = made.data.sets
    return check_own_code(made, [LoadedSet(data, PromptSet([(problem, (1,))], 0, 0))], [])


def config(**sections: Any) -> Config:
    tree: dict[str, Any] = {"run": {"directory": "d", "steps": 1}, "model": {"path": "m"}, "data": {"source": "s"}}
    return Config.model_validate({**tree, **sections})


def rewards(*each: dict[str, Any]) -> Config:
    return config(verifier={"rewards": each, "relation": "exact"})


def test_a_configuration_without_own_code_has_nothing_to_try() -> None:
    assert tried(config()) == "none"
    assert tried(rewards({"use": "correct"}, {"use": "length", "settings": {"target": 9}})) == "none"


def test_everything_of_ones_own_is_tried_and_named() -> None:
    made = config(
        verifier={
            "relation": f"{OWN}:lower",
            "extraction": f"{OWN}:last_word",
            "rewards": [{"use": "correct"}, {"use": "support.own_rewards:good", "name": "mine"}],
        },
        algo={"advantage": f"{OWN}:squares", "semantic_entropy": {"functional": f"{OWN}:high_entropy"}},
    )
    names = [
        f"algo.advantage={OWN}:squares", f"algo.semantic_entropy.functional={OWN}:high_entropy",
        f"verifier.relation={OWN}:lower", f"verifier.extraction={OWN}:last_word",
        "the reward mine=support.own_rewards:good",
    ]  # fmt: skip
    assert list(own_names(made)) == names
    assert tried(made) == f"5 tried: {', '.join(names)}"


FAULTS = {
    "scale": ({"algo": {"scale": {"kind": f"{OWN}:scale_of_two"}}}, "gives 2.0 at x=0; a scale lies in"),
    "scale that leaves its range": (
        {"algo": {"scale": {"kind": f"{OWN}:scale_beyond", "alpha": 1.0}}}, r"gives 1.25 at x=0\.25",
    ),
    "scale that is none": ({"algo": {"scale": {"kind": "absent_module:f"}}}, "no module 'absent_module'"),
    "advantage": ({"algo": {"advantage": f"{OWN}:too_few"}}, "for 4 rewards; return as many finite numbers"),
    "advantage that raises": (
        {"algo": {"advantage": f"{OWN}:fault_of_advantage"}},
        r"fault_of_advantage failed with KeyError: 'own fault' \(own_functions\.py, line \d+\); correct it",
    ),
    "entropy": (
        {"algo": {"semantic_entropy": {"functional": f"{OWN}:no_entropy"}}}, "functional=.*no_entropy gives no number",
    ),
    "entropy of nothing": (  # though a trial group without classes would not have asked it
        {"algo": {"semantic_entropy": {"functional": f"{OWN}:no_entropy"}}, "verifier": {"no_answer": "none"}},
        "gives no number",
    ),
    "relation": ({"verifier": {"relation": f"{OWN}:three"}}, "takes 3 positional arguments"),
    "relation of two that fails": (
        {"verifier": {"relation": f"{OWN}:strict"}}, "'no such answer' failed .*ValueError.*whatever a policy writes",
    ),
    "relation of two that gives no truth": (
        {"verifier": {"relation": f"{OWN}:likeness"}}, "failed .*the relation returned 0.25 for two answers, not True",
    ),
    "scale of one parameter": ({"algo": {"scale": {"kind": f"{OWN}:lower"}}}, r"but 2 were given; correct it"),
    "settings of another type": (
        {"verifier": {"rewards": [{"use": "length", "settings": {"target": "9"}}]}}, "target='9' .* whole number",
    ),
    "extraction": ({"verifier": {"extraction": "absent_module:f"}}, "there is no module 'absent_module'; add"),
    "reward": ({"verifier": {"rewards": [{"use": "support.own_rewards:few"}]}}, "own_rewards has no 'few'"),
    "signature": (
        {"verifier": {"rewards": [{"use": "support.own_rewards:wrong_name"}]}}, "the first is to be named `group`",
    ),
    "settings": (
        {"verifier": {"rewards": [{"use": "support.own_rewards:scaled"}]}}, "missing a required argument: 'factor'",
    ),
    "built-in settings": ({"verifier": {"rewards": [{"use": "length"}]}}, "of the reward length do not fit"),
}  # fmt: skip


@pytest.mark.parametrize(("sections", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tried(config(**sections))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "raise KeyError('own fault')",
            r"(?s)reward f failed: KeyError: 'own fault'.*own_tried.py.*Correct it, or",
        ),
        ("return [1.0]", "returned 1 rewards for 2 completions"),
        ("return [float('nan')] * 2", "returned nan for completion 0"),
        ("return ['1'] * 2", "returned str '1'"),
        ("import time; time.sleep(60)", r"took over 1 s; raise its `timeout`"),
        ("import os; os._exit(3)", "ended in a call, status 3"),
        ("import absent_helper", "No module named 'absent_helper'"),
        ("return bytearray(2**33)", r"its `memory_mib` is 512"),
    ],
)
def test_a_reward_that_fails_on_the_trial_group_is_refused(written: Any, body: str, message: str) -> None:
    written(f"def f(group):\n    {body}\n")
    with pytest.raises(ConfigError, match=message):
        tried(rewards({"use": "own_tried:f", "timeout": 1, "memory_mib": 512}))


def test_a_reward_that_cannot_be_imported_is_refused_with_its_line(written: Any) -> None:
    written("x = 1\nimport absent_helper\n")
    with pytest.raises(ConfigError, match="there is no module 'absent_helper'; add its file or package to run"):
        tried(rewards({"use": "own_tried:f"}))
    written("\n1 / 0\n")
    with pytest.raises(ConfigError, match=r"ZeroDivisionError: division by zero \(own_tried.py, line 2\)"):
        tried(rewards({"use": "own_tried:f"}))


def test_the_trial_has_the_problem_with_its_record(written: Any) -> None:
    written("def f(group):\n    return [group.problem.record['nested'][0]['deep'] for _ in group.completions]\n")
    assert tried(rewards({"use": "own_tried:f"})).startswith("1 tried")
    with pytest.raises(ConfigError, match="KeyError: 'nested'"):
        tried(rewards({"use": "own_tried:f"}), Problem("p", "1+1=", ("2",)))


def test_a_server_that_is_down_is_refused() -> None:
    address = f"http://127.0.0.1:{free_port()}/score"
    with pytest.raises(ConfigError, match=rf"the reward score failed: no answer from {address} .*refused"):
        tried(rewards({"use": address, "retries": 0}))


def test_relations_of_held_out_sets_are_tried_and_rewards_are_not(written: Any) -> None:
    written("def form(answer):\n    raise KeyError\n\ndef mine(group):\n    raise KeyError\n")
    own = {"source": "h", "name": "h", "relation": "own_tried:form"}
    made = config(
        evaluation={"data": {"sources": [own]}}, verifier={"rewards": [{"use": "own_tried:mine", "weight": 2}]}
    )
    assert made.evaluation is not None
    sets = [LoadedSet(each, PromptSet([(PROBLEM, (1,))], 0, 0)) for each in made.evaluation.data.sets]
    with pytest.raises(ConfigError, match=r"the answers '2', of problem p7, .* verifier\.relation=own_tried:form"):
        check_own_code(made, [], sets)
    written("def form(answer):\n    return answer\n\ndef mine(group):\n    raise KeyError\n")
    check_own_code(made, [], sets)


def test_a_problem_without_answers_is_tried_too(written: Any) -> None:
    written(
        "def mine(completion, problem):\n"
        "    assert problem.answers == () and completion.verdict in ('incorrect', 'no_answer')\n"
        "    return 1.0\n"
    )
    made = config(data={"source": "s", "columns": {"answer": None}}, verifier={"rewards": [{"use": "own_tried:mine"}]})
    assert "1 tried" in tried(made, Problem("p7", "1+1=", ()))
