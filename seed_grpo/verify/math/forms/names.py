r"""Names of several capitals: the segment AB, the word HHT, \angle ABC, \triangle ABC.

A name is one symbol, so that nothing in it commutes or is cancelled: HHT is not HTH, and AB/BC not AD/DC. The same
letters may also be meant as factors: beside a form with single capitals, a name is their product. Consumes and produces
forms.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

from seed_grpo.verify.isolation.bounds import REMEMBERED_FORMS
from seed_grpo.verify.math.forms import algebra
from seed_grpo.verify.math.forms.algebra import Atom, Form

ORDERED = ("IV", "VI", "IX", "XI", "HT", "TH")
"""Roman numbers and what two coins show, and no segments"""
UNITS = {
    **{letter: f"unit {letter}" for letter in "ijk"}, **{f"unit {letter}": f"unit {letter}" for letter in "ijk"},
    r"\imath": "unit i", r"\jmath": "unit j",
}  # fmt: skip
r"""letters in bold or below an arrow, to the symbols of unit vectors"""
UNIT_VECTORS = ("unit i", "unit j", "unit k")
ARCS = ("overarc", "overparen", "wideparen")
_WORD = re.compile("[A-Z]{2,3}")


def segment(letters: str) -> str:
    """The name of a segment, the same from both ends."""
    return letters if letters in ORDERED else "".join(sorted(letters))


def angle(letters: str) -> str:
    """The name of an angle, whose vertex stands in the middle."""
    return rf"\angle {min(letters, letters[::-1])}"


def triangle(letters: str) -> str:
    """The name of a triangle, in any order."""
    return rf"\triangle {''.join(sorted(letters))}"


def accented(command: str, accent: str, letters: str) -> str:
    r"""The name of what an accent stands over: `\overline{AB}` is a segment, `\widehat{ABC}` an angle."""
    if re.fullmatch("[A-Z]{2}", letters) and command in ("overline", "overleftrightarrow", "widehat", *ARCS):
        letters = segment(letters)
        return letters if command == "overline" else f"{accent} {letters}"
    if re.fullmatch("[A-Z]{3}", letters) and command in ("widehat", "hat"):
        return angle(letters)
    return f"{accent} {letters}"


def in_one_reading(first: Form, second: Form) -> tuple[Form, Form]:
    """Two forms in which capitals side by side mean the same: names, or factors where a form has them singly."""
    found = symbols(first) | symbols(second)
    words = [name for name in found if _WORD.fullmatch(name)]
    if not words:
        return first, second
    meanings: dict[str, Form] = {}
    letters = {name for name in found if len(name) == 1} | {"I"}
    if any(letters.issuperset(word) for word in words):  # of PV = nRT and P = nRT/V, RT is a product as PV is
        meanings = {word: _product([_letter(letter) for letter in word]) for word in words}
    else:
        for sign, name in ((r"\angle", angle), (r"\triangle", triangle)):
            if any(each.startswith(sign) for each in found):
                meanings = {word: algebra.atom("symbol", name(word)) for word in words if len(word) == 3}
    return (replaced(first, meanings), replaced(second, meanings)) if meanings else (first, second)


def _product(factors: Sequence[Form]) -> Form:
    return functools.reduce(algebra.mul, factors)


def _letter(letter: str) -> Form:
    return algebra.atom("constant", "i") if letter == "I" else algebra.atom("symbol", letter)


@functools.lru_cache(REMEMBERED_FORMS)
def symbols(form: Form) -> frozenset[str]:
    """The names of all symbols in a form: also of bound ones and those in f(x), which `contents` leaves out."""
    bases = [base for monomial, _ in form for base, _ in monomial]
    inner = [symbols(part) for base in bases for part in _inside(base)]
    return frozenset(base[1] for base in bases if base[0] == "symbol").union(*inner)


def _inside(base: Atom) -> tuple[Form, ...]:
    match base:
        case ("sum", form) | ("call", _, form):
            return (form,)
        case ("power", below, above):
            return below, above
        case ("function", _, forms):
            return forms
    return ()


def replaced(form: Form, meanings: Mapping[str, Form]) -> Form:
    """The form with symbols replaced; functions of what takes their place are not evaluated.

    Raises:
        BoundReachedError: the form grows too large.
    """

    def image(base: Atom) -> Form:
        inner = [algebra.map_atoms(part, image) for part in _inside(base)]
        match base:
            case ("symbol", name):
                return meanings.get(name, algebra.atom(*base))
            case ("sum", _):
                return inner[0]
            case ("power", *_):
                return algebra.power(*inner)
            case ("call", name, _):
                return algebra.atom("call", name, inner[0])
            case ("function", name, _):
                return algebra.atom("function", name, tuple(inner))
        return algebra.atom(*base)

    return algebra.map_atoms(form, image)
