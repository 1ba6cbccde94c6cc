r"""The grammar of expressions: sums, products, powers, LaTeX commands and calls, read into exact forms.

Consumes tokens; produces forms of `seed_grpo.verify.algebra`. It evaluates no text. Units and degrees after a number
are dropped. Brackets that hold lists, and what stands around expressions, are `seed_grpo.verify.grammar`'s.
"""

from __future__ import annotations

import math
from fractions import Fraction

from seed_grpo.verify import algebra
from seed_grpo.verify.algebra import Form
from seed_grpo.verify.limits import BoundReachedError
from seed_grpo.verify.token_reader import GrammarError, TokenReader
from seed_grpo.verify.tokens import Token

CALLS = (
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan"),
    *("sinh", "cosh", "tanh", "ln", "log", "exp"),
)
CONSTANTS = {"pi": "pi", "infty": "infinity", "infinity": "infinity", "inf": "infinity", "e": "e", "i": "i"}
SHORT_UNITS = ("cm", "km", "mm", "kg", "mL", "ft", "lb", "oz", "mi", "in", "hr")
PERCENT = ("%", "percent", "percentage", "pct")
NO_SYMBOLS = (
    *(r"\cup", r"\cap", r"\in", r"\setminus", r"\\", r"\{", r"\}", "\\"),
    *(r"\bmod", r"\mod", r"\sum", r"\prod", r"\int", r"\lim", r"\gcd", r"\lcm", r"\max", r"\min"),
)
"""commands that are no names; the grammar does not cover the operators among them"""
LARGEST_FACTORIAL = 500
LARGEST_BINOMIAL = 1500
LARGEST_EXPONENT = 1500
"""of scientific notation"""


class ExpressionReader(TokenReader):
    """Reads expressions. A method consumes what its name says and returns its form."""

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
        sign = 1
        while self._accept("-"):
            sign = -sign
        return algebra.scale(self._factor(), Fraction(sign))

    def _factor(self) -> Form:
        base = self._base()
        depth = self._depth
        while True:
            self._deeper()  # each sign nests what stands left of it
            if self._accept("!"):
                base = _factorial(base)
            elif self._accept("^"):
                if self._accept_degree():
                    continue
                base = algebra.power(base, self._exponent())
            else:
                self._depth = depth
                return base

    def _exponent(self) -> Form:
        """The whole number in `2^10`, right-associative in `2^3^2`."""
        self._deeper()
        sign = -1 if self._accept("-") else 1
        exponent = self._number() if self._peek().kind == "number" else self._argument()
        if self._accept("^"):
            exponent = algebra.power(exponent, self._exponent())
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
            return algebra.power(algebra.power(algebra.atom("constant", "e"), argument), exponent)
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
        if token.kind == "command" and (not name.isalpha() or token.value in NO_SYMBOLS):
            raise GrammarError(f"unexpected {token.value!r}")
        name = name.casefold() if len(name) > 1 and token.kind != "command" else name
        if self._accept("_"):
            name += f"_{self._raw()}"
        while self._accept("'"):
            name += "'"
        if self._peek().value == "(" and self._has_comma():
            return algebra.atom("function", name, self._arguments())
        return algebra.atom("symbol", name)

    def _arguments(self) -> tuple[Form, ...]:
        self._expect("(")
        self._deeper()
        arguments = [self._sum()]
        while self._accept(","):
            arguments.append(self._sum())
        self._expect(")")
        self._depth -= 1
        return tuple(arguments)

    def _number(self) -> Form:
        text = self._take().value.replace("{,}", "").replace(",", "").lower()
        mantissa, _, exponent = text.partition("e")
        if len(exponent.lstrip("+-")) > 4 or abs(int(exponent or 0)) > LARGEST_EXPONENT:
            raise BoundReachedError(f"an exponent of ten is over {LARGEST_EXPONENT}")
        whole, _, decimals = mantissa.partition(".")
        value = Fraction(int(whole + decimals or 0), 10 ** len(decimals))
        return algebra.number(value * Fraction(10) ** int(exponent or 0))

    def _accept_degree(self) -> bool:
        braced = self._peek().value == "{" and self._peek(1).value == r"\circ"
        if braced:
            self._next += 2
            self._expect("}")
        return braced or self._accept(r"\circ")

    def _is_unit(self, token: Token) -> bool:
        if self._is_separator(token) or token.value in PERCENT:
            return False
        if token.kind == "text":
            return True
        name = token.value
        known = name in CALLS or name in CONSTANTS or name == "sqrt"
        return token.kind == "word" and not known and (len(name) > 3 or name in SHORT_UNITS)

    def _starts_factor(self, token: Token) -> bool:
        if self._is_separator(token) or token.value in PERCENT or token.value in NO_SYMBOLS:
            return False
        return token.kind in ("word", "command", "text") or token.value in ("(", "{", "[")


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
        return algebra.atom("function", "binomial", (above, below))
    if total > LARGEST_BINOMIAL:
        raise BoundReachedError(f"a binomial is over {LARGEST_BINOMIAL}")
    return algebra.number(math.comb(total, chosen))
