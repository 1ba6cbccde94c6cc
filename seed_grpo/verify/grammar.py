r"""The grammar of answers: from tokens to nodes, by recursive descent.

A node is `(kind, value)`, hashable, equal for answers that the exact forms can tell to be equal:

    number      Fraction                      percent     Fraction as written, 28 for 28%
    expression  form of `algebra`             based       (digits, base), e.g. 52_8
    set         sorted items; lists too       tuple       (opening, items, closing): points and intervals
    union       sorted pieces                 matrix      rows of nodes
    equation    form that is zero             inequality  (sign, form): the form is < <= != 0

It consumes tokens of `tokens.tokenize` and calls `algebra`; it evaluates no text. Units after a number are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from fractions import Fraction

from seed_grpo.verify import algebra
from seed_grpo.verify.algebra import Form
from seed_grpo.verify.limits import MAX_DEPTH, MAX_ITEMS, BoundReachedError
from seed_grpo.verify.tokens import Token

Node = tuple[str, Hashable]

END = Token("end", "")
CALLS = ("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "ln", "log", "exp")
CONSTANTS = {"pi": "pi", "infty": "infinity", "infinity": "infinity", "inf": "infinity", "e": "e", "i": "i"}
SHORT_UNITS = ("cm", "km", "mm", "kg", "mL", "ft", "lb", "oz", "mi", "in", "hr")
PERCENT = ("%", "percent", "percentage", "pct")
FLIPPED = {">": "<", ">=": "<="}
LARGEST_FACTORIAL = 500
LARGEST_EXPONENT = 1500
"""of scientific notation"""


class GrammarError(ValueError):
    """The tokens are no answer that the grammar knows; the answer stays a string."""


def read_answer(tokens: list[Token]) -> Node:
    r"""The node of a whole answer; with `\pm` the set of both readings.

    Raises:
        GrammarError: the grammar does not cover it.
        ZeroDivisionError: it divides by zero.
        BoundReachedError: it would cost more than it may.
    """
    readings: list[Node] = []
    signs = [("+", "-"), ("-", "+")] if any(token.value in (r"\pm", r"\mp") for token in tokens) else [("+", "-")]
    for plus_minus, minus_plus in signs:
        replaced = {r"\pm": Token("sign", plus_minus), r"\mp": Token("sign", minus_plus)}
        readings.append(_Reader([replaced.get(token.value, token) for token in tokens]).answer())
    return readings[0] if len(readings) == 1 else _set(readings)


def _set(items: list[Node]) -> Node:
    """Items of nested lists are items; order and repetition do not matter."""
    flat = [inner for item in items for inner in (item[1] if item[0] == "set" else [item])]  # type: ignore[attr-defined]
    if len(flat) > MAX_ITEMS:
        raise BoundReachedError(f"a list has over {MAX_ITEMS} items")
    return "set", tuple(sorted(dict.fromkeys(flat), key=repr))


def expression(form: Form) -> Node:
    value = algebra.as_number(form)
    return ("expression", form) if value is None else ("number", value)


def as_form(node: Node) -> Form:
    """The form of a number or an expression.

    Raises:
        GrammarError: it is neither.
    """
    if node[0] == "number":
        return algebra.number(node[1])  # type: ignore[arg-type]
    if node[0] == "expression":
        return node[1]  # type: ignore[return-value]
    raise GrammarError(f"{node[0]} in an expression")


class _Reader:
    """One pass over the tokens. A method consumes what its name says and returns it."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    # answers

    def answer(self) -> Node:
        items = self._items()
        if self._peek() != END:
            raise GrammarError(f"unexpected {self._peek().value!r}")
        return items[0] if len(items) == 1 else _set(items)

    def _items(self) -> list[Node]:
        items = [self._union()]
        while self._is_separator(self._peek()):
            self._take()
            if self._is_separator(self._peek()):
                continue  # ", and"
            items.append(self._union())
        return items

    def _union(self) -> Node:
        pieces = [self._relation()]
        while self._accept(r"\cup"):
            pieces.append(self._relation())
        return pieces[0] if len(pieces) == 1 else ("union", tuple(sorted(set(pieces), key=repr)))

    def _relation(self) -> Node:
        sides, signs = [self._side()], []
        while self._peek().value in ("=", "<", ">", "<=", ">=", "!=", r"\in"):
            signs.append(self._take().value)
            sides.append(self._side())
        if not signs:
            return sides[0]
        if all(sign in ("=", r"\in") for sign in signs):
            if signs == ["="] and not self._is_name(sides[0]):
                return "equation", _monic(_difference(sides[0], sides[1]))
            return sides[-1]  # x = 5, x = 2 + 3 = 5, (p, q) = (3, 2), x in S
        if "=" in signs or r"\in" in signs:
            raise GrammarError("a chain of = and <")
        links = [
            ("inequality", self._inequality(sign, left, right))
            for sign, left, right in zip(signs, sides, sides[1:], strict=False)
        ]
        return links[0] if len(links) == 1 else ("chain", tuple(sorted(links, key=repr)))

    def _inequality(self, sign: str, left: Node, right: Node) -> Hashable:
        if sign in FLIPPED:
            left, right = right, left
        difference = _difference(left, right)
        if sign == "!=":
            return sign, _monic(difference)
        content = abs(difference[0][1]) if difference else Fraction(1)
        return FLIPPED.get(sign, sign), algebra.scale(difference, 1 / content)

    def _is_name(self, node: Node) -> bool:
        """A symbol, f(x), a product of capitals (AB) or a tuple of names: what stands left of = in `x = 5`."""
        if node[0] == "tuple":
            return all(self._is_name(item) for item in node[1][1])  # type: ignore[index]
        if node[0] != "expression":
            return False
        form = as_form(node)
        atoms = form[0][0]
        if len(form) > 1 or form[0][1] != 1 or any(exponent != 1 for _, exponent in atoms):
            return False
        names = [base[1] for base, _ in atoms if base[0] == "symbol" or base[:2] == ("call", base[1])]
        return len(names) == len(atoms) and (len(atoms) == 1 or all(str(name).isupper() for name in names))

    def _side(self) -> Node:
        token = self._peek()
        if token.value == r"\{" or (token.value in ("(", "[", "{") and self._has_comma()):
            return self._container()
        if token.kind == "environment":
            return self._matrix()
        if token.value == "[" and self._peek(1).kind == "environment":
            self._take()
            matrix = self._matrix()
            self._expect("]")
            return matrix
        if token.value == r"\emptyset":
            self._take()
            return "set", ()
        if token.kind == "number" and self._peek(1).value == "_":
            digits = self._take().value
            self._take()
            return "based", (digits.lstrip("0"), self._raw())
        form = self._sum()
        if self._peek().value in PERCENT:
            self._take()
            value = algebra.as_number(form)
            return ("percent", value) if value is not None else expression(algebra.scale(form, Fraction(1, 100)))
        return expression(form)

    def _container(self) -> Node:
        opening = self._take().value
        with_braces = opening in ("{", r"\{")
        items: list[Node] = []
        self._deeper()
        if not (with_braces and self._peek().value in ("}", r"\}")):
            items = self._items()
        self._depth -= 1
        closing = self._take().value
        if closing not in (("}", r"\}") if with_braces else (")", "]")):
            raise GrammarError(f"{opening!r} closed by {closing!r}")
        if len(items) > MAX_ITEMS:
            raise BoundReachedError(f"a list has over {MAX_ITEMS} items")
        return _set(items) if with_braces else ("tuple", (opening, tuple(items), closing))

    def _matrix(self) -> Node:
        self._take()
        rows: list[list[Node]] = [[]]
        while not self._accept("end"):
            if self._accept(r"\\"):
                rows.append([])
            elif not self._accept("&"):
                rows[-1].append(self._relation())
            if len(rows) * max(1, len(rows[-1])) > MAX_ITEMS:
                raise BoundReachedError(f"a matrix has over {MAX_ITEMS} entries")
        return "matrix", tuple(tuple(row) for row in rows if row)

    # expressions

    def _sum(self) -> Form:
        self._deeper()
        terms = []
        while True:
            sign = 1
            while self._peek().value in ("+", "-"):
                sign *= -1 if self._take().value == "-" else 1
            term = self._product()
            terms.append(term if sign > 0 else algebra.scale(term, Fraction(-1)))
            if self._peek().value not in ("+", "-"):
                self._depth -= 1
                return algebra.add(*terms)

    def _product(self) -> Form:
        first = self._peek()
        product = self._factor()
        if first.kind == "number" and self._is_fraction_ahead():
            return algebra.add(product, self._product())  # a mixed number, 3 1/2
        while True:
            token = self._peek()
            if self._accept("*"):
                product = algebra.mul(product, self._signed_factor())
            elif self._accept("/"):
                product = algebra.mul(product, algebra.power(self._signed_factor(), algebra.number(-1)))
            elif self._is_unit(token) and algebra.as_number(product) is not None:
                self._take()
                if self._accept("^"):
                    self._argument()
            elif self._starts_factor(token):
                product = algebra.mul(product, self._factor())
            else:
                return product

    def _is_fraction_ahead(self) -> bool:
        if self._tokens[self._next - 1].kind != "number" or not self._tokens[self._next - 1].value.isdigit():
            return False
        if self._peek().value == r"\frac":
            return all(self._peek(ahead).kind == "number" or self._peek(ahead).value in "{}" for ahead in range(1, 4))
        return self._peek().kind == "number" and self._peek(1).value == "/" and self._peek(2).kind == "number"

    def _signed_factor(self) -> Form:
        if self._accept("-"):
            return algebra.scale(self._signed_factor(), Fraction(-1))
        return self._factor()

    def _factor(self) -> Form:
        base = self._base()
        while True:
            if self._accept("!"):
                base = _factorial(base)
            elif self._accept("^"):
                if self._accept(r"\circ") or (self._peek().value == "{" and self._peek(1).value == r"\circ"):
                    self._skip_group()
                    continue
                base = _power(base, self._exponent())
            else:
                return base

    def _exponent(self) -> Form:
        """The whole number in `2^10`, right-associative in `2^3^2`."""
        self._deeper()
        sign = -1 if self._accept("-") else 1
        exponent = self._number() if self._peek().kind == "number" else self._argument()
        if self._accept("^"):
            exponent = _power(exponent, self._exponent())
        self._depth -= 1
        return algebra.scale(exponent, Fraction(sign))

    def _base(self) -> Form:
        token = self._peek()
        if token.kind == "number":
            return self._number()
        if token.value in ("(", "[", "{", "|"):
            return self._group()
        if token.value == r"\frac":
            self._take()
            above = self._argument()
            return algebra.mul(above, algebra.power(self._argument(), algebra.number(-1)))
        if token.value in (r"\sqrt", "sqrt"):
            self._take()
            index = self._group() if self._peek().value == "[" else algebra.number(2)
            return algebra.power(self._argument(), algebra.power(index, algebra.number(-1)))
        if token.value == r"\binom":
            self._take()
            return _binomial(self._argument(), self._argument())
        if token.value == r"\boxed":
            self._take()
            return self._argument()
        if token.value.lstrip("\\") in CALLS:
            return self._call()
        if token.kind in ("word", "command", "text"):
            return self._symbol()
        raise GrammarError(f"unexpected {token.value!r}")

    def _group(self) -> Form:
        opening = self._take().value
        inner = self._sum()
        self._expect({"(": ")", "[": "]", "{": "}", "|": "|"}[opening])
        if opening != "|":
            return inner
        value = algebra.as_number(inner)
        return algebra.number(abs(value)) if value is not None else algebra.atom("call", "abs", inner)

    def _argument(self) -> Form:
        r"""What a command or `^` applies to: a group, one digit of a number (`\frac12`), or one symbol."""
        token = self._peek()
        if token.kind == "number" and len(token.value) > 1 and token.value.isdigit():
            self._tokens[self._next] = Token("number", token.value[1:])
            return algebra.number(int(token.value[0]))
        self._deeper()
        argument = self._base()
        self._depth -= 1
        return argument

    def _call(self) -> Form:
        name = self._take().value.lstrip("\\")
        base = self._argument() if self._accept("_") else None
        exponent = self._exponent() if self._accept("^") else algebra.number(1)
        self._deeper()
        if self._peek().value in ("(", "{", "[", "|"):
            argument = self._group()
        else:
            argument = self._factor()
            while self._starts_factor(self._peek()) and self._peek().value.lstrip("\\") not in CALLS:
                argument = algebra.mul(argument, self._factor())
        self._depth -= 1
        if name == "exp":
            return algebra.power(_power(algebra.atom("constant", "e"), argument), exponent)
        value = algebra.atom("call", "ln" if base is not None else name, argument)
        if base is not None:
            value = algebra.mul(value, algebra.power(algebra.atom("call", "ln", base), algebra.number(-1)))
        return algebra.power(value, exponent)

    def _symbol(self) -> Form:
        """A constant, a name of several letters, or a single letter; of `xy` the first, the rest stays to be read."""
        token = self._take()
        name = token.value.strip().lstrip("\\")
        if name in CONSTANTS and token.kind != "text":
            return algebra.atom("constant", CONSTANTS[name])
        if token.kind == "text":
            name = name.strip("()").strip()
        if token.kind == "word" and 1 < len(name) < 4:
            self._next -= 1
            self._tokens[self._next : self._next + 1] = [Token("word", letter) for letter in name]
            return self._symbol()
        if not name or (token.kind != "command" and not name.replace(" ", "").isalpha()):
            raise GrammarError(f"unexpected {token.value!r}")
        if token.kind == "command" and (not name.isalpha() or token.value in _STRUCTURAL):
            raise GrammarError(f"unexpected {token.value!r}")
        name = name.casefold() if len(name) > 1 and token.kind != "command" else name
        if self._accept("_"):
            name += f"_{self._raw()}"
        while self._accept("'"):
            name += "'"
        if self._peek().value == "(" and self._has_comma():
            return algebra.atom("call", name, self._container())
        return algebra.atom("symbol", name)

    def _number(self) -> Form:
        text = self._take().value.replace("{,}", "").replace(",", "").lower()
        mantissa, _, exponent = text.partition("e")
        if len(exponent.lstrip("+-")) > 4 or abs(int(exponent or 0)) > LARGEST_EXPONENT:
            raise BoundReachedError(f"an exponent of ten is over {LARGEST_EXPONENT}")
        whole, _, decimals = mantissa.partition(".")
        value = Fraction(int(whole + decimals or 0), 10 ** len(decimals))
        return algebra.number(value * Fraction(10) ** int(exponent or 0))

    # tokens

    def _peek(self, ahead: int = 0) -> Token:
        index = self._next + ahead
        return self._tokens[index] if index < len(self._tokens) else END

    def _take(self) -> Token:
        token = self._peek()
        self._next += 1
        return token

    def _accept(self, value: str) -> bool:
        if self._peek().value != value or self._peek() == END:
            return False
        self._next += 1
        return True

    def _expect(self, value: str) -> None:
        if not self._accept(value):
            raise GrammarError(f"{self._peek().value!r} where {value!r} should be")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BoundReachedError(f"an answer is nested over {MAX_DEPTH} deep")

    def _has_comma(self) -> bool:
        """Whether the bracket that comes next holds a list."""
        depth = 0
        for token in self._tokens[self._next :]:
            depth += (token.value in ("(", "[", "{", r"\{")) - (token.value in (")", "]", "}", r"\}"))
            if depth == 0:
                return False
            if depth == 1 and token.value in (",", ";"):
                return True
        return False

    def _skip_group(self) -> None:
        if self._tokens[self._next - 1].value == "^":
            self._next += 2
            self._expect("}")

    def _raw(self) -> str:
        """A subscript as it stands."""
        if not self._accept("{"):
            return self._take().value
        parts = []
        while not self._accept("}"):
            if self._peek() == END:
                raise GrammarError("a subscript is not closed")
            parts.append(self._take().value)
        return "".join(parts)

    def _is_separator(self, token: Token) -> bool:
        return token.value in (",", ";") or (token.kind in ("text", "word") and token.value.strip() in ("and", "or"))

    def _is_unit(self, token: Token) -> bool:
        if self._is_separator(token) or token.value in PERCENT:
            return False
        if token.kind == "text":
            return True
        name = token.value
        known = name in CALLS or name in CONSTANTS or name == "sqrt"
        return token.kind == "word" and not known and (len(name) > 3 or name in SHORT_UNITS)

    def _starts_factor(self, token: Token) -> bool:
        if self._is_separator(token) or token.value in PERCENT or token.value in _STRUCTURAL:
            return False
        return token.kind in ("word", "command", "text") or token.value in ("(", "{", "[")


