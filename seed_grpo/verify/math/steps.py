r"""The intermediate results of a completion: what it states on the way to its final answer, in order.

Consumes a completion's text and its final answer as written; produces short texts, which the relation in use reads as
it reads answers. A sentence gives the right-hand sides of its equations, of `a = b = c` the last; one without an
equation gives its last number. It is a reading of layout, not of mathematics: two completions that reason alike and
cut their sentences otherwise are compared at other positions. Nothing is evaluated, every scan is linear, and text,
results and their number are bounded.
"""

from __future__ import annotations

import re

from seed_grpo.verify.extract import CONTROL_TOKEN, last_number

MAX_RESULTS = 16
"""results of one completion, the first ones: the i-th is compared with the i-th of another"""
MAX_REASONING_CHARS = 20_000
"""characters from the beginning that are looked at"""
MAX_RESULT_CHARS = 100
"""characters of a right-hand side; a longer one is no result"""

_LIST_MARK = re.compile(r"(?im)^[ \t*#>]{0,9}(?:step[ \t]{0,3})?\d{1,2}[.):](?=[ \t*]+\S)")
"""`1. `, `Step 2: `: the number of a step is no result"""
_SENTENCE_END = re.compile(r"\n|\\\\|[.!?;](?=\s|\Z)")
_RIGHT_SIDE_END = re.compile(
    r"\$|\\[()\[\]]|&|[,:](?=\s|\Z)|\\(?:text\w*|mbox|mathrm|quad|f?boxed|fbox)\b|</?answer|#"
    r"|(?<![\w\\^{])(?!(?:sin|cos|tan|log|sqrt|pi)\b)(?:[^\W\d_]{3}|(?:is|it|of|to|as|if|at|by|we|so|an|on|or)\b)"
)
"""marks of a formula, and the first word of prose"""


def intermediate_results(text: str, answer: str | None) -> tuple[str, ...]:
    r"""Results that a completion states before its final answer, at most `MAX_RESULTS`, in order.

    `47+5=52. Then 52+80=132, so \boxed{132}` gives `("52", "132")`.

    Args:
        text: the completion.
        answer: its final answer as written; what stands before the last place of it is looked at. None: all is.
            Where it is not found as written (several boxes that were joined to one answer), there are no results.
    """
    text = CONTROL_TOKEN.sub("\n", text)
    reasoning = text if answer is None else text[: max(0, text.rfind(answer))]
    results: list[str] = []
    for sentence in _SENTENCE_END.split(_LIST_MARK.sub("", reasoning[:MAX_REASONING_CHARS])):
        results += _results_of(sentence)
        if len(results) >= MAX_RESULTS:
            break
    return tuple(results[:MAX_RESULTS])


def _results_of(sentence: str) -> list[str]:
    _, *right_sides = sentence.split("=")
    results = []
    for index, side in enumerate(right_sides):
        end = _RIGHT_SIDE_END.search(side)
        if end is None and index < len(right_sides) - 1:
            continue  # the b of a = b = c
        result = side[: end.start() if end else len(side)].strip(" \t*_`:,.")
        if 0 < len(result) <= MAX_RESULT_CHARS:
            results.append(result)
    number = None if results else last_number(sentence)
    return results if number is None or len(number) > MAX_RESULT_CHARS else [number]
