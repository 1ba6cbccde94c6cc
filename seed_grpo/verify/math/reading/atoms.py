r"""The leaves of expressions: numbers, names, degrees, and where a unit begins.

Consumes tokens; produces forms. What is made of leaves is `seed_grpo.verify.math.reading.expressions`'.
"""

from __future__ import annotations

import re
from fractions import Fraction

from seed_grpo.verify.isolation.bounds import BoundReachedError, GrammarError
from seed_grpo.verify.math.forms import algebra, names
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.units import CURRENCIES, is_unit, read_unit
from seed_grpo.verify.math.reading.token_reader import TokenReader
from seed_grpo.verify.math.reading.tokens import Token

CONSTANTS = {"pi": "pi", "infty": "infinity", "infinity": "infinity", "inf": "infinity", "e": "e", "i": "i", "I": "i"}
ACCENTS = {
    **{name: name for name in ("vec", "hat", "tilde", "dot", "ddot", "breve", "check", "mathring")},
    **{name: name for name in ("mathbb", "mathcal")},
    **{"overline": "bar", "bar": "bar", "widehat": "hat", "overrightarrow": "vec", "widetilde": "tilde"},
    **{"mathfrak": "mathfrak", "mathscr": "mathcal", "overarc": "hat", "overparen": "hat", "wideparen": "hat"},
    **{"overleftrightarrow": "line"},
}
"""what stands over a name, or the alphabet that it is in, as a part of the name"""
SYMBOLS = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
    *("xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "digamma"),
    *("varepsilon", "vartheta", "varpi", "varrho", "varsigma", "varphi", "varkappa"),
    *("Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta", "Theta", "Iota", "Kappa", "Lambda", "Mu", "Nu"),
    *("Xi", "Omicron", "Pi", "Rho", "Sigma", "Tau", "Upsilon", "Phi", "Chi", "Psi", "Omega"),
    *("varGamma", "varDelta", "varTheta", "varLambda", "varXi", "varPi", "varSigma", "varPhi", "varPsi", "varOmega"),
    *("ell", "hbar", "hslash", "imath", "jmath", "aleph", "beth", "wp", "mho", "eth", "nabla", "partial"),
}
"""commands that are names of their own; an answer with one that nobody knows is no mathematics"""
NUMBER_SETS = ("N", "Z", "Q", "R", "C", "F", "H")
r"""letters that stand for sets of numbers in \mathbb; \mathbb{E} and \mathbb{P} are functions"""
PERCENT = ("%", "percent", "percentage", "pct")
PREFIXES = (r"\Delta", r"\delta", r"\partial")
"""commands that make one name with the letter behind them"""
NO_FACTORS = (
    *(r"\cup", r"\cap", r"\in", r"\notin", r"\setminus", r"\\", r"\{", r"\}", "\\", r"\mod", r"\to", r"\pm", r"\mp"),
    *(r"\rfloor", r"\rceil", r"\rangle", r"\langle", r"\|", r"\approx", r"\circ", r"\equiv"),
)
"""commands at which a product ends"""
FUNCTION_NAMES = "fghFGH"
"""letters that stand for functions when a bracket follows"""
VARIABLES = "xyz"
"""letters that stand for functions where only a letter or a number is in the bracket"""
LARGEST_EXPONENT = 1500
"""of scientific notation"""


