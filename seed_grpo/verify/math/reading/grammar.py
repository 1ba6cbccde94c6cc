r"""The grammar of answers: from tokens to nodes, by recursive descent.

Consumes tokens; produces nodes. It evaluates no text. An answer is a list of relations between sides; a side is a value
with its unit, a bracket, a matrix, or sets joined by `\cup` and the like.
"""

from __future__ import annotations

import re
from fractions import Fraction

from seed_grpo.verify.isolation.bounds import MAX_ITEMS, BoundReachedError, GrammarError, spend
from seed_grpo.verify.math.forms import algebra, numeric, regions, vectors
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.contents import contents
from seed_grpo.verify.math.forms.functions import modulo
from seed_grpo.verify.math.forms.nodes import Node, as_form, expression, map_forms
from seed_grpo.verify.math.forms.units import (
    CURRENCIES,
    DEGREE,
    MINUTE,
    SCALES,
    SECOND,
    UNITS,
    Unit,
    is_label,
    read_unit,
)
from seed_grpo.verify.math.reading.atoms import PERCENT
from seed_grpo.verify.math.reading.brackets import SIGNS
from seed_grpo.verify.math.reading.cases import CaseReader
from seed_grpo.verify.math.reading.domains import Stated, split_domain
from seed_grpo.verify.math.reading.function_names import mark_functions
from seed_grpo.verify.math.reading.left_names import left_name
from seed_grpo.verify.math.reading.signs import has_signs, read_signs
from seed_grpo.verify.math.reading.statements import combine, negation, operate, relate
from seed_grpo.verify.math.reading.tokens import END, Token
from seed_grpo.verify.math.reading.words import NUMBERS

SET_OPERATIONS = (r"\cup", r"\cap", r"\setminus")
QUANTIFIERS = (Token("text", "all"), Token("text", "for all"), Token("command", r"\forall"))
"""before an inequality they add nothing"""


def read_answer(tokens: list[Token]) -> Node:
    r"""The node of a whole answer; with `\pm` the list of all values.

    Raises:
        GrammarError: the grammar does not cover it.
        ZeroDivisionError: it divides by zero.
        BoundReachedError: it would cost more than it may.
    """
    stated = split_domain(tokens)
    if stated is not None:
        node = _family(stated)
        if node is not None:
            return node
    tokens = mark_functions(tokens)
    if has_signs(tokens):
        return read_signs(tokens, lambda reading: AnswerReader(reading).answer())
    return AnswerReader(list(tokens)).answer()


def _family(stated: Stated) -> Node | None:
    """The node of an answer that says of its letters what they are; None where they are not in it."""
    try:
        node = read_answer(stated.tokens)
    except GrammarError:
        return None
    found = set[str]()

    def keep(form: Form) -> Form:
        found.update(contents(form).names)
        return form

    is_read = map_forms(node, keep) is not None
    return ("family", (node, stated.names, stated.domain)) if is_read and found.issuperset(stated.names) else None


