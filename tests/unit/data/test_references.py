r"""References as an answer column has them, and LaTeX whose backslashes an escape has eaten."""

import pytest

from seed_grpo.data.escapes import doubtful, mended
from seed_grpo.data.references import references

GSM8K = "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nAltogether she sold 48+24 = <<48+24=72>>72.\n#### 72"
PROGRAM = "n = int(input())\n# the answer is 5\nprint('The answer is', n)\n"

# what an answer column holds -> the reference answers, by hand
HELD = {
    # lists of quoted texts are alternatives
    '["28"]': ["28"],
    "['28']": ["28"],
    '["28", "28.0"]': ["28", "28.0"],
    ' [ "28" ,\n "30" , ] ': ["28", "30"],
    "['28' '30']": ["28", "30"],  # as NumPy prints
    "array(['28'], dtype=object)": ["28"],
    "('28',)": ["28"],
    '[["28"]]': ["28"],
    '"28"': ["28"],
    r'["\\frac{1}{2}"]': [r"\frac{1}{2}"],
    r'["\frac{1}{2}", "0.5"]': [r"\frac{1}{2}", "0.5"],  # one backslash: a strict reader would make a form feed
    r'["36\u00b0"]': ["36°"],
    r"""['it is \'odd\'']""": ["it is 'odd'"],
    '["The answer is 7."]': ["7"],
    # mathematics in brackets is no list of texts
    "[28]": ["[28]"],
    "[1, 2]": ["[1, 2]"],
    "[1, 2)": ["[1, 2)"],
    "(3, 4)": ["(3, 4)"],
    r"\{1, 2\}": [r"\{1, 2\}"],
    '["5", 6]': ['["5", 6]'],
    '[["1", "2"], ["3"]]': ['[["1", "2"], ["3"]]'],
    'f("x")': ['f("x")'],
    "6'": ["6'"],
    # a solution, or prose, that marks its answer
    GSM8K: ["72"],
    "So 3 * 7 = 21\n#### 21": ["21"],
    "from the total\nimport duties of 3 are left\n#### 21": ["21"],
    "He paid\n#### $1,234": ["1,234"],
    "x\n#### -5": ["-5"],
    "Therefore, the answer is: 180.": ["180"],
    "The answer is $\\frac{1}{2}$.": [r"\frac{1}{2}"],
    "Answer: 42": ["42"],
    "**Answer:** 7": ["7"],
    "Final Answer: 3/4": ["3/4"],
    "The correct answer is (B)": ["(B)"],
    "We add them.\nSo the final answer is \\boxed{5}.": ["5"],
    r"We have $x = \boxed{\frac{1}{2}}$ and stop.": [r"\frac{1}{2}"],
    "<think>hm</think> <answer>5</answer>": ["5"],
    "Thus, the value of x is 12.": ["12"],
    "The area is 24 square units.": ["24 square units"],
    "The total cost is $45.": ["$45"],
    "Hence the minimum is 2.5.": ["2.5"],
    "Ans: 180": ["180"],
    "**Solution:** 180": ["180"],
    "Option B": ["B"],
    "Answer (C)": ["(C)"],
    "Thus 180.": ["180"],
    "Hence, 12 apples.": ["12 apples"],
    "Therefore, $x=5$.": ["$x=5$"],
    "Thus x = 5": ["x = 5"],
    "∴ 180": ["180"],
    "It is 180.": ["180"],
    "x is 5": ["5"],
    "We get 12.": ["12"],
    # what is no such text stays
    "180": ["180"],
    "1,234": ["1,234"],
    r"\text{Tuesday}": [r"\text{Tuesday}"],
    "x = 5": ["x = 5"],
    "all real numbers except 2": ["all real numbers except 2"],
    "The number is 3 if n is 2": ["The number is 3 if n is 2"],
    "No answer is possible": ["No answer is possible"],
    "so 3+4=7, answer 7": ["so 3+4=7, answer 7"],
    "the sum is 12, which is even": ["the sum is 12, which is even"],
    "the answer": ["the answer"],
    "3:4": ["3:4"],
    "5 is prime": ["5 is prime"],
    "So she has 5 apples left in 2 baskets.": ["So she has 5 apples left in 2 baskets."],
    r"$\text{answer is } 5$": [r"$\text{answer is } 5$"],
    PROGRAM: [PROGRAM],
}


@pytest.mark.parametrize("held, found", HELD.items(), ids=lambda value: repr(value)[:40])
def test_an_answer_column_gives_reference_answers(held: str, found: list[str]) -> None:
    assert references(held) == found


# The second is what JSON (\a and \v: Python) makes of the first.
EATEN = {
    r"\frac{1}{2}": "\frac{1}{2}",
    r"\forall x": "\forall x",
    r"\triangle ABC": "\triangle ABC",
    r"3\times 4": "3\times 4",
    r"\theta": "\theta",
    r"\text{odd}": "\text{odd}",
    r"\textbf{(A)}": "\textbf{(A)}",
    r"\tan x": "\tan x",
    r"\tan(2)": "\tan(2)",
    r"x\to 0": "x\to 0",
    r"n\to\infty": "n\to\\infty",
    r"\tau": "\tau",
    r"\therefore 5": "\therefore 5",
    r"\tfrac12": "\tfrac12",
    r"x\neq 0": "x\neq 0",
    r"x\ne 0": "x\ne 0",
    r"\nabla f": "\nabla f",
    r"x \notin A": "x \notin A",
    r"\left(\frac{1}{2}\right)": "\\left(\frac{1}{2}\right)",
    r"\rho": "\rho",
    r"\beta": "\beta",
    r"\boxed{5}": "\boxed{5}",
    r"\binom{5}{2}": "\binom{5}{2}",
    r"\begin{pmatrix}1\end{pmatrix}": "\begin{pmatrix}1\\end{pmatrix}",
    r"\vec{v}": "\vec{v}",
    r"\alpha": "\alpha",
}


@pytest.mark.parametrize("whole, eaten", EATEN.items(), ids=EATEN)
def test_an_eaten_backslash_is_put_back(whole: str, eaten: str) -> None:
    assert eaten != whole
    assert mended(eaten) == whole
    assert mended(whole) == whole


WHITE = (
    "one\nequal line",
    "x\n\tan apple",
    "a\ten b\to them",
    "first\nu = 3",
    "3 and\n4",
    "note\ni am",
    "cell\tother cell",
    "line\r\nright after",
    "page\fChapter 2",
    "def f(x):\n\treturn x",
    "the\nexists sign\nand not",
)


@pytest.mark.parametrize("text", WHITE)
def test_white_space_stays_white_space(text: str) -> None:
    assert mended(text) == text
    assert doubtful(text, is_answer=False) is None


def test_what_cannot_be_told_is_doubtful() -> None:
    assert doubtful("so\foo", is_answer=False) == "\foo"
    assert doubtful("\x00", is_answer=False) == "\x00"
    assert doubtful("mac\rline", is_answer=False) == "\rline"
    assert doubtful("x\nu", is_answer=True) == "\nu"  # \nu, or a line with u
    assert doubtful("x\nu", is_answer=False) is None
    assert doubtful("5 cm\nunits", is_answer=True) is None
