r"""Multiple choice: an option with its value means its letter and its value; of two options both must agree.

The relation is not transitive there: D and 12 both mean `(D) 12`, and not each other. Each pair is judged in both
orders.
"""

import pytest

from seed_grpo.messages import Verdict
from support.judging import both_orders

WRITTEN = [
    "(D) 12", "(D)12", r"(D)\ 12", r"\textbf{(D)}\ 12", r"\textbf{(D)} 12", r"\textbf{(D) }12", r"\textbf{(D) 12}",
    r"\textbf{(D)}~12", r"\mathbf{(D)}\;12", r"\mathrm{(D) \ } 12", r"\mathrm{\textbf{(D)} }12", r"\text{(D) } 12",
    "D) 12", r"\text{D) } 12", "D. 12", r"\textbf{D.} 12", "D: 12", "option D: 12", "Option (D): 12",
    "The correct answer is (D) 12", "Answer: (D) 12", r"12 \textbf{(D)}", "12 (option D)",
]  # fmt: skip
LETTERS = [
    "D", "(D)", "D.", "D)", r"\text{D}", r"\textbf{D}", r"\mathbf{D}", r"\text{(D)}", r"\textbf{(D)}", r"\mathrm{(D)}",
    "option D", r"\text{Option D}", "choice D", "Choice (D)", "Answer: D", "Answer: (D)", r"\textbf{Answer: (D)}",
    r"\text{Answer: } D", "The answer is D.", "the correct option is D",
]  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_an_option_means_its_letter_and_its_value(judge, written):
    for same in ("D", "12", "(D) 12", r"\frac{24}{2}", "option D"):
        assert both_orders(judge, written, same) == {Verdict.CORRECT}, same
    for other in ("E", "13", "(E) 12", "(D) 13", "option E", "12D", r"\textbf{(E)}", "2"):
        assert both_orders(judge, written, other) == {Verdict.INCORRECT}, other


@pytest.mark.parametrize("written", LETTERS)
def test_a_letter_is_written_in_many_ways(judge, written):
    for same in ("D", r"\textbf{(D)}", r"\textbf{(D)}\ 144"):
        assert both_orders(judge, written, same) == {Verdict.CORRECT}, same
    for other in ("E", "d", "(E)", r"\textbf{(E)}\ 144", "144", "D+1", "2D"):
        assert both_orders(judge, written, other) == {Verdict.INCORRECT}, other


EQUAL = [
    (r"\textbf{(B)}\ \frac{1}{2}", "0.5"),
    (r"\textbf{(C)}\ 2\sqrt{3}", r"\sqrt{12}"),
    ("(A) -12", "-12"),
    (r"\textbf{(A)} -12", "A"),
    (r"(C) 12 \text{ cm}", r"12 \text{ cm}"),
    (r"(C) 12 \text{ cm}", "12"),
    (r"\textbf{(E)}\ \text{Tuesday}", "Tuesday"),
    ("(E) None of the above", "none of the above"),
    ("(E) None of the above", "E"),
    ("(B) x = 5", "5"),
    ("(B) (1, 2)", "(1,2)"),
    ("(B) 3, 5", "5, 3"),
    ("(H) 7", "H"),
    ("(J) 7", "J"),
    ("A, C", "(A), (C)"),
    ("(A) 5^2", "25"),
    (r"\textbf{(D)}\ 144", r"\boxed{144}"),
    # what is no option stays what it was
    ("(a) 3, (b) 4", "(a) 3, (b) 4"),
    ("(A) + 12", "A + 12"),
    ("(A) - 12", "A - 12"),
    ("A = 5", "5"),
    ("(A)(B)", "AB"),
]
UNEQUAL = [
    ("(A) 3, (B) 4", "A"),
    ("(A) 3, (B) 4", "3"),
    ("(A) 3, (B) 4", "(A) 3"),
    ("(a) 3, (b) 4", "3"),
    ("(D) 12", "(D) 12, (E) 13"),
    (r"(A) \text{ and } (B)", "A"),
    (r"\textbf{(A) and (B)}", "B"),
    ("D, E", "D"),
    ("(A) - 12", "-12"),
    ("(A) + 12", "12"),
    ("(A)^2", "A"),
    ("(A) = 5", "A"),
    ("A B", "B"),
    ("A 5", "5"),
    ("A: B", "B"),
    ("(A)/5", "5"),
    ("I) 5", "5"),
    (r"5 \text{ (g)}", r"5 \text{ kg}"),
    (r"12 (option d)", "D"),
    (r"\textbf{(C)}\ 2\sqrt{3}", r"2\sqrt2"),
    (r"\textbf{(E)}\ \text{Tuesday}", "Wednesday"),
]


@pytest.mark.parametrize(("first", "second"), EQUAL)
def test_options_with_values_of_all_kinds(judge, first, second):
    assert both_orders(judge, first, second) == {Verdict.CORRECT}


@pytest.mark.parametrize(("first", "second"), UNEQUAL)
def test_what_is_no_option_and_what_is_another(judge, first, second):
    assert both_orders(judge, first, second) == {Verdict.INCORRECT}