class AnswerReader(CaseReader):
    """Reads whole answers. A method consumes what its name says and returns its node."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self._has_equals = any(token.value in ("=", r"\approx") for token in tokens)

    def answer(self) -> Node:
        node = self._spoken_cases() if self._is_spoken() else self._items()
        if self._peek() != END:
            raise GrammarError(f"unexpected {self._peek().value!r}")
        return node

    def _items(self) -> Node:
        items, separators = [self._relation()], list[str]()
        while self._is_separator(self._peek()):
            between = []
            while self._is_separator(self._peek()):
                between.append(self._take().value.strip())
            if self._peek() == END:
                break
            separators.append(between[0])
            items.append(self._relation())
            if len(items) > MAX_ITEMS:
                raise BoundReachedError(f"a list has over {MAX_ITEMS} items")
        return combine(items, separators)

    def _relation(self) -> Node:
        if self._accept(r"\neg"):
            return negation(self._relation())
        if self._peek() in QUANTIFIERS:
            self._take()
        self._accept(r"\approx")
        sides, signs = [self._left_side()], list[str]()
        if self._accept(r"\equiv"):
            return self._congruence(sides[0])
        while self._peek().value in SIGNS or (self._peek().value == r"\notin" and not signs):
            signs.append(self._take().value)
            sides.append(self._joined())
        return relate(sides, signs) if signs else sides[0]

    def _left_side(self) -> Node:
        name = left_name(self._tokens, self._next) if self._has_equals else None
        if name is not None:
            self._next = name[1]
            return expression(algebra.atom("symbol", name[0]))
        self._name_call = self._call_is_name()
        side = self._joined()
        self._name_call = False
        return side

    def _congruence(self, left: Node) -> Node:
        """What is congruent to zero, and the modulus."""
        self._modulus_follows = True
        right = self._sum()
        self._modulus_follows = False
        bracket = self._accept("(")
        self._expect(r"\mod")
        modulus = self._factor()
        if bracket:
            self._expect(")")
        over = algebra.add(as_form(left), algebra.scale(right, Fraction(-1)))
        rest = tuple(term for term in over if term[0])
        constant = tuple(term for term in over if not term[0])
        return "congruence", (algebra.add(rest, modulo(constant, modulus)), modulus)

    def _call_is_name(self) -> bool:
        """Whether the next is name(...) = ..., in which the name is a function's."""
        at, depth = self._next, 0
        if self._peek().kind not in ("word", "command"):
            return False
        inverse = ("^", "{", "-", "1", "}")
        if tuple(token.value for token in self._tokens[at + 1 : at + 6]) == inverse:
            at += len(inverse)
        while at < len(self._tokens) and self._tokens[at].value != "(":
            spend(1)
            if self._tokens[at].value in (*SIGNS, "+", "-", "*", r"\frac") or self._is_separator(self._tokens[at]):
                return False
            at += 1
        while at < len(self._tokens):
            depth += (self._tokens[at].value == "(") - (self._tokens[at].value == ")")
            if depth == 0:
                break
            at += 1
        return at + 1 < len(self._tokens) and self._tokens[at + 1].value in ("=", r"\approx")

    def _joined(self) -> Node:
        r"""Sides joined by `\cup` and the like, left to right."""
        node = self._side()
        while self._peek().value in SET_OPERATIONS or (self._peek().value == "-" and self._peek(1).value == r"\{"):
            operation = self._take().value.replace("-", r"\setminus")
            node = operate(operation, node, self._side())
        return node

    def _side(self) -> Node:
        token = self._peek()
        self._in_degrees = False
        currency = self._take_currency()
        if currency is not None:
            node = self._side()
            return node if node[0] == "quantity" else self._quantity(as_form(node), currency)
        if self._cases_ahead():
            return self._cases()
        structure = self._structure()
        if structure is not None:
            return structure
        if token.value == r"\{" or (token.value in ("(", "[", "{") and self._has_inside(",", ";")):
            return self._container()
        if token.value in ("(", "{", "[") and self._has_inside(*SET_OPERATIONS):
            return self._nested()
        if self._is_matrix_ahead():
            return self._matrix_sum()
        if token.value == r"\langle":
            return self._vector()
        if token.value == r"\emptyset":
            self._take()
            return "set", ()
        if self._digits_ahead():
            return self._based()
        return self._bracketed_digits() or self._value(self._finite())

    def _finite(self) -> Form:
        """A sum; with infinity in it, infinity itself: nothing is calculated with that."""
        before = self._infinities
        form = self._sum()
        if self._infinities > before and form not in (regions.INFINITY, regions.MINUS_INFINITY):
            raise ZeroDivisionError("a calculation with infinity")
        return form

    def _value(self, form: Form) -> Node:
        """A form with what stands behind it: a per cent sign, a unit, or the rest of a ratio."""
        if self._peek().value in PERCENT:
            self._take()
            return "percent", form
        if not self._colon_follows and (self._accept(":") or self._accept("to")):
            parts = [self._sum()]
            while self._accept(":") or self._accept("to"):
                parts.append(self._sum())
            over = algebra.power(form, algebra.number(-1))
            return "ratio", (algebra.number(1), *(algebra.mul(part, over) for part in parts))
        primes = self._primes()
        if primes:
            return self._quantity(form, MINUTE if primes == "'" else SECOND)
        if self._peek().value == "^" and self._is_degree(1):
            self._take()
            self._skip_degree()
            is_celsius = self._peek().value == "C" and self._take()
            return ("quantity", (form, UNITS["celsiu"])) if is_celsius else self._quantity(form, DEGREE)
        scale = (
            SCALES.get(self._peek().value.lower().partition(" ")[0]) if self._peek().kind in ("text", "word") else None
        )
        if scale is not None:
            token = self._take()
            form = algebra.scale(form, Fraction(scale))
            if " " in token.value:
                self._next -= 1
                self._tokens[self._next] = Token("text", token.value.partition(" ")[2])
        unit = self._unit(form)
        if unit is not None:
            return self._quantity(form, unit)
        if self._in_degrees:
            return "quantity", (form, DEGREE)
        return self._vector_of(form) if self._has_units else expression(form)

    def _vector_of(self, form: Form) -> Node:
        """A sum of unit vectors; what is none is an expression."""
        parts = vectors.components(form)
        return ("vector", parts) if parts is not None else expression(vectors.without_units(form))

    def _unit(self, form: Form) -> Unit | None:
        words, text_only = list[str](), True
        while (
            (self._is_unit(self._peek()) and not self._is_separator(self._peek()))
            or (words and self._peek().value == "^" and self._peek(1).value != r"\circ")
            or (words and self._peek().value == "/" and self._peek(1).kind in ("word", "text"))
            or (words and words[-1] == "/")
        ):
            token = self._take()
            if token.value in CURRENCIES:
                return CURRENCIES[token.value]
            text_only = text_only and token.kind != "word"
            words.append("^" + self._raw() if token.value == "^" else token.value)
        unit = read_unit(" ".join(words)) if words else None
        if (
            words
            and unit is None
            and not (
                is_label(" ".join(word for word in words if word[0] != "^"))
                and (text_only or numeric.real_value(form) is not None)
            )
        ):
            raise GrammarError("words that are no label")
        return unit

    def _take_currency(self) -> Unit | None:
        """The currency sign before a number, behind its sign if it has one."""
        for ahead in (0, 1):
            token = self._peek(ahead)
            if token.value in CURRENCIES and (ahead == 0 or self._peek().value in ("-", "+")):
                del self._tokens[self._next + ahead]
                return CURRENCIES[token.value]
        return None

    def _digits_ahead(self) -> int:
        """How many tokens are the digits of a number whose base follows, as in 52_8 and 2A_{16}; 0: it is none."""
        ahead = 1 if self._peek().value == "-" else 0
        digits = ""
        while re.fullmatch(r"[0-9A-F.]+", self._peek(ahead).value):
            digits += self._peek(ahead).value
            ahead += 1
        return ahead if self._peek(ahead).value == "_" and re.search(r"\d", digits) else 0

    def _based(self) -> Node:
        sign = "-" if self._accept("-") else ""
        digits = "".join(self._take().value for _ in range(self._digits_ahead()))
        self._expect("_")
        base = self._raw()
        base = str(NUMBERS.index(base)) if base in NUMBERS else base
        if not base.isdigit():
            raise GrammarError(f"a number in base {base!r}")
        return "based", (sign + digits.lstrip("0"), base)

    def _bracketed_digits(self) -> Node | None:
        """(52)_8"""
        if self._peek().value == "(" and self._peek(2).value == ")" and self._peek(3).value == "_":
            del self._tokens[self._next + 2], self._tokens[self._next]
            return self._based() if self._digits_ahead() else None
        return None

    def _nested(self) -> Node:
        opening = self._take().value
        self._deeper()
        node = self._joined()
        self._depth -= 1
        self._expect({"(": ")", "[": "]", "{": "}"}[opening])
        return node