_STRUCTURAL = (r"\cup", r"\cap", r"\in", r"\\", r"\}", r"\{", r"\setminus", r"\bmod", r"\mod", r"\sum", r"\prod", r"\int")


def _power(base: Form, exponent: Form) -> Form:
    return algebra.power(base, exponent)


def _difference(left: Node, right: Node) -> Form:
    return algebra.add(as_form(left), algebra.scale(as_form(right), Fraction(-1)))


def _monic(form: Form) -> Form:
    return algebra.scale(form, 1 / form[0][1]) if form else form


def _natural(form: Form) -> int | None:
    value = algebra.as_number(form)
    return int(value) if value is not None and value.denominator == 1 and value >= 0 else None


def _factorial(form: Form) -> Form:
    value = _natural(form)
    if value is None:
        return algebra.atom("call", "factorial", form)
    if value > LARGEST_FACTORIAL:
        raise BoundReachedError(f"a factorial is over {LARGEST_FACTORIAL}!")
    return algebra.number(math.factorial(value))


def _binomial(above: Form, below: Form) -> Form:
    total, chosen = _natural(above), _natural(below)
    if total is None or chosen is None:
        return algebra.atom("call", "binomial", (above, below))
    if total > LARGEST_EXPONENT:
        raise BoundReachedError(f"a binomial is over {LARGEST_EXPONENT}")
    return algebra.number(math.comb(total, chosen))