class AtomReader(TokenReader):
    """Reads the leaves of expressions. A method consumes what its name says and returns its form."""

    _infinities = 0
    """how many times infinity was read"""
    _has_units = False
    """whether a unit vector was read"""
    _name_call = False
    """whether a bracket after any name is the argument of a function: left of an equals sign"""

    def _sum(self) -> Form:
        raise NotImplementedError

    def _symbol(self) -> Form:
        """A constant, a name of several letters, or a single letter; of `xy` the first, the rest stays to be read."""
        token = self._take()
        if token.kind in ("index", "name"):
            self._has_units |= token.value in names.UNIT_VECTORS
            return algebra.atom("symbol", token.value)
        name = token.value.strip().lstrip("\\")
        if (token.kind == "command" and name in ACCENTS) or (name == "bar" and self._peek().value == "{"):
            letters = self._raw()
            if name == "mathbb" and letters in NUMBER_SETS:
                raise GrammarError("a set of numbers in a calculation")
            name = names.accented(name, ACCENTS[name], letters)
        elif name in CONSTANTS and self._peek().value != "_" and not (name == "I" and self._is_called(name)):
            self._infinities += CONSTANTS[name] == "infinity"
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
        called = name.rstrip("'")[0] in FUNCTION_NAMES or self._is_called(name)
        if called and self._accept_inverse():
            name += "^{-1}"
        if self._peek().value == "{" and self._peek(1).value == "(" and called:  # as sympy prints it, f{(x)}
            self._take()
            arguments = self._arguments()
            self._expect("}")
            return algebra.atom("function", name, arguments)
        if self._peek().value == "(" and (self._has_inside(",") or called):
            return algebra.atom("function", name, self._arguments())
        return algebra.atom("symbol", name)

    def _is_called(self, name: str) -> bool:
        """Whether a bracket is an argument: left of an equals sign, and of a number, since I(0) is no product.

        The sum in y(x - 1) = x + 1 is a factor, as is that of every letter in `VARIABLES`.
        """
        at = self._inverse_ahead()
        is_value = self._peek(at + 1).kind == "number" and self._peek(at + 2).value == ")"
        is_factor = name in VARIABLES and self._has_inside("+", "-")
        return self._peek(at).value == "(" and (is_value or (self._name_call and not is_factor))

    def _inverse_ahead(self) -> int:
        """How many tokens say that an inverse function is meant, the ^{-1} of f^{-1}(x)."""
        values = tuple(self._peek(ahead).value for ahead in range(6))
        lengths = {("^", "{", "-", "1", "}", "("): 5, ("^", "-", "1", "("): 3}
        return next((length for signs, length in lengths.items() if values[: length + 1] == signs), 0)

    def _accept_inverse(self) -> bool:
        length = self._inverse_ahead()
        self._next += length
        return length > 0

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
        closing = {"(": ")", "{": "}", r"\{": r"\}"}[self._take().value]
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
        if point and self._peek().value == r"\overline":
            self._take()
            period = self._raw()
            if not period.isdigit() or self._peek().kind == "number":
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
            return token.value not in CONSTANTS and (len(token.value) > 1 or read_unit(token.value) is not None)
        if self._is_unit_of_several(token):
            return True
        name = token.value
        known = name in CONSTANTS or name == "sqrt"
        return token.kind == "word" and not known and (len(name) > 3 or is_unit(name))

    def _is_unit_of_several(self, token: Token) -> bool:
        """Whether a single letter is a unit since a smaller one follows: 2 m 35 cm, 3 h 5 min."""
        if token.kind != "word" or len(token.value) > 1 or self._peek(1).kind != "number":
            return False
        larger, smaller = read_unit(token.value), read_unit(self._peek(2).value)
        if larger is None or smaller is None or self._peek(2).kind not in ("word", "text"):
            return False
        return larger.dimensions == smaller.dimensions and larger.factor > smaller.factor


def _checked_name(token: Token, name: str) -> str:
    if token.kind == "text":
        name = re.sub(r"^(?:the|an|a) ", "", name.strip("()").strip())
    if token.kind not in ("word", "command", "text"):
        raise GrammarError(f"unexpected {token.value!r}")
    if not name or (token.kind != "command" and not name.replace(" ", "").isalpha()):
        raise GrammarError(f"unexpected {token.value!r}")
    if token.kind == "command" and name not in SYMBOLS:
        raise GrammarError(f"unexpected {token.value!r}")
    return name.casefold() if len(name) > 1 and token.kind != "command" else name
