r"""Sets of numbers and what algebra makes of them: \mathbb{R}^n, \mathbb{Z}/6\mathbb{Z}, \mathbb{Z}_2 \times S_3.

Consumes tokens; produces nodes. Nothing is calculated with a structure: it has a name, and a product has those of its
factors. \mathbb{Z}_6 and \mathbb{Z}/6\mathbb{Z} are one, and subsets of the real line are regions.
"""

from __future__ import annotations

from seed_grpo.verify.isolation.bounds import GrammarError
from seed_grpo.verify.math.forms import algebra, regions
from seed_grpo.verify.math.forms.nodes import Node
from seed_grpo.verify.math.reading.atoms import NUMBER_SETS
from seed_grpo.verify.math.reading.brackets import BracketReader
from seed_grpo.verify.math.reading.tokens import Token

SHORT = {rf"\{letter}": letter for letter in NUMBER_SETS if letter not in "FH"} | {r"\Reals": "R"}
SIGNS = {
    "+": ">0", "{+}": ">0", "-": "<0", "{-}": "<0", "{>0}": ">0", "{<0}": "<0", "{>=0}": ">=0", "{<=0}": "<=0",
    "*": "!=0", "{*}": "!=0", "{!=0}": "!=0",
}  # fmt: skip
"""sub- and superscripts that leave out some elements"""
SAME = {"N >0": "Z >0", "N !=0": "Z >0", "N_0": "Z >=0"}
"""two names of one set; whether 0 is in N itself, authors differ"""
MARKS = {r"\mathbb", "Z", *SHORT}
"""of which every structure has one"""
PRODUCTS = ("*", r"\oplus")
LARGEST_POWER = 20


class StructureReader(BracketReader):
    """Reads structures. A method consumes what its name says."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self._has_sets = any(token.value in MARKS for token in tokens)

    def _structure(self) -> Node | None:
        """The structure that comes next, None where none does."""
        if not self._has_sets or not self._is_structure_ahead():
            return None
        factors = self._structure_factor()
        while self._peek().value in PRODUCTS:
            self._take()
            factors += self._structure_factor()
        region = REGIONS.get(factors[0]) if len(factors) == 1 else None
        if region is not None:
            return "region", (None, region)
        return "structure", tuple(sorted(SAME.get(factor, factor) for factor in factors))

    def _is_structure_ahead(self) -> bool:
        at = self._next
        while at < len(self._tokens) and (self._tokens[at].value == "(" or self._tokens[at].kind == "number"):
            at += 1
        ahead = at - self._next
        if self._set_ahead(ahead) is not None or self._is_bare_quotient(ahead):
            return True
        length = 3 + 2 * (self._peek(2).value == "{")
        before_set = self._peek(length).value in PRODUCTS and self._set_ahead(length + 1) is not None
        return self._is_group_ahead() and before_set

    def _is_group_ahead(self) -> bool:
        """S_3, which is a group beside a set of numbers and a symbol elsewhere."""
        return self._peek().value in ("S", "A", "D", "C", "Q", "V") and self._peek(1).value == "_"

    def _set_ahead(self, ahead: int) -> tuple[str, int] | None:
        r"""The letter of \mathbb{Z} that stands so many tokens ahead, and how many tokens it is."""
        token = self._peek(ahead)
        if token.value in SHORT and token.kind == "command":
            return SHORT[token.value], 1
        letter = self._peek(ahead + 2).value
        return (letter, 4) if token.value == r"\mathbb" and letter in NUMBER_SETS else None

    def _is_bare_quotient(self, ahead: int) -> bool:
        """Z/6Z, in which the letter is no factor."""
        values = [self._peek(ahead + each).value for each in range(4)]
        return values[0] == values[3] == "Z" and values[1] == "/" and self._peek(ahead + 2).kind in ("number", "word")

    def _structure_factor(self) -> list[str]:
        if self._accept("("):
            self._deeper()
            inner = self._structure_factor()
            while self._peek().value in PRODUCTS:
                self._take()
                inner += self._structure_factor()
            self._depth -= 1
            self._expect(")")
            return self._powered(inner)
        multiple = self._take().value if self._peek().kind == "number" else ""
        if not multiple and self._is_group_ahead():
            return [f"{self._take().value}_{self._take() and self._raw()}"]
        letter = self._letter()
        if self._peek().value in ("(", "["):  # \mathbb{Q}(\sqrt{2}), \mathbb{Z}[i]
            letter += self._bracketed()
        return self._powered([multiple + letter])

    def _letter(self) -> str:
        """A set with what stands below it, or the quotient that it is divided to."""
        found = self._set_ahead(0) or (("Z", 1) if self._is_bare_quotient(0) else None)
        if found is None:
            raise GrammarError("a factor that is no structure")
        letter, length = found
        self._next += length
        if self._accept("_"):
            below = self._scripted()
            if below in ("+", "{+}"):  # with 0 or without it, authors differ
                return f"{letter}_+"
            if below in SIGNS:
                return f"{letter} {SIGNS[below]}"
            return f"{letter}{'/' if letter == 'Z' else '_'}{below.strip('{}')}"
        if self._accept("/"):
            return f"{letter}/{self._divisor_of(letter)}"
        return letter

    def _divisor_of(self, letter: str) -> str:
        r"""n of \mathbb{Z}/n\mathbb{Z}, \mathbb{Z}/n, \mathbb{Z}/(n)."""
        if self._peek().value in ("(", r"\langle"):
            inner = self._bracketed()
            return inner[1:-1] if inner[0] == "(" else inner.removeprefix(r"\langle").removesuffix(r"\rangle")
        token = self._take()
        if token.kind not in ("number", "word"):
            raise GrammarError("a quotient that is no structure")
        again = self._set_ahead(0)
        if again is not None and again[0] == letter:
            self._next += again[1]
        elif not self._accept(letter) and token.value[1:] == letter:  # nZ is one word
            return token.value[0]
        return token.value

    def _powered(self, factors: list[str]) -> list[str]:
        """With what stands above: a sign, or how often it is a factor."""
        if not self._accept("^"):
            return factors
        above = self._scripted()
        count = above.strip("{}")
        if count.isdigit() and 0 < int(count) <= LARGEST_POWER:
            return factors * int(count)
        name = " * ".join(sorted(factors))
        return [f"{name} {SIGNS[above]}" if above in SIGNS else f"{name}^{count}"]

    def _scripted(self) -> str:
        """A sub- or superscript as written, in braces where it has them."""
        with_braces = self._peek().value == "{"
        raw = self._raw()
        return f"{{{raw}}}" if with_braces else raw

    def _bracketed(self) -> str:
        """A bracket as it is written."""
        parts, depth = list[str](), 0
        while True:
            token = self._take()
            if token.kind == "end":
                raise GrammarError("a bracket is not closed")
            depth += (token.value in ("(", "[", r"\langle")) - (token.value in (")", "]", r"\rangle"))
            parts.append(token.value)
            if depth == 0:
                return "".join(parts)


def _half_line(sign: str) -> tuple[regions.Piece, ...]:
    return regions.half_line(sign, algebra.number(0))


REGIONS = {"R": regions.REALS, **{f"R {sign}": _half_line(sign.removesuffix("0")) for sign in SIGNS.values()}}
"""the structures that are subsets of the real line"""
