"""Texts before the judge: it parses each once, and executes none of what a model wrote."""

from dataclasses import replace

from seed_grpo.config.sections import VerifierConfig
from seed_grpo.messages import Verdict
from seed_grpo.semantics.partition import partition
from seed_grpo.verify.judge import Judge
from seed_grpo.verify.relations import RELATIONS

OPEN = r"\frac{1}{1+\sqrt2}"
"""as a form it is another than sqrt 2 - 1, and at points they agree: only the oracle can tell"""


def verdicts_of(judge, answers, reference):
    return [judged.judgement.verdict for judged in judge.judge_answers(answers, [reference])]


def test_equal_texts_are_parsed_once(monkeypatch):
    parsed = []

    def parse(text):
        parsed.append(text)
        return RELATIONS["math"].parse(text)

    monkeypatch.setitem(RELATIONS, "exact", replace(RELATIONS["exact"], parse=parse))
    judge = Judge(VerifierConfig(relation="exact"))
    for _ in range(2):
        judged = judge.judge_answers(["1/2", "0.5", "1/2", "3"] * 4, ["1/2"])
        forms = [each.form for each in judged]
        assert partition(forms, judge.same).tolist() == [0, 0, 0, 1] * 4
    assert sorted(parsed) == ["0.5", "1/2", "3"]  # 17 parses a call, and more for the partition


def test_nothing_that_a_model_wrote_is_executed(monkeypatch, tmp_path):
    """In either process; many more such texts are in `test_hostile`."""
    monkeypatch.chdir(tmp_path)  # where the worker process will be, too
    plants = [f"open('{tmp_path}/planted', 'w')", "__import__('os').system('touch planted')", "$(touch planted)"]
    frames = ["@", "5+0*len(str(@))", r"\text{@}", r"\frac{@}{2}", OPEN + "+@", "f(@)", "x_{@}", r"\operatorname{@}"]
    judge = Judge(VerifierConfig())
    try:
        for plant in plants:
            answers = [frame.replace("@", plant) for frame in frames]
            for reference in (r"\sqrt2-1+x", answers[4]):
                assert Verdict.VERIFIER_ERROR not in verdicts_of(judge, answers, reference)
            # a subscript is kept as it is written, and this one comes before the oracle
            assert verdicts_of(judge, [f"{OPEN} x_{{{plant}}}"], rf"(\sqrt2-1) x_{{{plant}}}") == [Verdict.CORRECT]
    finally:
        judge.close()
    assert list(tmp_path.iterdir()) == []
