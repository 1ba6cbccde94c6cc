"""Granularity `step`: where intermediate results stand, the mean over positions, and what a verifier makes of it."""

import itertools
import math
import time

import numpy as np
import pytest

from seed_grpo.config.sections import SemanticEntropyConfig, VerifierConfig
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, Problem, Sampling, Verdict
from seed_grpo.semantics.entropy import semantic_entropy
from seed_grpo.semantics.steps import step_entropy
from seed_grpo.verify.math.steps import MAX_RESULTS, intermediate_results
from seed_grpo.verify.worker import VerifierWorker

COUNTS_SHANNON = SemanticEntropyConfig(mass="counts", functional="shannon", granularity="step")
LIKELIHOOD_PAPER = SemanticEntropyConfig(granularity="step")


def ids(*values):
    return np.array(values, dtype=np.int32)


# where results stand


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        (r"47+5=52. Then 52+80=132, so \boxed{132}", "132", ("52", "132")),
        ("x = 2*6 = 12\ny = 3 and z = 4\n", None, ("12", "3", "4")),  # 2*6 is a link of a chain
        ("There are 3 boxes of 12 apples. We add 1,200.50 to it.", None, ("12", "1,200.50")),
        (r"So $x=\frac{1}{2}$ and \(y = 5\).", None, (r"\frac{1}{2}", "5")),
        (r"= 12 \text{ cm}" "\n= 7 apples", None, ("12", "7")),
        ("1. We get 5.\n2. We get 7.\n**Step 3:** done", None, ("5", "7")),  # with the marks: 1, 5, 2, 7, 3
        ("the answer is 132", "132", ()),  # the final answer is no intermediate result
        (r"a=1. \boxed{1}, \boxed{3}", "1, 3", ()),  # not found as written
        ("", None, ()),
        ("====\n= ,\n=  =", None, ()),
        ("= " + "9+" * 60 + "9", None, ("9",)),  # too long to be a result; its last number is one
        (r"47+5=52: \boxed{7}", "7", ("52",)),
        ("a=52 #### 7", "7", ("52",)),
        ("<think>x=52</think>so y=7<|im_end|>", None, ("52", "7")),  # with the control tokens: `52</`
    ],
)
def test_results_in_order(text, answer, expected):
    assert intermediate_results(text, answer) == expected


def test_results_are_bounded_in_number_length_and_time():
    started = time.process_time()
    assert intermediate_results("".join(f"x={n}\n" for n in range(40)), None) == tuple(map(str, range(MAX_RESULTS)))
    assert len(intermediate_results(", ".join(f"x={n}" for n in range(40)), None)) == MAX_RESULTS  # in one sentence
    assert intermediate_results("a " * 10_000 + "x=5", None) == ()
    for piece in ("=", "\n", " ", "a ", "= 1 + ", "\\", "1.", "1, ", "Step ", "$", "\u0663", "\0"):
        results = intermediate_results(piece * 100_000, None)
        assert len(results) <= MAX_RESULTS and all(0 < len(result) <= 100 for result in results)
    assert time.process_time() - started < 2.0


# the mean over positions


def test_the_mean_weighs_positions_alike():
    # Shannon on counts. (0,0,1,1): ln 2 = 0.693147. (0,1,1,1): 0.562335. (0,0,0,0): 0. Mean of the three 0.418494.
    # The final answers alone would say 0, a sum 1.255482, the joint chain (0,0,0) (0,1,0) (1,1,0) (1,1,0): 1.039721.
    positions = [ids(0, 0, 1, 1), ids(0, 1, 1, 1), ids(0, 0, 0, 0)]
    entropy = step_entropy(positions, np.zeros(4), COUNTS_SHANNON)
    assert entropy.value == pytest.approx(0.418494, abs=1e-6)
    assert entropy.maximum == math.log(4) and not entropy.clipped


