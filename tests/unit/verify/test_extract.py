r"""Answer extraction: a case says in its comment what a simpler rule would give, where that is not plain."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seed_grpo.verify.extract import STYLES, extract_answer

BOXED = [
    (r"first \boxed{1}, then \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),  # up to the first brace: \frac{1
    (r"a stray { and \boxed{5}", "5"),
    (r"a stray } and \boxed{5}", "5"),
    (r"\boxed{\{1,2\}}", r"\{1,2\}"),
    (r"\boxed{\left\{ x }", r"\left\{ x"),  # counting escaped braces: never closed
    (r"\boxed{1+\boxed{2}}", r"1+\boxed{2}"),  # the innermost: 2
    (r"\boxed 7.", "7"),  # the period ends the sentence
    (r"\boxed 12", "12"),  # as TeX has it: 1
    (r"\boxed {8}, \fbox{6} ", "8, 6"),
    (r"x = \boxed{5}", "5"),
    (r"\boxed{5}. My answers are always in \boxed{}.", "5"),  # an empty box says nothing
    (r"\boxed{ }", None),
    (r"\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}.\n\n**Done**", r"\left( 3, \frac{\pi}{2} \right)"),
    (r"\\boxed{\\left\\{ 3}", r"\left\{ 3"),  # as the text stands: never closed
    (r"\[ a \\ \boxed{5} \]", "5"),  # no JSON: a line break
    ("no box: 5", None),
]
CUT_OFF = [
    (r"cut off in \boxed{34", None),
    (r"\boxed{12} and cut off in \boxed{34", "12"),
    (r"\boxed{1}, \boxed{2", None),  # the list was cut off: 1 is a part of it
    (r"\boxed{\frac{1}{2}", None),
    (r"\boxed{7}. Therefore \boxed{1+\boxed{2}", "7"),  # 2 is a part of what was cut off
    (r"so $\boxed{3$. Then $\boxed{5}$", "5"),  # nothing was cut off: a brace was forgotten
]
LISTS = [
    (r"$\boxed{1}$, $\boxed{2}$ and \(\boxed{3}\)", "1, 2, 3"),  # the last: 3
    (r"\boxed{1}\boxed{2}", "1, 2"),
    (r"\[\boxed{-2} \quad \text{and} \quad \boxed{1}\]", "-2, 1"),
    (r"\boxed{(3, 3)} \text{ for part (a) and } \boxed{(1, 1)}", "(3, 3), (1, 1)"),
    (r"\($y_1 = \boxed{x} \) and \( y_2 = \boxed{2x} \) ", "x, 2x"),
    (r"(a) \boxed{3}, (b) \boxed{5}", "3, 5"),
    (r"\boxed{1} papers and \boxed{2} bins", "1, 2"),
    (r"\boxed{5}, or \boxed{5}", "5"),  # 5, 5 is another list
    (r"\boxed{2}. Then \boxed{2} and \boxed{3}", "2, 3"),
    (r"\boxed{1} no no no no no \boxed{2}", "2"),
    (r"\boxed{1} and and and or thus but \boxed{2} and \boxed{3}", "2, 3"),
    (r"\boxed{2+3} = \boxed{5}", "5"),  # both sides: 2+3, 5
    (r"\boxed{6}, which is wrong. \boxed{7}", "7"),
    (r"\frac{\boxed{1}}{\boxed{2}}", "2"),
    (r"\boxed{1}" + " " * 200 + r"\boxed{2}", "2"),
]
TAGS = [
    ("<answer>1</answer> <answer> 2 </answer>", "2"),
    (r"<answer>It is \boxed{3}</answer>", "3"),
    ("<answer>The final answer is $3$.</answer>", "3"),
    ("<answer>3 apples</answer>", "3 apples"),
    ("<answer>1</answer> <answer>2", "1"),
    ("<answer>1</answer> in <answer> </answer> tags", "1"),
    ("<ANSWER>4</Answer>", "4"),
    ("<answer>5", None),
    ("5</answer>", None),
]
PHRASES = [
    ("so\n#### 1,234", "1,234"),
    ("#### Step 3", None),  # a heading
    ("The final answer is $x^2$. I hope it is correct.", "x^2"),
    ("The final answer is 12,000,023. I hope it is correct.", "12,000,023"),
    ("The answer is 1. No, the answer is 2.5.", "2.5"),
    ("Answer: **5**", "5"),
    ("**Final Answer**\n\n\\[ \n 9 \n \\]", "9"),
    ("Final Answer: The volume of $ABCH$ is 120. I hope it is correct.", "120"),  # the first formula: ABCH
    ("Final Answer: $n$ is 34.", "34"),
    ("Final Answer: Jane began 3 hours ago.", "3"),
    ('The final answer is \\"$12 $ and $13 $\\".', "12, 13"),  # the first formula: 12
    ("The answer is $5$, since 3 is odd", "5"),  # what follows the last `is`: odd
    ("The answer is $5 per hour.", "5"),  # money
    (r"The answer is 2\sqrt{3} units.", r"2\sqrt{3}"),  # the last number: 3
    (r"The answer is 15 \text{ cm}^2.", r"15 \text{ cm}^2"),
    ("The answer is y = 2x + 3.", "y = 2x + 3"),
    ("The answer is Evelyn.", "Evelyn"),
    ("Is the answer: 3/4?", "3/4?"),
    ("The answer is known to all of them for ever", None),
    (r"The answer is $\frac{1}{", None),  # cut off
    ("The answer is", None),
    ("5", None),
]
NUMBERS = [
    ("from 5-3 we get 1,234.5, done", "1,234.5"),
    ("5-3", "3"),
    ("it is -3", "-3"),
    ("it is \u22123", "\u22123"),
    ("it is 2/3.", "2/3"),
    ("it is .5", ".5"),
    ("by 100%.", "100%"),
    ("12 m^2, 10^{-3} and x_{1}", "10"),  # an exponent: -3; an index: 1
    ("1,000.99m²", "1,000.99"),
    ("none", None),
]
AUTO = [
    (r"The answer is 3. \boxed{4}", "4"),
    (r"\boxed{4}, for $x=3$", "4"),
    (r"\boxed{255} is half. The final answer is $10,455$.", "10,455"),  # called so after the box
    (r"\boxed{4}. This answer is correct, 3 is not.", "4"),
    (r"<think> \boxed{3}? </think> <answer>5</answer>", "5"),
    ("Therefore, the answer is 189. Add $x=1$.", "189"),
    (r"Thus $x \geq 5$ is the solution.", r"x \geq 5"),  # the last number: 5
    ("It is true for each $n$. There are 12 of them.", "12"),  # the last formula: n
    ("Answer $$ \n 9 \n $$", "9"),
    ("Answer \\[ \n 9 \n \\]", "9"),
    ("Answer $ \n 9 \n $", None),  # broken over lines
    ("Answer \\( \n 9 \n \\)", None),
    ("so it is $5 and 6$", "5 and 6"),
    (r"Answer $ \frac{1}{2} \$ = \frac{10}{9} $", r"\frac{1}{2} \$ = \frac{10}{9}"),  # up to an escaped dollar
    ("From $10,000 + $200 = $10,200 follows $x=7$", "x=7"),  # dollars in pairs: the money
    (r"so $y = 12 + 3 \cdot", None),  # cut off: 3
    (r"x = 12, so \boxed{34", None),  # cut off: 34 or 12
    ("x = 12, so <answer>34", None),
    ("$9$", "9"),
    ("x+1", "x+1"),  # the last number: 1
    (r"\text{(C)}", r"\text{(C)}"),
    ("Evelyn", "Evelyn"),
    (r"$(-\infty, 1]$.", r"(-\infty, 1]"),
    (r"$\\left(\\frac{1}{5},\\frac{1}{6}\\right)$", r"\left(\frac{1}{5},\frac{1}{6}\right)"),
    ("that makes 12 apples", "12"),
    ("that makes no sense", None),
    ("", None),
]
CODE_BLOCK = [
    ("So:\n```python\na = 1\nprint(a)\n```\nDone.", "a = 1\nprint(a)"),
    ("```\n1\n```\nor\n~~~py\n2\n~~~", "2"),
    ("```python\n1\n```\nwhich prints\n```text\n5\n```", "1"),  # the last of Python
    ("```python\n1\n```\n```python\n2", None),  # what was cut off is no answer
    ("````python\n```\n1\n```\n````", "```\n1\n```"),
    ("1. here:\n   ```python\n   if a:\n       b\n   ```", "if a:\n    b"),
    ("```python\nprint('\\\\alpha')\n```", "print('\\\\alpha')"),  # no text of JSON, whose \\ would be \
    ("```python\n   \n```", None),
    ("print(1)", None),
    ("use `print`, or ```print(1)``` here", None),
]
CASES = {
    "boxed": BOXED + CUT_OFF + LISTS,
    "answer_tag": TAGS,
    "phrase": PHRASES,
    "last_number": NUMBERS,
    "auto": AUTO,
    "code_block": CODE_BLOCK,
}
PARTS = [
    "{", "}", "\\boxed{", "\\boxed ", "\\boxed{1}", "\\boxed{1} and ", "\\boxed{\\boxed{1}", "\\boxed{1}" + " a" * 55,
    "<answer>", "</answer>", "1", "1,", "-1/", "$", "$$ ", "$a", "$a$=", "$1 aa", "\\", "\\(", "\\[", "\\(\\[",
    "\\\\ab", "\\$$", "\\text{", "answer is ", "final answer: ", "answer***", "#### 1", "is ", " and", " ", "\n$",
    "$ \n", "a. ", "\0", "*", "x_", "<|a", "<|aaa|", "<\uff5c", "<start_of_a",
]  # fmt: skip


@pytest.mark.parametrize(
    ("style", "completion", "answer"), [(style, *case) for style, cases in CASES.items() for case in cases]
)
def test_extract_answer(style, completion, answer):
    assert extract_answer(completion, style) == answer
    assert extract_answer(f"\n {completion} \n", style) == answer


MARKS = [
    "<|im_end|>", "<|im_end|>\n<|im_start|>", "<|endoftext|>", "<|eot_id|>", "<|end▁of▁sentence|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>", "</s>", "<eos>", "<end_of_turn>\n<start_of_turn>", "<pad><pad>",
    "[/INST]", "<|reserved_special_token_17|>", "</think>",
]  # fmt: skip
"""control tokens that may be left at the end of a text"""
MARKED = [(style, *case) for style, cases in CASES.items() for case in cases if case[1] is not None]
CUT_OFF_FORMULA = r"so $y = 12 + 3 \cdot"


@pytest.mark.parametrize("mark", MARKS)
def test_a_control_token_behind_the_answer_is_no_part_of_it(mark):
    for style, completion, answer in MARKED:
        assert extract_answer(completion + mark, style) == answer, completion
    assert extract_answer(CUT_OFF_FORMULA + mark, "auto") is None


@pytest.mark.parametrize(
    ("style", "completion", "answer"),
    [
        ("auto", "<think>1+1</think>2", "2"),  # before: all of it
        ("auto", "<think>\nIt is 3, or 4.\n</think>\n\n5<|im_end|>", "5"),
        ("auto", "Evelyn<|im_end|>", "Evelyn"),
        ("auto", "<|im_start|>assistant\n$x+1$</s>", "x+1"),
        ("phrase", "The answer is 42<end_of_turn>", "42"),  # before: `42<`
        ("phrase", "The answer is seven<eos>", "seven"),
        ("answer_tag", "<think> 1 </think><answer> 42 <|im_end|></answer>", "42"),
        ("last_number", "it is 42<|reserved_special_token_7|>", "42"),  # before: 7
        ("code_block", "<|python_tag|>```python\nprint(1)\n```<|im_end|>", "print(1)"),  # before: no block
        ("code_block", "```\nprint('<|im_end|>', '</s>')\n```</s>", "print('<|im_end|>', '</s>')"),
        ("boxed", r"\boxed{|a| < |b| > |c|}", "|a| < |b| > |c|"),
        ("boxed", r"\boxed{a<|b|>c}", "a<|b|>c"),  # an absolute value
        ("boxed", r"\boxed{r<s>t}", "r<s>t"),
    ],
)
def test_control_tokens_end_a_line(style, completion, answer):
    assert extract_answer(completion, style) == answer


@pytest.mark.parametrize("completion, answer", BOXED + LISTS)
def test_auto_finds_what_is_boxed(completion, answer):
    if answer is not None:
        assert extract_answer(completion, "auto") == answer


@pytest.mark.parametrize("completion, answer", LISTS)
def test_text_after_the_last_box_does_not_matter(completion, answer):
    assert extract_answer(completion + " is right: 17 > 3, {and} $x$ too.", "boxed") == answer


@pytest.mark.parametrize("style", STYLES)
def test_every_style_has_cases(style):
    assert style in CASES


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("before", ["", "The final answer is ", r"\boxed{5}, final answer: ", r"\boxed{", "$$", "\\["])
def test_extraction_is_fast_on_hostile_text(part, before):
    """30,000 characters by all scans of all styles take some 0.05 seconds; were one not linear, 10 and more."""
    text = before + part * (30_000 // len(part))
    started = time.process_time()
    for style in ("auto", "last_number"):
        extract_answer(text, style)
    assert time.process_time() - started < 5.0  # a scan that is not linear takes minutes


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("part", ["{", "\\boxed{", "$", "\\", "answer is "])
def test_only_the_end_of_a_long_text_is_looked_at(style, part):
    text = part * (1_000_000 // len(part))
    started = time.process_time()
    assert extract_answer(text, style) == extract_answer(text[-100_000:], style)
    assert time.process_time() - started < 5.0  # a scan that is not linear takes minutes


def test_extraction_looks_at_the_end():
    assert extract_answer("x" * 1_000_000 + r"\boxed{5}", "boxed") == "5"
    assert extract_answer(r"\boxed{5}" + "x" * 100_000, "boxed") is None


PIECES = [*PARTS, "x", "5", "=", ".", ",", "\\)", "\\]", "$5$", "apples ", "\n", '\\"', "Answer: "]
TEXTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_an_answer_is_part_of_the_text(style, text):
    answer = extract_answer(text, style)
    if answer is not None and "\\\\" not in text:  # what was written as JSON is read without its escapes
        assert answer and answer == answer.strip()
        assert all(part in text for part in answer.split(", "))


@settings(max_examples=150, deadline=None)
@given(before=st.lists(st.sampled_from(["x", "5", "$", "{", "}", ".", " is ", "\n"]), max_size=8).map("".join))
def test_a_whole_box_is_found_after_anything(before):
    assert extract_answer(before + r" thus \boxed{42}", "boxed") == "42"


@settings(max_examples=150, deadline=None)
@given(contents=st.lists(st.sampled_from(["1", "-2", "x^{2}", r"\frac{1}{2}", r"\{3\}"]), min_size=1, max_size=5))
@pytest.mark.parametrize("separator", ["", ", ", " and ", " or ", r"\quad ", r" \text{ and } ", r"$, $", r"\) and \("])
def test_joined_boxes_are_one_list(separator, contents):
    text = separator.join(rf"\boxed{{{content}}}" for content in contents)
    assert extract_answer(f"Then {text} thus.", "boxed") == ", ".join(dict.fromkeys(contents))
