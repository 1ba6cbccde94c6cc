r"""The grammar of expressions: sums, products, powers, LaTeX commands and calls, read into exact forms.

Consumes tokens; produces forms. It evaluates no text. An expression ends where its unit begins. Brackets that hold
lists, and what stands around expressions, are `grammar`'s; sums, limits and integrals are `operators`'.
"""

from __future__ import annotations

from fractions import Fraction

from seed_grpo.verify.isolation.bounds import GrammarError
from seed_grpo.verify.math.forms import algebra, calls, functions, numeric
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.names import UNIT_VECTORS
from seed_grpo.verify.math.forms.units import RADIANS
from seed_grpo.verify.math.reading.atoms import NO_FACTORS, PERCENT, AtomReader
from seed_grpo.verify.math.reading.tokens import CLOSING, Token

COUNTS = {r"\binom": functions.binomial, r"\permutations": functions.permutations}
FENCES = {"(": ")", "[": "]", "{": "}", "|": "|", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}


class ExpressionReader(AtomReader):
    """Reads expressions. A method consumes what its name says and returns its form."""

    _calls = 0
    """how many calls the reading is inside of; there degrees are angles and not units"""
    _modulus_follows = False
    """whether `mod` belongs to a congruence and not to the expression"""
    _in_degrees = False
    """whether a term of the expression was in degrees"""
    _bar_ends = False
    """whether the next bar ends something, and does not begin an absolute value that is a factor"""

    def _sum(self) -> Form:
        self._deeper()
        terms = []
        while True:
            sign = 1
            while self._peek().value in ("+", "-"):
                sign *= -1 if self._take().value == "-" else 1
            terms.append(self._product(sign))
            if self._peek().value not in ("+", "-"):
                self._depth -= 1
                return algebra.add(*terms)

    def _product(self, sign: int = 1) -> Form:
        """Factors, left to right. Juxtaposition binds before `/`, as in a/2b, but not in a written fraction, 3/2 x."""
        product = self._juxtaposed(sign)
        while True:
            if self._accept("*"):
                product = algebra.mul(product, self._juxtaposed(self._signs()))
            elif self._accept("/"):
                below = self._divisor()
                product = algebra.mul(product, algebra.power(below, algebra.number(-1)))
            elif not self._modulus_follows and self._accept(r"\mod"):
                product = functions.modulo(product, self._factor_signed())
            elif self._starts_factor(self._peek()):
                product = algebra.mul(product, self._factor())
            else:
                return product

    def _divisor(self) -> Form:
        written = self._tokens[self._next - 2].kind == "number" and self._peek().kind == "number"
        return self._factor_signed() if written else self._juxtaposed(self._signs())

    def _juxtaposed(self, sign: int) -> Form:
        product = algebra.scale(self._mixed(), Fraction(sign))
        while self._starts_factor(self._peek()):
            product = algebra.mul(product, self._mixed())
        return product

    def _mixed(self) -> Form:
        """A factor, or a mixed number such as 3 1/2."""
        start = self._next
        factor = self._factor()
        if self._next > start + 1 or not self._is_fraction_ahead():
            return factor
        part = self._factor()
        if self._accept("/"):
            part = algebra.mul(part, algebra.power(self._factor(), algebra.number(-1)))
        return algebra.add(factor, part)

    def _is_fraction_ahead(self) -> bool:
        before = self._tokens[self._next - 1]
        if before.kind != "number" or not before.value.isdigit():
            return False
        if self._peek().value == r"\frac":
            inside = [self._peek(ahead) for ahead in (2, 5)]
            return all(token.kind == "number" for token in inside) and self._peek(7).value not in ("^", "!")
        return self._peek().kind == "number" and self._peek(1).value == "/" and self._peek(2).kind == "number"

    def _signs(self) -> int:
        sign = 1
        while self._peek().value in ("+", "-"):
            sign *= -1 if self._take().value == "-" else 1
        return sign

    def _factor_signed(self) -> Form:
        sign = self._signs()
        return algebra.scale(self._factor(), Fraction(sign))

    def _factor(self) -> Form:
        base = self._base()
        depth = self._depth
        while True:
            self._deeper()  # each sign nests what stands left of it
            if self._peek().value == "!":
                base = self._factorial(base)
            elif self._peek().value == "^" and self._is_degree(1):
                if not self._calls and not self._is_degree_inside():
                    break  # a unit, for who reads the whole answer
                self._skip_degree()
                if self._calls:
                    base = algebra.mul(base, RADIANS)
                else:
                    self._in_degrees = True
            elif self._peek().value == "^" and "'" in (self._peek(1).value, self._peek(2).value):
                break  # minutes or seconds of an angle
            elif self._accept("^"):
                base = algebra.power(base, self._exponent())
            else:
                break
        self._depth = depth
        return base

    def _factorial(self, base: Form) -> Form:
        """One sign or two: 7!! is 7 times 5 times 3, and not the factorial of a factorial."""
        signs = 0
        while self._accept("!"):
            signs += 1
        if signs > 2:
            raise GrammarError(f"{signs} signs of a factorial")
        return functions.factorial(base) if signs == 1 else functions.double_factorial(base)

    def _is_degree_inside(self) -> bool:
        r"""Whether what is in degrees goes on behind the sign that is ahead, as in 180^\circ - 2\alpha."""
        token = self._peek(4 if self._peek(1).value == "{" else 2)
        if token.kind == "word" and len(token.value) == 1 and token.value.islower():  # 360^\circ k, and not 30^\circ C
            return True
        return token.value in ("+", "-", "*", "/", ")", "]", "}")

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
        if token.value in FENCES:
            return self._group()
        if token.value == r"\frac":
            self._take()
            above = self._argument()
            return algebra.mul(above, algebra.power(self._argument(), algebra.number(-1)))
        if token.value in (r"\sqrt", "sqrt"):
            self._take()
            index = self._group() if self._peek().value == "[" else algebra.number(2)
            return algebra.power(self._radicand(), algebra.power(index, algebra.number(-1)))
        if token.value in COUNTS:
            self._take()
            return COUNTS[token.value](self._argument(), self._argument())
        if token.kind == "call":
            return self._call()
        if token.kind == "function":
            return self._function()
        return self._operator() if token.value in self._operators else self._symbol()

    _operators: tuple[str, ...] = ()
    """commands of the operators that `_operator` reads"""

    def _operator(self) -> Form:
        raise NotImplementedError

    def _group(self) -> Form:
        opening = self._take().value
        name_call, self._name_call = self._name_call, False
        bar_ends, self._bar_ends = self._bar_ends, opening == "|"
        inner = self._sum()
        self._name_call, self._bar_ends = name_call, bar_ends
        self._expect(FENCES[opening])
        followed = self._peek().value != "|" and self._starts_factor(self._peek())
        if opening == "|" and followed and any(token.value == "|" for token in self._tokens[self._next :]):
            raise GrammarError("bars that do not say where they open, |2|x|-1|")
        if opening in (r"\lfloor", r"\lceil"):
            return functions.FUNCTIONS["floor" if opening == r"\lfloor" else "ceil"]([inner])
        return functions.absolute(inner) if opening == "|" else inner

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

    def _radicand(self) -> Form:
        """A whole number, of which none but a typesetter takes the first digit alone, or an argument."""
        return self._number() if self._peek().kind == "number" else self._argument()

    def _call(self) -> Form:
        r"""With an exponent of -1 the inverse function, `\sinh^{-1} x`; with another a power, `\sin^2 x`."""
        name = self._take().value
        base = self._index() if self._accept("_") else None
        exponent = self._exponent() if self._accept("^") else algebra.number(1)
        if base is None and self._accept("_"):
            base = self._index()
        argument = self._call_argument()
        is_inverse = algebra.as_number(exponent) == -1 and name in calls.INVERSES
        if base is not None:
            if name not in ("log", "ln"):
                raise GrammarError(f"{name} with an index")
            value = algebra.power(base, argument) if is_inverse else calls.logarithm(argument, base)
        else:
            value = calls.call(calls.INVERSES[name] if is_inverse else name, argument)
        return value if is_inverse else algebra.power(value, exponent)

    def _index(self) -> Form:
        r"""The base of a logarithm: of \log_10 100 the whole number, of \log_28 the digit that leaves an argument."""
        whole = self._peek().kind == "number" and self._peek().value.isdigit()
        follows = self._peek(1).kind in ("number", "word", "command", "name") or self._peek(1).value in ("(", "{", "|")
        return self._number() if whole and follows else self._argument()

    def _call_argument(self) -> Form:
        self._deeper()
        self._calls += 1
        if self._peek().value in ("(", "{", "[", "|"):
            argument = self._factor() if self._peek().value in ("{", "|") else self._group()
        else:
            argument = self._factor_signed()
            while self._starts_factor(self._peek()) and self._peek().kind != "call":
                if self._peek().value == "(" or self._peek().value in UNIT_VECTORS:
                    break
                argument = algebra.mul(argument, self._factor())
            constant = self._peek().value == "/" and numeric.real_value(argument) is not None
            if constant and self._peek(1).kind == "number":  # sin pi/6, but not sin x/2
                self._take()
                argument = algebra.mul(argument, algebra.power(self._factor(), algebra.number(-1)))
        self._calls -= 1
        self._depth -= 1
        return argument

    def _function(self) -> Form:
        name = self._take().value
        if self._accept("_"):
            raise GrammarError(f"{name} over a set")
        return functions.FUNCTIONS[name](self._arguments())

    def _starts_factor(self, token: Token) -> bool:
        if self._is_separator(token) or token.value in (*PERCENT, *NO_FACTORS) or self._is_unit(token):
            return False
        if token.kind == "number":
            before = self._tokens[self._next - 1]
            ended = before.kind in ("word", "name") or before.value in (*CLOSING, "!") or self._is_after_power()
            return (ended and before.value != "]") or self._peek(1).value == r"\frac"
        if token.value == "|":
            return not self._bar_ends
        kinds = ("word", "name", "command", "index", "text", "call", "function")
        return token.kind in kinds or token.value in ("(", "{", "vmatrix")

    def _is_after_power(self) -> bool:
        """Whether the number before was an exponent, so that another one is a factor: 2^6 3^5."""
        signs = (self._tokens[self._next - 2].value, self._tokens[self._next - 3].value) if self._next > 2 else ("", "")
        return self._tokens[self._next - 1].kind == "number" and (signs[0] == "^" or signs == ("-", "^"))
