r"""Values that `\pm` and `\mp` make: each `\pm` has a sign of its own, unless a `\mp` couples them.

Each pair is judged in both orders.
"""

import pytest

from seed_grpo.messages import Verdict
from support.judging import both_orders

EQUAL = [
    # four values, each sign by itself; coupled there would be two, sqrt 2 + sqrt 3 and its negative
    (r"\pm\sqrt2\pm\sqrt3", r"\sqrt2+\sqrt3, \sqrt2-\sqrt3, -\sqrt2+\sqrt3, -\sqrt2-\sqrt3"),
    (r"\pm(\sqrt2\pm\sqrt3)", r"\pm\sqrt2\pm\sqrt3"),
    # (sqrt 2 + sqrt 3)^2 = 5 + 2 sqrt 6
    (r"\pm\sqrt{5\pm2\sqrt6}", r"\pm\sqrt2\pm\sqrt3"),
    (r"\pm\sqrt3\pm\sqrt2", r"\pm\sqrt2\pm\sqrt3"),
    (r"\pm 1 \pm 2", "3, 1, -1, -3"),
    (r"1\pm2\pm4", "7, -1, 3, -5"),
    (r"\pm1\pm1", "2, 0, -2"),  # 1 - 1 and -1 + 1 are one value
    (r"\pm1\pm2\pm4", "7, 5, 3, 1, -1, -3, -5, -7"),
    (r"\pm a\pm b", "a+b, a-b, b-a, -a-b"),
    (r"\frac{\pm\sqrt5\pm1}{2}", r"\frac{1+\sqrt5}{2}, \frac{1-\sqrt5}{2}, \frac{\sqrt5-1}{2}, -\frac{1+\sqrt5}{2}"),
    (r"x=\pm\sqrt2\pm\sqrt3", r"\pm\sqrt2\pm\sqrt3"),
    (r"\pm 3 \pm 4i", "3+4i, 3-4i, -3+4i, -3-4i"),
    (r"\pm1, \pm i", "1, -1, i, -i"),
    # one sign, as ever
    (r"\frac{1\pm\sqrt{5}}{2}", r"\frac{1+\sqrt5}{2}, \frac{1-\sqrt5}{2}"),
    (r"\frac{-b\pm\sqrt{b^2-4ac}}{2a}", r"\frac{-b+\sqrt{b^2-4ac}}{2a}, \frac{-b-\sqrt{b^2-4ac}}{2a}"),
    ("3 +/- 2", "5, 1"),
    # coupled
    (r"\pm 1 \mp 2", "-1, 1"),
    (r"\pm\sqrt2\mp\sqrt3", r"\sqrt2-\sqrt3, \sqrt3-\sqrt2"),
    (r"a\pm b\mp c", "a+b-c, a-b+c"),
    (r"1\mp\sqrt2", r"1\pm\sqrt2"),
    (r"\lambda_{\pm}=\frac{3\pm\sqrt5}{2}", r"\frac{3\pm\sqrt5}{2}"),
    (r"x_\pm = 1\pm 2", "3, -1"),
    # points
    (r"(\pm1,\pm2)", "(1,2), (1,-2), (-1,2), (-1,-2)"),
    (r"(\pm 1, \mp 2)", "(1,-2), (-1,2)"),
    (r"(1,\pm2)", "(1,2), (1,-2)"),
    (r"(\pm3,0),(0,\pm2)", "(3,0), (-3,0), (0,2), (0,-2)"),
    (r"x=\pm1, y=\pm2", r"(\pm1,\pm2)"),
    (r"x=\pm1, y=\mp2", "(1,-2), (-1,2)"),
    (r"(\pm1,\pm1,\pm1)", "(1,1,1),(1,1,-1),(1,-1,1),(-1,1,1),(1,-1,-1),(-1,1,-1),(-1,-1,1),(-1,-1,-1)"),
    # lists: each item has its own values
    (r"\pm1,\pm2,\pm3,\pm4,\pm6,\pm8,\pm12,\pm24", r"-24,-12,-8,-6,-4,-3,-2,-1,1,2,3,4,6,8,12,24"),
    (r"\{\pm1,\pm2,\pm3,\pm4,\pm6,\pm8,\pm12,\pm24\}", r"\{-24,-12,-8,-6,-4,-3,-2,-1,1,2,3,4,6,8,12,24\}"),
    (r"x = \pm 1 \text{ or } x = \pm 2", "1, 2, -1, -2"),
    (r"x=\pm1 \text{ or } x=\pm2\pm1, x=\pm4\pm5\pm6, x=\pm7", r"1,-1,3,-3,15,5,-7,7,-5,-15"),
    ("\\pm1" * 7, "\\pm1" * 7),  # too many to read: equal to itself alone
    (r"0, \pm\sqrt2\pm1", r"0, 1+\sqrt2, 1-\sqrt2, \sqrt2-1, -1-\sqrt2"),
]
UNEQUAL = [
    ("\\pm1" * 7, "7"),
    (r"\pm\sqrt2\pm\sqrt3", r"\sqrt2+\sqrt3, -\sqrt2-\sqrt3"),  # what coupled signs would give
    (r"\pm\sqrt2\pm\sqrt3", r"\pm(\sqrt2+\sqrt3)"),
    (r"\pm\sqrt2\pm\sqrt3", r"\pm\sqrt2\mp\sqrt3"),
    (r"\pm\sqrt2\pm\sqrt3", r"\sqrt2\pm\sqrt3"),
    (r"\pm\sqrt2\pm\sqrt3", r"\sqrt2+\sqrt3"),
    (r"\pm\sqrt{5\pm2\sqrt6}", r"\sqrt{5\pm2\sqrt6}"),
    (r"\pm\sqrt{5\pm2\sqrt6}", r"\pm\sqrt{5+2\sqrt6}"),
    (r"\pm a\pm b", r"\pm(a+b)"),
    (r"\pm a\pm b", "a+b, -a-b"),
    (r"1\pm2\pm4", "7, -5"),
    (r"(\pm1,\pm2)", "(1,2), (-1,-2)"),
    (r"(\pm1,\pm2)", r"(\pm1,\mp2)"),
    (r"(\pm 1, \mp 2)", "(1,2), (-1,-2)"),
    (r"(\pm 1, \mp 2)", "(1,2), (1,-2), (-1,2), (-1,-2)"),
    (r"x=\pm1, y=\pm2", "(1,2), (-1,-2)"),
    (r"x=\pm1, y=\mp2", "(1,2), (-1,-2)"),
    (r"x_\pm = 1\pm 2", r"1\pm2\pm3"),
    (r"\pm1,\pm2,\pm3", "1,2,3"),
    (r"\frac{1\pm\sqrt{5}}{2}", r"\frac{\pm1\pm\sqrt{5}}{2}"),
    ("3 +/- 2", "5"),
]


@pytest.mark.parametrize(("first", "second"), EQUAL)
def test_signs_make_these_values(judge, first, second):
    assert both_orders(judge, first, second) == {Verdict.CORRECT}


@pytest.mark.parametrize(("first", "second"), UNEQUAL)
def test_signs_make_no_other_values(judge, first, second):
    assert both_orders(judge, first, second) == {Verdict.INCORRECT}
