r"""The grammar of expressions: sums, products, powers, LaTeX commands and calls, read into exact forms.

Consumes tokens; produces forms of `seed_grpo.verify.algebra`. It evaluates no text. An expression ends where its unit
begins. Brackets that hold lists, and what stands around expressions, are `seed_grpo.verify.grammar`'s; sums, limits and
integrals `seed_grpo.verify.operators`'.
"""

from __future__ import annotations

from fractions import Fraction

from seed_grpo.verify import algebra, functions
from seed_grpo.verify.algebra import Form
from seed_grpo.verify.limits import BoundReachedError
from seed_grpo.verify.token_reader import GrammarError, TokenReader
from seed_grpo.verify.tokens import CLOSING, Token
from seed_grpo.verify.units import CURRENCIES, is_unit

INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
CALLS = (
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan"),
    *("sinh", "cosh", "tanh", "ln", "log", "lg", "exp"),
)
FUNCTIONS = {**{name: name for name in functions.FUNCTIONS}, "ceiling": "ceil"}
CONSTANTS = {"pi": "pi", "infty": "infinity", "infinity": "infinity", "inf": "infinity", "e": "e", "i": "i", "I": "i"}
ACCENTS = ("overline", "bar", "vec", "hat", "tilde", "widehat", "underline", "mathbb", "mathcal")
PERCENT = ("%", "percent", "percentage", "pct")
SILENT = (r"\angle", r"\triangle", r"\measuredangle")
"""commands that only say what kind of thing a name names"""
PREFIXES = (r"\Delta", r"\delta", r"\partial")
"""commands that make one name with the letter behind them"""
FENCES = {"(": ")", "[": "]", "{": "}", "|": "|", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
NO_SYMBOLS = (
    *(r"\cup", r"\cap", r"\in", r"\notin", r"\setminus", r"\\", r"\{", r"\}", "\\", r"\mod", r"\to", r"\pm", r"\mp"),
    *(r"\rfloor", r"\rceil", r"\rangle", r"\langle", r"\|", r"\dots", r"\approx", r"\wedge", r"\vee", r"\circ"),
    *(r"\equiv", r"\choose", r"\over", r"\subset", r"\subseteq", r"\forall", r"\exists"),
)
"""commands that are no names; the grammar does not cover the operators among them"""
FUNCTION_NAMES = "fghFGH"
"""letters that stand for functions when a bracket follows"""
LARGEST_EXPONENT = 1500
"""of scientific notation"""
DEGREE = algebra.mul(algebra.atom("constant", "pi"), algebra.number(Fraction(1, 180)))


class ExpressionReader(TokenReader):
    """Reads expressions. A method consumes what its name says and returns its form."""

    _calls = 0
    """how many calls the reading is inside of; there degrees are angles and not units"""
    _modulus_follows = False
    """whether `mod` belongs to a congruence and not to the expression"""
    _name_call = False
    """whether a bracket after any name is the argument of a function: left of an equals sign"""

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
        first = self._peek()
        product = algebra.scale(self._factor(), Fraction(sign))
        if first.kind == "number" and self._is_fraction_ahead():
            part = self._factor()
            if self._accept("/"):
                part = algebra.mul(part, algebra.power(self._factor(), algebra.number(-1)))
            product = algebra.add(product, algebra.scale(part, Fraction(sign)))  # a mixed number, 3 1/2
        while self._starts_factor(self._peek()):
            product = algebra.mul(product, self._juxtaposed(1))
        return product

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
            if self._accept("!"):
                base = functions.factorial(base)
            elif self._peek().value == "^" and self._is_degree(1):
                if not self._calls:
                    break  # a unit, for who reads the whole answer
                self._skip_degree()
                base = algebra.mul(base, DEGREE)
            elif self._accept("^"):
                base = algebra.power(base, self._exponent())
            else:
                break
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
        name = token.value.lstrip("\\")
        if token.kind == "number":
            return self._number()
        if token.value in FENCES:
            return self._group()
        if token.value in SILENT:
            self._take()
            return self._base()
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
            return functions.binomial(self._argument(), self._argument())
        if token.value in (r"\boxed", r"\fbox"):
            self._take()
            return self._argument()
        if name in CALLS:
            return self._call()
        if name in FUNCTIONS and self._peek(1).value in ("(", "{", "_"):
            return self._function(FUNCTIONS[name])
        return self._operator() if token.value in self._operators else self._symbol()

    _operators: tuple[str, ...] = ()
    """commands of the operators that `_operator` reads"""

    def _operator(self) -> Form:
        raise NotImplementedError

    def _group(self) -> Form:
        opening = self._take().value
        name_call, self._name_call = self._name_call, False
        inner = self._sum()
        if opening == "{" and self._accept(r"\choose"):
            inner = functions.binomial(inner, self._sum())
        elif opening == "{" and self._accept(r"\over"):
            inner = algebra.mul(inner, algebra.power(self._sum(), algebra.number(-1)))
        self._name_call = name_call
        self._expect(FENCES[opening])
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

    def _call(self) -> Form:
        name = self._take().value.lstrip("\\")
        base = self._argument() if self._accept("_") else None
        exponent = self._exponent() if self._accept("^") else algebra.number(1)
        if name in INVERSE and algebra.as_number(exponent) == -1:
            name, exponent = INVERSE[name], algebra.number(1)
        if base is None and self._accept("_"):
            base = self._argument()
        argument = self._call_argument()
        if name == "exp":
            return algebra.power(algebra.power(algebra.atom("constant", "e"), argument), exponent)
        if name in ("log", "lg"):
            name = "ln"
        value = _logarithm(argument) if name == "ln" else algebra.atom("call", name, argument)
        if base is not None:
            value = algebra.mul(value, algebra.power(_logarithm(base), algebra.number(-1)))
        return algebra.power(value, exponent)

    def _call_argument(self) -> Form:
        self._deeper()
        self._calls += 1
        if self._peek().value in ("(", "{", "[", "|"):
            argument = self._factor() if self._peek().value in ("{", "|") else self._group()
        else:
            argument = self._factor_signed()
            while self._starts_factor(self._peek()) and self._peek().value.lstrip("\\") not in CALLS:
                if self._peek().value == "(":
                    break
                argument = algebra.mul(argument, self._factor())
            if self._peek().value == "/" and self._peek(1).kind == "number":
                self._take()
                argument = algebra.mul(argument, algebra.power(self._factor(), algebra.number(-1)))
        self._calls -= 1
        self._depth -= 1
        return argument

    def _function(self, name: str) -> Form:
        self._take()
        if self._accept("_"):
            raise GrammarError(f"{name} over a set")
        return functions.FUNCTIONS[name](self._arguments())

    def _symbol(self) -> Form:
        """A constant, a name of several letters, or a single letter; of `xy` the first, the rest stays to be read."""
        token = self._take()
        name = token.value.strip().lstrip("\\")
        if token.kind == "command" and name in ACCENTS or name == "bar" and self._peek().value == "{":
            name = f"{'bar' if name == 'overline' else name} {self._raw()}"
        elif name in CONSTANTS and self._peek().value != "_":
            return algebra.atom("constant", CONSTANTS[name])
        elif token.value in PREFIXES and self._peek().kind in ("word", "command"):
            name += f" {self._take().value}"
        elif token.kind == "word" and 1 < len(name) < 4:
            self._next -= 1
            self._tokens[self._next : self._next + 1] = [Token("word", letter) for letter in name]
            return self._symbol()
        else:
            name = _checked_name(token, name)
        if self._peek().value == "^" and self._peek(2).value == "_":  # v^2_0
            self._tokens[self._next : self._next + 4] = [self._peek(ahead) for ahead in (2, 3, 0, 1)]
        if self._accept("_"):
            name += f"_{self._raw()}"
        name += self._primes()
        called = name.rstrip("'")[0] in FUNCTION_NAMES or self._name_call
        if self._peek().value == "{" and self._peek(1).value == "(" and called:  # as sympy prints it, f{(x)}
            self._take()
            arguments = self._arguments()
            self._expect("}")
            return algebra.atom("function", name, arguments)
        if self._peek().value == "(" and (self._has_inside(",") or called):
            return algebra.atom("function", name, self._arguments())
        return algebra.atom("symbol", name)

    def _primes(self) -> str:
        primes = ""
        while True:
            if self._accept("'"):
                primes += "'"
            elif self._peek().value == "^" and self._peek(1).value == "'":
                self._next += 1
            elif self._peek().value == "^" and self._peek(1).value == "{" and self._peek(2).value == "'":
                self._take()
                primes += self._raw()
            else:
                return primes

    def _arguments(self) -> tuple[Form, ...]:
        closing = FENCES[self._take().value]
        self._deeper()
        arguments = [self._sum()]
        while self._accept(",") or self._accept(";"):
            arguments.append(self._sum())
        self._expect(closing)
        self._depth -= 1
        return tuple(arguments)

    def _number(self) -> Form:
        text = self._take().value.lower()
        mantissa, _, exponent = text.partition("e")
        if len(exponent.lstrip("+-")) > 4 or abs(int(exponent or 0)) > LARGEST_EXPONENT:
            raise BoundReachedError(f"an exponent of ten is over {LARGEST_EXPONENT}")
        whole, point, decimals = mantissa.partition(".")
        value = Fraction(int(whole + decimals or 0), 10 ** len(decimals))
        if point and self._peek().value in (r"\overline", r"\bar") and self._peek(2).value.isdigit():
            self._take()
            period = self._raw()
            if not period.isdigit():
                raise GrammarError(f"{period!r} repeats in a decimal")
            value += Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(decimals))
        return algebra.number(value * Fraction(10) ** int(exponent or 0))

    def _is_degree(self, ahead: int) -> bool:
        return self._peek(ahead).value == r"\circ" or (
            self._peek(ahead).value in "{(" and self._peek(ahead + 1).value == r"\circ"
        )

    def _skip_degree(self) -> None:
        while self._take().value != r"\circ":
            pass
        if self._tokens[self._next - 2].value == "{":
            self._expect("}")

    def _is_unit(self, token: Token) -> bool:
        """Whether a token after a value names its unit or what is counted."""
        if token.value in CURRENCIES:
            return True
        if token.kind == "text":
            return token.value not in CONSTANTS
        name = token.value
        known = name in CALLS or name in CONSTANTS or name == "sqrt" or name in FUNCTIONS
        return token.kind == "word" and not known and (len(name) > 3 or is_unit(name))

    def _starts_factor(self, token: Token) -> bool:
        if self._is_separator(token) or token.value in (*PERCENT, *NO_SYMBOLS) or self._is_unit(token):
            return False
        if token.kind == "number":
            before = self._tokens[self._next - 1]
            return before.kind == "word" or (before.value in CLOSING and before.value != "]") or before.value == "!" or self._is_mixed_ahead()
        return token.kind in ("word", "command") or token.value in ("(", "{")

    def _is_mixed_ahead(self) -> bool:
        return self._peek(1).value == r"\frac"


def _checked_name(token: Token, name: str) -> str:
    if token.kind == "text":
        name = name.strip("()").strip()
    if token.kind not in ("word", "command", "text"):
        raise GrammarError(f"unexpected {token.value!r}")
    if not name or (token.kind != "command" and not name.replace(" ", "").isalpha()):
        raise GrammarError(f"unexpected {token.value!r}")
    if token.kind == "command" and (not name.isalpha() or token.value in NO_SYMBOLS):
        raise GrammarError(f"unexpected {token.value!r}")
    return name.casefold() if len(name) > 1 and token.kind != "command" else name


def _logarithm(argument: Form) -> Form:
    """ln 1 = 0 and ln e^x = x are exact; everything else stays a call."""
    if argument == algebra.number(1):
        return ()
    if len(argument) == 1 and argument[0][1] == 1 and len(argument[0][0]) == 1:
        base, exponent = argument[0][0][0]
        if base == ("constant", "e"):
            return algebra.number(exponent)
    return algebra.atom("call", "ln", argument)
