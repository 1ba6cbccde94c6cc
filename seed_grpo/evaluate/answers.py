"""The judge as a library: do two answers mean the same, and which of several do?

Consumes answers as they are written (LaTeX or plain text, without the text around them); produces verdicts and meaning
classes. One judge a configuration serves all threads, one at a time, and ends with the program. Inside a run the
verifier workers have judges of their own.

    >>> judge(r"\\frac{1}{2}", "0.5")
    <Verdict.CORRECT: 'correct'>
    >>> partition(["1/2", "0.5", "2"])
    array([0, 0, 1], dtype=int32)
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence

import numpy as np

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.messages import Judgement, Verdict
from seed_grpo.semantics.partition import partition as connected
from seed_grpo.verify.judge import Judge

_lock = threading.Lock()
_DEFAULT = VerifierConfig()
_judges: dict[str, Judge] = {}
"""judges by their configuration as JSON; the configuration itself has no hash, for the arguments of its rewards"""


def judge(prediction: str, reference: str, config: VerifierConfig = _DEFAULT) -> Verdict:
    """Judges whether a prediction means what the reference means; the verdicts are those of a run.

    Raises:
        VerifierError: the bounded process cannot be started.
    """
    return explain(prediction, reference, config)[0].verdict


def explain(prediction: str, reference: str, config: VerifierConfig = _DEFAULT) -> tuple[Judgement, Judgement]:
    """The judgement of a prediction with its evidence, and that of the reference against itself."""
    with _lock:
        first, second = _judge(config).judge_answers([prediction, reference], [reference])
    return first.judgement, second.judgement


def partition(answers: Sequence[str], config: VerifierConfig = _DEFAULT) -> np.ndarray:
    """Meaning classes [G] int32 by order of first appearance; -1 for an answer that no bound let us read.

    Classes are connected components, so they do not depend on the order of the answers.

    Raises:
        VerifierError: the bounded process cannot be started.
    """
    with _lock:
        its_judge = _judge(config)
        return connected([judged.form for judged in its_judge.judge_answers(answers, answers[:1])], its_judge.same)


def _judge(config: VerifierConfig) -> Judge:
    key = config.model_dump_json()
    if key not in _judges:
        _judges[key] = Judge(config)
        atexit.register(_judges[key].close)
    return _judges[key]
