r"""Functions of one argument: their written names, and the forms that they are read into.

Consumes names as people write them (`cosec`, `tg`, `arsinh`, `asinh`); produces forms. Few calls stay atoms: the
others are written with them, `coth x` as 1/tanh x and `arcsec x` as arccos 1/x, so that they are equal by hash. The
inverse cotangent lies between 0 and pi. Nothing is evaluated here.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from seed_grpo.verify.math.forms import algebra, functions
from seed_grpo.verify.math.forms.algebra import Form

_CIRCULAR = ("sin", "cos", "tan", "cot", "sec", "csc")
_HYPERBOLIC = tuple(f"{name}h" for name in _CIRCULAR)
_SHORT = {
    "cosec": "csc", "cosech": "csch", "tg": "tan", "ctg": "cot", "cotg": "cot", "cotan": "cot",
    "sh": "sinh", "ch": "cosh", "th": "tanh", "cth": "coth",
}  # fmt: skip
"""further names of circular and hyperbolic functions"""


def _inverses() -> dict[str, str]:
    """Names of inverse functions: arcsin and asin; arcsinh, arsinh, asinh and argsinh."""
    names = {}
    for name in (*_CIRCULAR, *_HYPERBOLIC, *_SHORT):
        known = _SHORT.get(name, name)
        prefixes = ["arc", *(("ar", "arg") if known in _HYPERBOLIC else ()), *(("a",) if len(name) > 2 else ())]
        names.update({prefix + name: f"arc{known}" for prefix in prefixes})
    return names


NAMES: dict[str, str] = {
    **{name: name for name in (*_CIRCULAR, *_HYPERBOLIC, "ln", "log", "lg", "lb", "exp", "abs", "sgn", "cbrt", "arg")},
    **_SHORT,
    **_inverses(),
    "log2": "lb", "log10": "lg", "sign": "sgn", "signum": "sgn", "Re": "re", "Im": "im", "factorial": "factorial",
    **{name: name.lower() for name in ("Ln", "Log", "Exp", "Arg")},
    **{name.capitalize(): name for name in _CIRCULAR},
    **{f"Arc{name}": f"arc{name}" for name in _CIRCULAR},
}  # fmt: skip
"""names as written, to those that `call` knows"""
ONLY_COMMANDS = ("sh", "ch", "th", "cth", "lb")
"""names that as plain words are something else"""
ONLY_BEFORE_BRACKETS = (
    *("abs", "sign", "signum", "arg", "Arg", "factorial", "Log", "Ln", "Exp", "Re", "Im"),
    *(name.capitalize() for name in _CIRCULAR),
)
"""names that are words, units or products where no bracket follows, unless they are commands"""
INVERSES = {
    **{name: f"arc{name}" for name in (*_CIRCULAR, *_HYPERBOLIC)},
    **{f"arc{name}": name for name in (*_CIRCULAR, *_HYPERBOLIC)},
    **{"ln": "exp", "log": "exp", "exp": "ln", "lg": "power of 10", "lb": "power of 2"},
}
"""names to what they mean with the exponent -1, which makes no reciprocal of them"""
LOGARITHMS = {"ln": None, "log": None, "lg": 10, "lb": 2}
"""logarithms to their bases, None for e"""
GAUGED = ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")
"""atoms whose value is asked for by itself, as in sin x = 3/5"""


def call(name: str, argument: Form) -> Form:
    """The function of a known name at an argument.

    Raises:
        ZeroDivisionError: it has no value there.
    """
    rewritten = _REWRITTEN.get(name)
    if rewritten is not None:
        return rewritten(argument)
    return algebra.atom("call", name, argument)


def logarithm(argument: Form, base: Form | None = None) -> Form:
    """The logarithm: ln 1 = 0 and ln e^x = x are exact; everything else stays a call."""
    if base is not None:
        return algebra.mul(logarithm(argument), algebra.power(logarithm(base), algebra.number(-1)))
    if argument == algebra.number(1):
        return ()
    if len(argument) == 1 and argument[0][1] == 1 and len(argument[0][0]) == 1:
        base_atom, exponent = argument[0][0][0]
        if base_atom == ("constant", "e"):
            return algebra.number(exponent)
    return algebra.atom("call", "ln", argument)


def exponential(argument: Form) -> Form:
    return algebra.power(algebra.atom("constant", "e"), argument)


def _over(name: str) -> Callable[[Form], Form]:
    """The function that is 1 over a named one."""
    return lambda form: algebra.power(call(name, form), algebra.number(-1))


def _of_reciprocal(name: str) -> Callable[[Form], Form]:
    """The function of 1 over its argument."""
    return lambda form: call(name, algebra.power(form, algebra.number(-1)))


def _power_of(base: int) -> Callable[[Form], Form]:
    return lambda form: algebra.power(algebra.number(base), form)


def _arccot(form: Form) -> Form:
    right_angle = algebra.scale(algebra.atom("constant", "pi"), Fraction(1, 2))
    return algebra.add(right_angle, algebra.scale(algebra.atom("call", "arctan", form), Fraction(-1)))


_REWRITTEN: dict[str, Callable[[Form], Form]] = {
    "coth": _over("tanh"), "sech": _over("cosh"), "csch": _over("sinh"),
    "arccot": _arccot, "arcsec": _of_reciprocal("arccos"), "arccsc": _of_reciprocal("arcsin"),
    "arccoth": _of_reciprocal("arctanh"), "arcsech": _of_reciprocal("arccosh"), "arccsch": _of_reciprocal("arcsinh"),
    "ln": logarithm, "log": logarithm, "lg": lambda form: logarithm(form, algebra.number(10)),
    "lb": lambda form: logarithm(form, algebra.number(2)), "exp": exponential,
    "power of 10": _power_of(10), "power of 2": _power_of(2),
    "cbrt": lambda form: algebra.power(form, algebra.number(Fraction(1, 3))),
    "abs": functions.absolute, "factorial": functions.factorial, "sgn": functions.sign,
    "floor": lambda form: functions.floor([form]), "re": functions.real_part, "im": functions.imaginary_part,
    "arg": functions.argument,
}  # fmt: skip
"""calls that have exact values or are written with others"""
