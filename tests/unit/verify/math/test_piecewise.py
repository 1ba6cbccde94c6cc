r"""Functions by cases: the same if they have the same values on the same set, however they are cut and ordered.

Each pair is judged in both orders.
"""

import pytest

from seed_grpo.messages import Verdict
from support.judging import both_orders

NEVER = r"\begin{cases} 5 & x > \infty \end{cases}"
ABS = r"\begin{cases} x & x>0 \\ -x & x \le 0 \end{cases}"
EQUAL = [
    (ABS, r"\begin{cases} -x & x \le 0 \\ x & x > 0 \end{cases}"),
    (ABS, r"\begin{cases} x & x \ge 0 \\ -x & x < 0 \end{cases}"),
    (ABS, r"\begin{cases} x & \text{if } x>0 \\ -x & \text{otherwise} \end{cases}"),
    (ABS, r"\begin{cases} x, & \text{if } x>0, \\ -x, & \text{if } x \le 0. \end{cases}"),
    (ABS, r"\left\{\begin{array}{ll} x, & \text{if $x > 0$,} \\ -x & \text{if } x \le 0. \end{array}\right."),
    (ABS, r"\begin{cases} x & \text{if } 0 < x \\ -x & \text{if } 0 \ge x \end{cases}"),
    (ABS, r"\begin{cases} x & \text{for } x \in (0, \infty) \\ -x & \text{for } x \in (-\infty, 0] \end{cases}"),
    (ABS, r"\begin{cases} x \text{ if } x>0 \\ -x \text{ if } x \le 0 \end{cases}"),
    (ABS, r"\begin{cases} x, x>0 \\ -x, x \le 0 \end{cases}"),
    (ABS, r"\begin{cases} x & \text{when } x>0 \\ -x & \text{else} \end{cases}"),
    (ABS, r"\begin{cases} x & \text{if x > 0} \\ -x & \text{if x <= 0} \end{cases}"),
    (ABS, "|x|"),
    (ABS, r"\max(x,-x)"),
    (ABS, r"\begin{cases} x & x>0 \\ 0 & x=0 \\ -x & x<0 \end{cases}"),
    (ABS, r"\begin{dcases} x & x>0 \\[2mm] -x & x \leqslant 0 \end{dcases}"),
    (ABS, r"f(x) = \begin{cases} x & x>0 \\ -x & x \le 0 \end{cases}"),
    (
        r"f(x) = \begin{cases} x^2 & x \ge 1 \\ 2x-1 & x < 1 \end{cases}",
        r"f(x) = \begin{cases} 2x-1 & x \le 1 \\ x^2 & x > 1 \end{cases}",
    ),
    (r"\begin{cases} 2x-3 & x \ge \frac32 \\ 3-2x & x < \frac32 \end{cases}", "|2x-3|"),
    (r"\begin{cases} x^2-1 & |x| \ge 1 \\ 1-x^2 & |x| < 1 \end{cases}", "|x^2-1|"),
    (
        r"\begin{cases} x^2-1 & x \le -1 \text{ or } x \ge 1 \\ 1-x^2 & -1 < x < 1 \end{cases}",
        r"\begin{cases} 1-x^2 & -1 \le x \le 1 \\ x^2-1 & \text{otherwise} \end{cases}",
    ),
    (
        r"\begin{cases} 1 & x \ne 0 \\ 0 & x = 0 \end{cases}",
        r"\begin{cases} 0 & x = 0 \\ 1 & \text{otherwise} \end{cases}",
    ),
    (
        r"\begin{cases} n/2 & n \text{ is even} \\ 3n+1 & n \text{ is odd}\end{cases}",
        r"\begin{cases} 3n+1 & \text{if } n \text{ is odd} \\ \frac{n}{2} & \text{if } n \text{ is even}\end{cases}",
    ),
    (
        r"\begin{cases} n/2 & n \text{ is even} \\ 3n+1 & n \text{ is odd}\end{cases}",
        r"\begin{cases} \frac{n}{2} & \text{if $n$ is even} \\ 3n+1 & \text{otherwise}\end{cases}",
    ),
    (
        r"\begin{cases} n/2 & n \text{ even} \\ 3n+1 & n \text{ odd}\end{cases}",
        r"\begin{cases} n/2 & n \equiv 0 \pmod 2 \\ 3n+1 & n \equiv 1 \pmod 2 \end{cases}",
    ),
    (
        r"\begin{cases} 1 & 0 \le x < 1 \\ 2 & 1 \le x < 2 \\ 0 & \text{otherwise} \end{cases}",
        r"\begin{cases} 0 & x < 0 \text{ or } x \ge 2 \\ 1 & 0 \le x < 1 \\ 2 & x \in [1,2) \end{cases}",
    ),
    (r"\begin{cases} x+1 & x<2 \\ 5-x & x\ge 2\end{cases}", r"\min(x+1, 5-x)"),
    (r"\begin{cases} \sqrt{x} & x \ge 0 \\ \sqrt{-x} & x<0 \end{cases}", r"\sqrt{|x|}"),
    (r"\begin{cases} a & a > b \\ b & a \le b \end{cases}", r"\begin{cases} b & b \ge a \\ a & b < a \end{cases}"),
    (r"\begin{cases} x=1\\ y=2\end{cases}", "x=1, y=2"),
    (r"\begin{cases} x=1\\ y=2\end{cases}", "(1,2)"),
    (r"\begin{cases} x=1\\ y=2\end{cases}", r"\begin{cases} y=2\\ x=1\end{cases}"),
    (r"\begin{cases} x=1,\\ y=2.\end{cases}", "(1,2)"),
    (r"\begin{cases} x &= 1\\ y &= 2\end{cases}", "(1,2)"),
    (r"\left\{\begin{aligned} x&=1 \\ y&=2\end{aligned}\right.", "(1,2)"),
    (r"\begin{cases} x+y=3\\ x-y=1\end{cases}", r"\begin{cases} x-y=1 \\ x+y=3\end{cases}"),
    (r"\begin{cases} x>0\\ x<5\end{cases}", "0<x<5"),
    (r"\begin{cases} 5 & x>0 \\ 5 & x \le 0\end{cases}", "5"),
    (r"\begin{cases} e^x & x<0 \\ 1 & x\ge0 \end{cases}", r"\begin{cases} e^{x} & x\le0 \\ 1 & x>0 \end{cases}"),
    (
        r"\begin{cases} 0 & x<0 \\ 1-e^{-2x} & x\ge0 \end{cases}",
        r"\begin{cases} 1-e^{-2x} & x>0 \\ 0 & \text{elsewhere} \end{cases}",
    ),
    (
        r"\begin{cases} -1 & \text{if } x<0 \\ 0 & \text{if } x=0 \\ 1 & \text{if } x>0\end{cases}",
        r"\begin{cases} 1 & x>0 \\ -1 & x<0 \\ 0 & x=0 \end{cases}",
    ),
    (r"\begin{cases} x &- y &= 1\\ x &+ y &= 3\end{cases}", r"\begin{cases} x+y=3 \\ x-y=1 \end{cases}"),
    (
        r"\begin{cases} \ln x & x > 0 \\ \ln(-x) & x < 0 \end{cases}",
        r"\begin{cases} \ln(-x) & x < 0 \\ \ln x & x > 0 \end{cases}",
    ),
    (
        r"\begin{cases} \frac{1}{x+\sqrt{x^2+1}} & x>0 \\ 1 & x \le 0\end{cases}",
        r"\begin{cases} \sqrt{x^2+1}-x & x>0 \\ 1 & x\le0\end{cases}",
    ),
    (
        r"\begin{cases} \text{even} & n=2 \\ \text{odd} & n=3\end{cases}",
        r"\begin{cases} \text{odd} & n=3 \\ \text{even} & n=2\end{cases}",
    ),
    (
        r"\begin{cases} 5 \text{ if } x<\sqrt2 \\ 3 \text{ if } x \ge \sqrt2\end{cases}",
        r"\begin{cases} 3 & x \ge \sqrt{2} \\ 5 & x< \frac{2}{\sqrt{2}}\end{cases}",
    ),
    (
        r"f(x)=\begin{cases}2x+1,&\text{if }x\leq 2\\x^2+1,&\text{if }x>2\end{cases}",
        r"\begin{cases}x^2+1,&x\ge2\\2x+1,&x<2\end{cases}",
    ),
    (
        r"\begin{cases} 0, & t < 0 \\ t, & 0 \le t < 1 \\ 1, & t \ge 1 \end{cases}",
        r"\begin{cases} 0 & t \le 0 \\ t & 0<t\le 1 \\ 1 & t>1\end{cases}",
    ),
    (r"\begin{cases} 0, & t < 0 \\ t, & 0 \le t < 1 \\ 1, & t \ge 1 \end{cases}", r"\min(1,\max(0,t))"),
    (r"\begin{cases} x=1 \\ y=2 \\ z=3 \end{cases}", "(1,2,3)"),
    (r"\begin{cases} x = 2 \\ y = -1 \end{cases}", r"x = 2, \quad y = -1"),
    (r"\begin{cases} 1 & x > 0 \end{cases}", r"\begin{cases} 1 & \text{if } x > 0 \end{cases}"),
    # in one line
    ("x if x > 0, -x if x <= 0", "|x|"),
    (r"x \text{ if } x > 0, -x \text{ if } x \le 0", "|x|"),
    ("x if x >= 0 and -x if x < 0", "|x|"),
    ("x if x >= 0, -x otherwise", "|x|"),
    ("x, if x > 0; -x, if x <= 0", "|x|"),
    ("f(x) = x if x > 0, and -x otherwise", ABS),
    ("f(x) = x if x > 0, and -x otherwise", "f(x) = |x|"),
    (r"x \text{ if x > 0, } -x \text{ otherwise}", "|x|"),
    (
        r"\frac{n}{2} \text{ if } n \text{ is even}, 3n+1 \text{ if } n \text{ is odd}",
        r"\begin{cases} n/2 & n \text{ even} \\ 3n+1 & n \text{ odd}\end{cases}",
    ),
    ("x if x < -1 or x > 1, 0 otherwise", r"\begin{cases} x & |x| > 1 \\ 0 & |x| \le 1 \end{cases}"),
    ("0 if x < 0, x if 0 <= x < 1, 1 if x >= 1", r"\min(1,\max(0,x))"),
]
UNEQUAL = [
    (NEVER, "5"),
    (NEVER, ABS),
    (r"\begin{cases} 5 & (0, 1) \end{cases}", "5"),
    (ABS, r"\begin{cases} x & x>0 \\ -x & x < 0 \end{cases}"),
    (ABS, r"\begin{cases} x & x>1 \\ -x & x \le 1 \end{cases}"),
    (ABS, r"\begin{cases} -x & x>0 \\ x & x \le 0 \end{cases}"),
    (ABS, "x"),
    (ABS, "-x"),
    (ABS, "-|x|"),
    (r"\begin{cases} x & x>0 \\ -x & x < 0 \end{cases}", "|x|"),
    (ABS, "|x-1|"),
    (r"\begin{cases} x+1 & x>0 \\ -x & x \le 0 \end{cases}", r"\begin{cases} x+1 & x\ge0 \\ -x & x < 0 \end{cases}"),
    (r"\begin{cases} 1 & x \ge 0 \\ 0 & x < 0 \end{cases}", r"\begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases}"),
    (
        r"\begin{cases} x^2 & x \ge 1 \\ 2x & x < 1 \end{cases}",
        r"\begin{cases} 2x & x \le 1 \\ x^2 & x > 1 \end{cases}",
    ),
    (r"\begin{cases} 1 & x \ne 0 \\ 0 & x = 0 \end{cases}", "1"),
    (
        r"\begin{cases} n/2 & n \text{ is even} \\ 3n+1 & n \text{ is odd}\end{cases}",
        r"\begin{cases} n/2 & n \text{ is odd} \\ 3n+1 & n \text{ is even}\end{cases}",
    ),
    (
        r"\begin{cases} n/2 & n \text{ is even} \\ 3n+1 & n \text{ is odd}\end{cases}",
        r"\begin{cases} n/2 & n \text{ is even} \\ 3n-1 & n \text{ is odd}\end{cases}",
    ),
    (
        r"\begin{cases} n/2 & n \text{ is even} \\ 3n+1 & n \text{ is odd}\end{cases}",
        r"\begin{cases} n/2 & n \text{ is odd} \\ 3n+1 & \text{otherwise}\end{cases}",
    ),
    (r"\begin{cases} x=1\\ y=2\end{cases}", "(2,1)"),
    (r"\begin{cases} x=1\\ y=2\end{cases}", "(1,3)"),
    (
        r"\begin{cases} 1 & 0 \le x < 1 \\ 2 & 1 \le x < 2\end{cases}",
        r"\begin{cases} 1 & 0 \le x < 1 \\ 2 & 1 \le x \le 2\end{cases}",
    ),
    (
        r"\begin{cases} 1 & 0 \le x < 1 \\ 2 & 1 \le x < 2\end{cases}",
        r"\begin{cases} 1 & 0 \le x \le 1 \\ 2 & 1 < x < 2\end{cases}",
    ),
    (ABS, r"\begin{cases} t & t>0 \\ -t & t \le 0 \end{cases}"),
    (r"\begin{cases} \frac1x & x \ne 0 \\ 0 & x = 0 \end{cases}", r"\frac1x"),
    (ABS, "0"),
    (r"\begin{cases} a & a > b \\ b & a \le b \end{cases}", r"\begin{cases} b & a > b \\ a & a \le b \end{cases}"),
    (r"\begin{cases} 0, & t < 0 \\ t, & 0 \le t < 1 \\ 1, & t \ge 1 \end{cases}", r"\max(0,t)"),
    (r"\begin{cases} x &- y &= 1\\ x &+ y &= 3\end{cases}", r"\begin{cases} x+y=1 \\ x-y=3 \end{cases}"),
    (r"\begin{cases} x \\ y \end{cases}", "x"),
    (ABS, r"\begin{cases} x & x>0 \\ -x & x \le 0 \\ 5 & x = 3 \end{cases}"),
    (r"\begin{cases} 1 & x > 0 \end{cases}", "1"),
    ("x if x > 0, -x if x <= 0", "x"),
    ("x if x > 0, -x if x <= 0", "-x"),
    ("x if x > 0, -x if x < 0", "|x|"),
    ("5 if x > 0", "5"),
    ("x if x > 0, 2x otherwise", "|x|"),
    ("3 if n is even", "3"),
    ("x if x < -1 or x > 1, 0 otherwise", r"\begin{cases} x & |x| > 1 \\ 1 & |x| \le 1 \end{cases}"),
]


@pytest.mark.parametrize(("first", "second"), EQUAL)
def test_cases_with_the_same_values_are_one_function(judge, first, second):
    assert both_orders(judge, first, second) == {Verdict.CORRECT}


@pytest.mark.parametrize(("first", "second"), UNEQUAL)
def test_cases_that_differ_in_a_value_or_a_bound_differ(judge, first, second):
    assert both_orders(judge, first, second) == {Verdict.INCORRECT}