@pytest.mark.parametrize("config", [COUNTS_SHANNON, LIKELIHOOD_PAPER], ids=["counts", "likelihood"])
def test_bounds_of_the_mean(config):
    likelihoods = np.array([-1.0, -2.0, -0.5])
    final = ids(0, 1, 1)
    assert step_entropy([final], likelihoods, config) == semantic_entropy(final, likelihoods, config)
    assert step_entropy([ids(0, 0, 0)] * 5, likelihoods, config) == (0.0, math.log(3), False)
    for positions in range(1, 30):  # at 22 the rounded mean of log 3 is above it
        equal = step_entropy([ids(0, 1, 2)] * positions, np.full(3, -9.0), config)
        assert equal.value == pytest.approx(math.log(3)) and equal.value <= equal.maximum and not equal.clipped


def test_a_clip_anywhere_is_told():
    # two classes of masses 0.9 and 0.1 exceed log 2 (1.204 by the paper's functional); at the final answers all agree
    entropy = step_entropy([ids(0, 1), ids(0, 0)], np.log([0.9, 0.1]), LIKELIHOOD_PAPER)
    assert entropy.clipped and entropy.value == pytest.approx(math.log(2) / 2)


def test_who_takes_no_part_somewhere():
    # at the first position three take part: p = 2/3, 1/3, Shannon 0.636514. At the second only one does, which says
    # nothing: were it counted as 0, the mean over three positions would be 0.212171.
    positions = [ids(0, -1, 0, 1, -1), ids(-1, -1, 0, -1, -1), ids(0, 0, 0, 0, -1)]
    entropy = step_entropy(positions, np.zeros(5), COUNTS_SHANNON)
    assert entropy.value == pytest.approx(0.636514 / 2, abs=1e-6) and entropy.maximum == math.log(4)
    with pytest.raises(ValueError, match="outside the partition of final answers"):
        step_entropy([ids(0, 0), ids(0, -1)], np.zeros(2), COUNTS_SHANNON)
    assert step_entropy([ids(-1, -1)], np.zeros(2), COUNTS_SHANNON) == (0.0, 0.0, False)


# what the verifier worker makes of it


def group(*texts, likelihoods=None, reasons=None):
    task = GroupTask(0, Problem("p", "47+85=", ("132",)), (1,), Sampling(len(texts), 1.0, 1.0, 64, 0))
    completions = []
    for index, text in enumerate(texts):
        logprobs = np.full(4, likelihoods[index] if likelihoods else -0.5, dtype=np.float32)
        tokens = np.zeros(4, dtype=np.int32)
        completions.append(Completion(text, tokens, logprobs, tokens, (reasons or {}).get(index, FinishReason.STOP)))
    return Group(task, tuple(completions), "rollout-0", 1.0)


@pytest.fixture
def worker():
    """Makes verifier workers without a bounded process, and closes them."""
    workers = []

    def make(entropy=COUNTS_SHANNON, **verifier):
        workers.append(VerifierWorker(VerifierConfig(**verifier), entropy))
        return workers[-1]

    yield make
    for each in workers:
        each.close()


RIGHT = r"47+5=52 and then 52+80=132: \boxed{132}"
SAME = r"47+5=\frac{104}{2} and then 52+80=132.0: \boxed{132}"
OTHER = r"47+80=127 and then 127+5=132: \boxed{132}"
BRIEF = r"It is \boxed{132}"


def test_chains_that_part_are_less_certain_than_their_answers(worker):
    texts = (RIGHT, SAME, OTHER, OTHER)
    alone = worker(COUNTS_SHANNON.model_copy(update={"granularity": "answer"})).judge_group(group(*texts))
    assert alone.semantic_entropy == 0.0
    judged = worker().judge_group(group(*texts))
    # positions: {52, 104/2} {127, 127} -> ln 2; {132, 132.0, 132, 132} -> 0; final 0. Mean ln 2 / 3 = 0.231049.
    # Were results compared as texts: (1.039721 + 0.562335 + 0) / 3 = 0.534019.
    assert judged.semantic_entropy == pytest.approx(0.231049, abs=1e-6)
    assert judged.class_ids_G.tolist() == [0, 0, 0, 0] and judged.rewards_G.tolist() == [1, 1, 1, 1]
    assert judged.entropy_max == pytest.approx(math.log(4))


def test_results_are_compared_by_the_relation(worker):
    judged = worker().judge_group(group(r"a=28\%. \boxed{1}", r"a=28. \boxed{1}", r"a=0.28. \boxed{1}"))
    assert judged.semantic_entropy == 0.0  # by equality of forms alone: three classes, log 3 / 2


