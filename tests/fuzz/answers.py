"""Answers for the fuzzer of the judge: real ones taken apart and mutated, a grammar of LaTeX, and hostile pieces.

Consumes answers as texts and a seeded random generator; produces texts, and pairs of which the two mean the same or may
mean anything. It judges nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

LONGEST = 3900
"""characters of an answer, with room for layout around it; now and then one is far longer"""
_PIECE = re.compile(r"\\[a-zA-Z]+|\\.|\d+|[a-zA-Z]+|\s+|.", re.S)
_COMMANDS = (
    *("frac", "dfrac", "tfrac", "cfrac", "sqrt", "binom", "overline", "bar", "vec", "hat", "boxed", "fbox", "text"),
    *(
        "textbf",
        "mathrm",
        "mathbf",
        "operatorname",
        "mathbb",
        "mathcal",
        "left",
        "right",
        "sin",
        "cos",
        "tan",
        "arcsin",
    ),
    *(
        "ln",
        "log",
        "exp",
        "gcd",
        "lcm",
        "max",
        "min",
        "floor",
        "mod",
        "pmod",
        "bmod",
        "sum",
        "prod",
        "int",
        "lim",
        "to",
    ),
    *(
        "infty",
        "pi",
        "cup",
        "cap",
        "setminus",
        "in",
        "notin",
        "emptyset",
        "pm",
        "mp",
        "circ",
        "over",
        "choose",
        "angle",
    ),
    *("begin{pmatrix}", "end{pmatrix}", "begin{cases}", "end{cases}", "begin{array}{cc}", "end{array}", "quad", "dots"),
    *("le", "ge", "ne", "lt", "approx", "equiv", "cdot", "times", "div", "prime", "lfloor", "rfloor", "lceil", "rceil"),
    *("langle", "rangle", "|", "{", "}", ",", "!", ";", "\\", "%", "$", "&", "_", " ", "(", ")", "[", "]", "Delta"),
)
_SIGNS = (*"()[]{}|+-*/^_=<>!,.;:%$&'~#@?\"", "**", "//", "...", "<=", ">=", "!=", "=>", "->")
_ODD = (
    *("\u2212", "\u00bd", "\u221a", "\u03c0", "\u221e", "\u00b0", "\u202e", "\u200b", "\x00", "\ufeff", "\u0665"),
    *("\u00b2", "\u00b9", "\u2460", "\u0968", "\U0001d7d8", "\ud83d", "\U0001f525", "\uff0c", "\u00df", "\u0130"),
)
_HOSTILE = (
    *("9^{9^{9}}", "10^{10^{10}}", "1e1000", "1E-999999999", "1000000000!", r"\binom{100000}{50000}", "0^{0}"),
    *(r"\frac{0}{0}", r"\frac{1}{\infty}", "(a+b+c+d+e+f)^{40}", "(x+1)^{50}", "(1+i)^{1000}", r"\infty-\infty"),
    *(r"\sqrt[0]{5}", r"\sqrt[-3]{-8}", r"\log_1 5", r"\ln 0", r"\tan\frac{\pi}{2}", "(-8)^{1/3}", "x^{x^{x}}"),
    *(r"\sum_{k=1}^{10^{9}} k!", r"\prod_{i=1}^{100000} i", r"\int_0^1 x^x dx", r"\lim_{x\to 0}\frac{\sin x}{x}"),
    *("__import__('os').mkdir('pwned')", "x.__class__", "lambda: 0", "5 if 1 else 6", "f'{5}'", "nan", "-inf", "zoo"),
    *("12:30 pm", "March 5, 2024", "2024-02-30", "99:99", "1,000,000", "1,00", "3:4:5", "0:0", "28\\%", "101_2", "1_0"),
    *(
        "5 \\text{ cm}",
        "\\$5",
        "90^\\circ",
        "10^{-5}",
        "0.\\overline{142857}",
        "-0",
        "1e-400",
        "2^{0.5}",
        "no solution",
    ),
    *(r"\max(1,2,x)", r"\gcd(0,0)", r"\operatorname{lcm}(4,6,-2)", r"\operatorname{mod}(5,0)", "5 \\bmod 0", "(-1)!"),
)
_LEAVES = (*"xyzabnfg", r"\pi", "e", "i", r"\infty", "x_1", "f(x)", "-1")
_STATEMENTS = (
    *("@", "@", "@", "@", "x = @", "@ = @", "@ < @", "@ > @", r"@ \le @", r"@ \ge @", r"@ \ne @", r"@ < x \le @"),
    *("(@, @)", "[@, @)", "(@, @]", "[@, @]", "(@, @, @)", r"(-\infty, @] \cup [@, \infty)", r"\{@, @, @\}", r"\{@\}"),
    *("@, @", "@, @, @, @, @", "@ and @", r"@\text{ or }@", "@; @", "@ : @", "@:@:@", r"@ \pm @", r"@ \pm @ \pm @"),
    *(r"\begin{pmatrix}@ & @ \\ @ & @\end{pmatrix}", r"\begin{bmatrix}@ \\ @\end{bmatrix}", "x=@, y=@", "x_1=@, x_2=@"),
    *(r"\begin{cases}@ & x > @ \\ @ & x \le @\end{cases}", r"\left[\begin{array}{cc}@ & @\end{array}\right]"),
    *(r"@\text{ cm}", r"@ \%", r"@^\circ", "@ dollars", r"@\text{ m/s}^2", r"\$@", "@ hours", r"@_{8}", "@_2", "0x@"),
    *(r"x \equiv @ \pmod{@}", r"\{x : x < @\}", r"\{x \mid x \ge @\}", r"x \in \mathbb{R} \setminus \{@\}"),
    *("f(x) = @", "y = @x + @", r"x < @ \text{ or } x > @", r"\text{(@)}", "@ apples", r"@ \approx @", r"|@| < @"),
    *(
        r"(@, @) \cap [@, @]",
        r"(@, @) \setminus \{@\}",
        r"\langle @, @ \rangle",
        "@i + @j + @k",
        r"x = @ + 2\pi k, k \in @",
    ),
)
_EXPRESSIONS = (
    *("@+@", "@-@", "@*@", "@/@", "@ @", r"@ \cdot @", "@+@+@", "(@)", "(@)(@)", r"\frac{@}{@}", r"\frac@@", "(@)^{@}"),
    *(
        "@^2",
        "@^3",
        "@^7",
        "@^@",
        "@^{-1}",
        r"\sqrt{@}",
        r"\sqrt[3]{@}",
        r"\sqrt[@]{@}",
        r"\sqrt@",
        r"\sin(@)",
        r"\sin @",
    ),
    *(r"\cos^2 @", r"\tan^{-1} @", r"\ln(@)", r"\arctan @", r"\sec @", r"\exp(@)", r"\sinh(@)", r"\log_{@} @", "(@)!"),
    *(
        "@!",
        r"\binom{@}{@}",
        "|@|",
        r"\lfloor @ \rfloor",
        r"\lceil @ \rceil",
        r"\gcd(@, @)",
        r"\max(@, @)",
        r"\min(@, @, @)",
    ),
    *(
        r"\operatorname{lcm}(@, @)",
        r"\sum_{k=1}^{@} @",
        r"\sum_{n=0}^\infty @",
        r"\prod_{i=1}^{@} @",
        r"\int_{@}^{@} @ dx",
    ),
    *(
        r"\int @ dx",
        r"\lim_{x \to @} @",
        r"\lim_{n \to \infty} @",
        r"@ \bmod @",
        "-@",
        r"@\%",
        r"@^\circ",
        r"{@ \over @}",
    ),
    *(r"{@ \choose @}", "f(@)", "f(@, @)", "@e@", "@ @/@", r"\overline{@}", r"0.\overline{@}", r"\mathrm{@}", r"x_{@}"),
)
"""templates of both kinds, where @ stands for an expression"""


class Pair(NamedTuple):
    """Two answers to be judged against each other."""

    answer: str
    reference: str
    how: str
    """the way they were made, for the report"""


class AnswerMaker:
    """Makes answers from a seed and real answers: the same seed, the same answers."""

    def __init__(self, seed: int, real: Sequence[str]) -> None:
        self._random = random.Random(seed)
        self._real = [text for text in real if text]
        self._makers: tuple[tuple[int, Callable[[], str]], ...] = (
            (4, self._mutated),
            (4, lambda: self._statement(self._random.randint(1, 4))),
            (2, self._spliced),
            (1, self._soup),
            (1, self._nested),
            (1, self._repeated),
        )

    def pair(self) -> Pair:
        """The next pair."""
        answer, how = self.answer()
        choice = self._random.random()
        if choice < 0.35:
            return Pair(answer, self.respelled(answer), f"{how}, respelled")
        if choice < 0.6:
            return Pair(answer, self._mutation(answer), f"{how}, mutated")
        if choice < 0.8:
            return Pair(answer, self._random.choice(self._real), f"{how}, real")
        other, how_other = self.answer()
        return Pair(answer, other, f"{how}, {how_other}")

    def answer(self) -> tuple[str, str]:
        """One answer and how it was made."""
        weights = [weight for weight, _ in self._makers]
        make = self._random.choices(self._makers, weights)[0][1]
        text = make()
        if self._random.random() > 0.005:
            text = text[:LONGEST]
        return text, getattr(make, "__name__", "made").strip("_<>").replace("lambda", "grammar")

    def respelled(self, text: str) -> str:
        """The same answer in another layout, as far as that can be done blindly."""
        kind = self._random.randrange(6)
        if kind == 0:
            return text.replace(r"\frac", r"\dfrac")
        if kind == 1:
            return text.replace("(", r"\left(").replace(")", r"\right)")
        if kind == 2:
            return re.sub(r"([+=,])", r" \1 ", text)
        if kind == 3:
            return f"${text}$"
        return f" {text}. " if kind == 4 else text

    def _mutated(self) -> str:
        return self._mutation(self._random.choice(self._real))

    def _mutation(self, text: str) -> str:
        """One to four changes of pieces."""
        pieces = _PIECE.findall(text)
        for _ in range(self._random.randint(1, 4)):
            start = self._random.randint(0, len(pieces))
            end = min(len(pieces), start + self._random.choice((1, 1, 1, 2, 3, 8)))
            kind = self._random.randrange(7)
            if kind == 0:
                del pieces[start:end]
            elif kind == 1:
                pieces[start:start] = [self._piece()]
            elif kind == 2:
                pieces[start:end] = [self._piece()]
            elif kind == 3:
                pieces[start:start] = pieces[start:end] * self._random.choice((1, 2, 30))
            elif kind == 4:
                pieces[start:end] = ["{", *pieces[start:end], "}"]
            elif kind == 5:
                del pieces[start:]  # cut off
            else:
                pieces[start:end] = [self._command(), "{", *pieces[start:end], "}"]
        return "".join(pieces)

    def _spliced(self) -> str:
        """The beginning of one real answer and the end of another."""
        one, other = (_PIECE.findall(self._random.choice(self._real)) for _ in range(2))
        middle = [self._piece()] if self._random.random() < 0.5 else []
        return "".join(
            [*one[: self._random.randint(0, len(one))], *middle, *other[self._random.randint(0, len(other)) :]]
        )

    def _soup(self) -> str:
        return "".join(self._piece() for _ in range(self._random.choice((1, 2, 3, 5, 8, 13, 40))))

    def _nested(self) -> str:
        openings = (
            r"\frac{1}{1+",
            r"\sqrt{1+",
            "2^{",
            "{",
            "(",
            r"\sin(",
            r"\text{",
            r"\left(",
            r"\boxed{",
            "|x+",
            "[",
            r"\{",
        )
        closings = ("}", "}", "}", "}", ")", ")", "}", r"\right)", "}", "|", "]", r"\}")
        depth = self._random.choice((2, 5, 12, 25, 39, 41, 80, 400))
        kinds = [self._random.randrange(len(openings))] * depth
        if self._random.random() < 0.5:
            kinds = [self._random.randrange(len(openings)) for _ in range(depth)]
        inside = self._random.choice(("1", "x", self._expression(2), self._random.choice(_HOSTILE)))
        left = self._random.random() < 0.2  # cut off
        return "".join(
            [openings[kind] for kind in kinds] + [inside] + [closings[kind] for kind in kinds[::-1]] * (not left)
        )

    def _repeated(self) -> str:
        unit = self._random.choice((self._soup, lambda: self._expression(2), self._mutated))()[:80]
        joint = self._random.choice(("", "+", ",", " ", "*", r"\cup ", "=", " or ", "/", "^", "-", "<", ";", r"\\"))
        return joint.join([unit] * self._random.choice((2, 5, 20, 60, 300, 1500)))

    def _piece(self) -> str:
        kind = self._random.randrange(8)
        if kind < 2:
            return self._random.choice(_SIGNS)
        if kind == 2:
            return self._command()
        if kind == 3:
            return self._random.choice(_HOSTILE)
        if kind == 4:
            return self._random.choice(_ODD)
        if kind == 5:
            return self._random.choice("abcdefgxyzEINOQS") * self._random.choice((1, 1, 1, 2, 5))
        if kind == 6:
            return self._random.choice(_PIECE.findall(self._random.choice(self._real)) or ["5"])
        return self._number()

    def _command(self) -> str:
        return "\\" + self._random.choice(_COMMANDS)

    def _number(self) -> str:
        choice = self._random.random()
        if choice < 0.6:
            return str(self._random.randint(0, 12))
        if choice < 0.9:
            return self._random.choice(
                ("0.5", ".5", "1,234", "100", "3.14159", "0.333333333333", "1e3", "2024", "-1", "007")
            )
        return str(self._random.getrandbits(self._random.choice((20, 64, 200, 4000))))

    def _statement(self, depth: int) -> str:
        """An answer of the grammar that the judge reads."""
        return self._filled(self._random.choice(_STATEMENTS), depth)

    def _expression(self, depth: int) -> str:
        if depth <= 0 or self._random.random() < 0.15:
            return self._random.choice((self._number(), *_LEAVES))
        return self._filled(self._random.choice(_EXPRESSIONS), depth - 1)

    def _filled(self, template: str, depth: int) -> str:
        return "".join(self._expression(depth) if each == "@" else each for each in template)
