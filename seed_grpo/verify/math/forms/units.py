r"""Units after a number: cm, `\text{ square feet}`, dollars, `^\circ`.

Consumes the words that stand after a value; produces a `Unit`, or None for words that only label what is counted
(students, units). Two values with units are equal when both units measure the same and the values agree after
conversion; a value without a unit is equal to the same value with any.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from seed_grpo.verify.math.forms import algebra


class Unit(NamedTuple):
    """A unit of measurement, e.g. for cm^2 `Unit(Fraction(1, 10000), (("length", 2),))`."""

    factor: Fraction
    """factor that converts a value to the base unit"""
    dimensions: tuple[tuple[str, int], ...]
    """base dimension and exponent, sorted"""


DEGREE = Unit(Fraction(1), (("angle", 1),))
RADIANS = algebra.mul(algebra.atom("constant", "pi"), algebra.number(Fraction(1, 180)))
"""one degree in radians"""
RADIAN = Unit(Fraction(1), (("radian", 1),))
MINUTE = Unit(Fraction(1, 60), DEGREE.dimensions)
SECOND = Unit(Fraction(1, 3600), DEGREE.dimensions)
"""parts of an angle, as 5' and 3'' say"""
MONEY = Unit(Fraction(1), (("dollar", 1),))
CURRENCIES = {r"\dollar": MONEY, "€": Unit(Fraction(1), (("euro", 1),)), "£": Unit(Fraction(1), (("pound", 1),))}

_TABLE: dict[str, dict[str, Fraction | int]] = {
    "length": {
        "m meter metre": 1, "km kilometer kilometre": 1000, "cm centimeter centimetre": Fraction(1, 100),
        "mm millimeter millimetre": Fraction(1, 1000), "in inch inche": Fraction(254, 10000),
        "ft foot feet": Fraction(3048, 10000), "yd yard": Fraction(9144, 10000), "mi mile": Fraction(1609344, 1000),
    },
    "time": {
        "s sec second": 1, "min minute": 60, "h hr hour": 3600, "day": 86400, "week": 604800, "ms": Fraction(1, 1000),
    },
    "mass": {
        "g gram": 1, "kg kilogram": 1000, "mg milligram": Fraction(1, 1000), "oz ounce": Fraction(28349523125, 10**9),
        "lb pound": Fraction(45359237, 10**5), "ton tonne": 10**6,
    },
    "month": {"month": 1, "year yr": 12},
    "volume": {
        "l liter litre": 1, "ml milliliter millilitre": Fraction(1, 1000), "gal gallon": Fraction(3785411784, 10**9),
        "qt quart": Fraction(3785411784, 4 * 10**9), "pt pint": Fraction(3785411784, 8 * 10**9),
    },
    "dollar": {"dollar usd buck": 1, "cent": Fraction(1, 100)},
    "euro": {"euro eur": 1},
    "yuan": {"yuan rmb": 1},
    "angle": {"degree deg": 1},
    "radian": {"radian rad": 1},
    "unit": {"unit": 1},
    "temperature": {"celsiu": 1},
    "fahrenheit": {"fahrenheit": 1},
}  # fmt: skip
UNITS = {
    name: Unit(Fraction(factor), ((dimension, 1),))
    for dimension, names in _TABLE.items()
    for line, factor in names.items()
    for name in line.split()
}
UNITS["mph"] = Unit(Fraction(1609344, 3600000), (("length", 1), ("time", -1)))
_MODIFIERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
_TEMPERATURE = re.compile(r"degrees? (?=celsius|fahrenheit)", re.I)
_WORDS = re.compile(r"[a-zA-Z]+|\^\{?-?\d\}?|/")


SCALES = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NO_LABEL = re.compile(
    r"\d|\b(?:no|not|wait|nor|plus|minus|times|over|divided|by|halves|thirds|quarters|squared|cubed|factorial|and|or|but"
    r"|than|less|more|if|point|where|unless|except|approximately|about)\b",
    re.I,
)


def is_label(text: str) -> bool:
    """Checks whether words behind a value may only say what is counted: none of them calculates, denies or goes on."""
    return not _NO_LABEL.search(text)


def is_unit(word: str) -> bool:
    """Checks whether a plain word of two letters or more is a unit; a single letter is a symbol."""
    return len(word) > 1 and word != "pound" and _find(word) is not None


def read_unit(text: str) -> Unit | None:
    """The unit that words and exponents, such as `cm^2`, `square feet`, `miles per hour`, stand for; None: a label."""
    factor, dimensions = Fraction(1), dict[str, int]()
    direction, power, last = 1, 1, None
    for word in _WORDS.findall(_TEMPERATURE.sub("", text)):
        if word in ("/", "per"):
            direction = -1
        elif word[0] == "^" or word.lower() in ("squared", "cubed"):
            if last is None:
                return None
            exponent = int(word.strip("^{}")) if word[0] == "^" else _MODIFIERS[word.lower()]
            # the unit itself is in already
            factor *= last.factor ** (direction * (exponent - 1))
            dimensions[last.dimensions[0][0]] += direction * (exponent - 1)
        elif word.lower() in _MODIFIERS:
            power = _MODIFIERS[word.lower()]
        else:
            found = _find(word)
            if found is None and dimensions and direction > 0:
                break  # grams of gold
            last = found
            if last is None:
                return None
            factor *= last.factor ** (direction * power)
            for dimension, exponent in last.dimensions:
                dimensions[dimension] = dimensions.get(dimension, 0) + direction * power * exponent
            power = 1
    kept = tuple(sorted((name, exponent) for name, exponent in dimensions.items() if exponent))
    return Unit(factor, kept) if kept and kept != (("unit", 1),) else None


def _find(word: str) -> Unit | None:
    lowered = word.lower()
    return UNITS.get(lowered) or UNITS.get(lowered.removesuffix("s"))