def test_without_intermediate_results_it_is_the_entropy_of_the_answers(worker):
    texts = (r"\boxed{132}", r"So \boxed{131}", r"\boxed{132.0}", "nothing")
    step = worker().judge_group(group(*texts))
    answer = worker(COUNTS_SHANNON.model_copy(update={"granularity": "answer"})).judge_group(group(*texts))
    assert step.semantic_entropy == answer.semantic_entropy > 0


@pytest.mark.parametrize(
    ("no_answer", "expected"),
    [
        # positions: 52 52 - -, then 132 132 - -, final all 132 but the last, which has no answer at all
        ("one_class", (2 * 0.693147 + 0.562335) / 3),  # {52 52} {- -}: ln 2; final {3} {1}
        ("one_each", (2 * 1.039721 + 0.562335) / 3),  # {52 52} {-} {-}: 1.5 ln 2
        ("none", 0.0),  # those without are left out
    ],
)
def test_a_shorter_chain_is_where_no_answer_puts_it(worker, no_answer, expected):
    judged = worker(no_answer=no_answer).judge_group(group(RIGHT, SAME, BRIEF, "I give up"))
    assert judged.semantic_entropy == pytest.approx(expected, abs=1e-6)
    assert judged.class_ids_G.tolist() == [0, 0, 0, -1 if no_answer == "none" else 1]


def test_what_is_outside_is_outside_at_every_position(worker):
    judged = worker().judge_group(group(RIGHT, OTHER, OTHER, SAME, reasons={1: FinishReason.TIMEOUT}))
    # of the three inside: 52 127 52, then 132 132 132, final 132: 0.636514 / 3
    assert judged.class_ids_G.tolist() == [0, -1, 0, 0]
    assert judged.semantic_entropy == pytest.approx(0.636514 / 3, abs=1e-6)


def test_a_result_beyond_the_parsers_bounds_leaves_its_positions_partition(worker):
    beyond = r"47+5=1e1000000 and then 52+80=132: \boxed{132}"
    judged = worker().judge_group(group(RIGHT, beyond, OTHER))
    # {52} {127}: ln 2 of the two that could be read; as a class of its own it would be ln 3
    assert judged.semantic_entropy == pytest.approx(math.log(2) / 3, abs=1e-6)
    assert {judgement.verdict for judgement in judged.judgements_G} == {Verdict.CORRECT}


@pytest.mark.parametrize("config", [COUNTS_SHANNON, LIKELIHOOD_PAPER], ids=["counts", "likelihood"])
def test_the_order_of_the_completions_does_not_matter(worker, config):
    """28% means 28 and 0.28: greedy classes at a position would depend on the order."""
    texts = [
        r"a=28\% and b=1: \boxed{1}", r"a=28 and b=2: \boxed{1}", r"a=0.28: \boxed{2}", r"a=7 and b=2: \boxed{3}", "-"
    ]  # fmt: skip
    verifier = worker(config)
    likelihoods = dict(zip(texts, (-0.5, -1.0, -1.5, -2.0, -2.5), strict=True))
    values = set()
    for order in itertools.islice(itertools.permutations(texts), 0, None, 7):
        judged = verifier.judge_group(group(*order, likelihoods=[likelihoods[text] for text in order]))
        values.add(round(judged.semantic_entropy, 9))
    assert len(values) == 1 and 0 < values.pop() < math.log(5)


def test_steps_share_the_time_of_the_group(worker):
    """Each pair of results would have to be put to the oracle: 16 positions of 28 pairs, each of up to a second."""
    texts = ["".join(rf"x=\frac{{1}}{{{n}+\sqrt{{{k + 2}}}}}" "\n" for n in range(20)) + r"\boxed{1}" for k in range(8)]
    hard = [text.replace("x=", r"x=\sin^2 y+\cos^2 y+") for text in texts]
    verifier = worker(judge_timeout=1.0, group_timeout=0.5)
    started = time.monotonic()
    judged = verifier.judge_group(group(*hard))
    assert time.monotonic() - started < 10
    assert 0 <= judged.semantic_entropy <= judged.entropy_max
