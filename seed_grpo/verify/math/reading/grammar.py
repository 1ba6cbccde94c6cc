r"""The grammar of answers: from tokens to nodes and exact forms, by recursive descent. It is one thing, and one file.

Consumes tokens; produces nodes. It evaluates no text. The methods of `Grammar` stand in the order in which an answer
is taken apart. `{ }` repeats, `[ ]` may be left out, `|` separates alternatives:

    answer      items | spoken cases: x if x > 0, -x otherwise
    items       relation { separator relation }
    relation    joined { sign joined } | joined \equiv sum \mod factor | \neg relation
    joined      side { \cup | \cap | \setminus side }
    side        cases | structure | container | vector | matrix sum | digits _ base | sum [ value's rest ], which is
                a per cent sign, a unit, degrees, or the other numbers of a ratio
    sum         [ + | - ] product { + | - product }
    product     juxtaposed { * | / | \mod juxtaposed }
    juxtaposed  mixed { mixed }, left of `/` as well: a/2b is a over 2b
    mixed       factor [ fraction ]
    factor      base { ! | ^ exponent | ^ degree sign }
    base        number | group | \frac and other commands with arguments | call | operator | determinant | symbol

`read_answer` comes before all this: it takes off what an answer says of its letters, and resolves `\pm`. A cursor is a
value: a reading that may fail keeps `self._cursor`, and gives up by assigning it again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from seed_grpo.verify.isolation.bounds import (
    MAX_ITEMS,
    BoundReachedError,
    GrammarError,
    check_depth,
    check_items,
    spend,
)
from seed_grpo.verify.math.forms import algebra, calls, functions, matrices, names, numeric, regions
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.contents import contents
from seed_grpo.verify.math.forms.nodes import Node, as_form, as_list, as_set, expression, map_forms
from seed_grpo.verify.math.forms.piecewise import OTHERWISE, Branch, piecewise
from seed_grpo.verify.math.forms.series import series
from seed_grpo.verify.math.forms.units import (
    CURRENCIES,
    DEGREE,
    MINUTE,
    RADIANS,
    SCALES,
    SECOND,
    UNITS,
    Unit,
    is_label,
    is_unit,
    read_unit,
)
from seed_grpo.verify.math.reading.cases import (
    ENVIRONMENTS,
    PARITY,
    ROW_OTHERWISE,
    SPOKEN,
    TABLES,
    conditioned,
    spoken_rows,
)
from seed_grpo.verify.math.reading.cursor import Cursor, Within
from seed_grpo.verify.math.reading.domains import Stated, split_domain
from seed_grpo.verify.math.reading.function_names import mark_functions
from seed_grpo.verify.math.reading.left_names import left_name
from seed_grpo.verify.math.reading.signs import has_signs, read_signs
from seed_grpo.verify.math.reading.statements import as_region, combine, negation, operate, relate
from seed_grpo.verify.math.reading.tokens import CLOSING, END, OPENING, Token, is_separator
from seed_grpo.verify.math.reading.vocabulary import (
    ACCENTS,
    CONSTANTS,
    ENDS_OF_PRODUCTS,
    FENCES,
    FUNCTION_NAMES,
    NUMBER_SETS,
    OPERATORS,
    PERCENT,
    PREFIXES,
    QUANTIFIERS,
    SAME_SETS,
    SCALARS,
    SET_MARKS,
    SET_OPERATIONS,
    SET_PRODUCTS,
    SHORT_SETS,
    SIGNS,
    SUBSETS,
    SYMBOLS,
    VARIABLES,
)
from seed_grpo.verify.math.reading.words import NUMBERS

COUNTS = {r"\binom": functions.binomial, r"\permutations": functions.permutations}
DIFFERENTIAL = Token("sign", "differential")
"""mark at the end of an integrand, in the place of dx"""
SIDE_ENDS = {*SIGNS, "&", r"\\"}
"""signs at which a side ends"""
NO_FACTORS = {*PERCENT, *ENDS_OF_PRODUCTS}
"""signs that begin no factor"""
NO_CALLED_NAME = {*SIGNS, "+", "-", "*", r"\frac"}
"""signs that stand in no name of a function"""
MOST_PARTS = 6
"""parts of one quantity: 3 h 5 min 2 s has three"""
LARGEST_POWER = 20
"""largest power of a structure that is written out as a product"""
LARGEST_EXPONENT = 1500
"""largest exponent of scientific notation"""
UNIT_VECTORS = frozenset(names.UNIT_VECTORS)
FOOT, INCH = UNITS["ft"], UNITS["in"]
_DIGITS = re.compile(r"[0-9A-F.]+")
"""digits of a number whose base is at most 16"""


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
        return read_signs(tokens, lambda reading: Grammar(reading).answer())
    return Grammar(tokens).answer()


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


class Grammar:
    """Reads one list of tokens. A method consumes what its name says and returns its node or form."""

    def __init__(self, tokens: Sequence[Token], depth: int = 0) -> None:
        """Starts before the first token, nested as deep as what they were taken from."""
        values = {token.value for token in tokens}
        self._has_equals = "=" in values or r"\approx" in values
        self._has_sets = not SET_MARKS.isdisjoint(values)
        self._has_units = not UNIT_VECTORS.isdisjoint(values)
        self._cursor = Cursor(tuple(tokens), depth=depth)

    # answers: lists, and functions by cases

    def answer(self) -> Node:
        """The node of all tokens."""
        if self._is_spoken():
            return self._spoken_cases()
        return self._all_items()

    def _all_items(self) -> Node:
        """The list that the tokens are, with nothing behind it."""
        node = self._items()
        if self._peek() != END:
            raise GrammarError(f"unexpected {self._peek().value!r}")
        return node

    def _items(self) -> Node:
        """A list of relations; one alone is itself."""
        items, separators = [self._relation()], list[str]()
        while is_separator(self._peek()):
            between = []
            while is_separator(self._peek()):
                between.append(self._take().value.strip())
            if self._peek() == END:
                break
            separators.append(between[0])
            items.append(self._relation())
            check_items(len(items))
        return combine(items, separators)

    def _is_spoken(self) -> bool:
        """Checks whether the tokens are cases in one line, by `if`."""
        tokens = self._cursor.tokens
        kinds = {token.kind for token in tokens}
        words = [token.value for token in tokens[1:] if token.kind in ("word", "text")]
        return "environment" not in kinds and any(map(SPOKEN.match, words))

    def _spoken_cases(self) -> Node:
        """All tokens that are left, as cases; `f(x) = ` before them names the function."""
        rest = self._rest()
        rows = [conditioned([row]) for row in spoken_rows(rest)]
        self._move(len(rest))
        value, name = rows[0][0], None
        values = [token.value for token in value]
        if "=" in values:
            name, value = self._apart(value[: values.index("=")]), value[values.index("=") + 1 :]
        branches = [(value, rows[0][1]), *rows[1:]]
        if any(condition is None for _, condition in branches):
            raise GrammarError("cases with and without conditions")
        node = piecewise([self._branch(value, condition or []) for value, condition in branches])
        return node if name is None else relate([name, node], ["="])

    def _cases_ahead(self) -> bool:
        """Checks for an environment of cases, or a lone brace before a table."""
        token, following = self._peek(), self._peek(1)
        if token.kind == "environment" and token.value in ENVIRONMENTS:
            return True
        if token.value != r"\{" or following.kind != "environment" or following.value not in TABLES:
            return False
        spend(len(self._cursor.tokens))
        return r"\}" not in [each.value for each in self._rest()]

    def _cases(self) -> Node:
        """A function by cases where rows have conditions; else the rows as a list."""
        self._accept(r"\{")
        self._enter()
        rows = [conditioned(row) for row in self._rows()]
        if not rows:
            raise GrammarError("cases without a row")
        if all(condition is None for _, condition in rows):
            node = combine([self._apart(value) for value, _ in rows], [","] * (len(rows) - 1))
        elif any(condition is None for _, condition in rows):
            raise GrammarError("cases with and without conditions")
        else:
            node = piecewise([self._branch(value, condition or []) for value, condition in rows])
        self._leave()
        return node

    def _rows(self) -> list[list[list[Token]]]:
        """Rows of cells, up to the environment's end, which is consumed."""
        rows: list[list[list[Token]]] = [[[]]]
        depth = 0
        self._take()
        while True:
            token = self._take()
            if token == END:
                raise GrammarError("an environment is not closed")
            if token.kind == "environment":
                depth += -1 if token.value == "end" else 1
                if depth < 0:
                    return [row for row in rows if any(row)]
            if depth == 0 and token.value == r"\\":
                rows.append([[]])
            elif depth == 0 and token.value == "&":
                rows[-1].append([])
            else:
                rows[-1][-1].append(token)

    def _branch(self, value: list[Token], condition: list[Token]) -> Branch:
        return self._condition(condition), self._apart(value)

    def _condition(self, tokens: list[Token]) -> Node:
        """The condition of a case: `otherwise`, a congruence for even or odd, a region, or another node."""
        words = " ".join(token.value for token in tokens)
        if ROW_OTHERWISE.fullmatch(words.casefold()):
            return OTHERWISE
        parity = PARITY.fullmatch(words)
        if parity:
            remainder = algebra.number(1 if parity[2] == "odd" else 0)
            return "congruence", (algebra.add(algebra.atom("symbol", parity[1]), remainder), algebra.number(2))
        node = self._apart(tokens)
        if node[0] == "assign":
            pieces = as_region(node[1][1]) or as_region(("set", (node[1][1],)))
            return ("region", (as_form(node[1][0]), pieces)) if pieces else node
        return node

    def _apart(self, tokens: list[Token]) -> Node:
        """The node of tokens that stand by themselves."""
        return Grammar(tokens, self._cursor.depth)._all_items()

    # relations: sides with signs between them

    def _relation(self) -> Node:
        """Sides with signs between them; one side alone is itself."""
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
        """The first side of a relation, which left of an equals sign may be a name."""
        if not self._has_equals:
            return self._joined()
        tokens, at = self._cursor[:2]
        name = left_name(tokens, at)
        if name is not None:
            self._move(name[1] - at)
            return expression(algebra.atom("symbol", name[0]))
        outside = self._set_within(name_call=self._call_is_name())
        side = self._joined()
        self._restore(outside)
        return side

    def _call_is_name(self) -> bool:
        """Checks whether the next is name(...) = ..., in which the name is a function's."""
        tokens, at = self._cursor[:2]
        if self._peek().kind not in ("word", "command"):
            return False
        inverse = ("^", "{", "-", "1", "}")
        if tuple(token.value for token in tokens[at + 1 : at + 6]) == inverse:
            at += len(inverse)
        start = at
        while at < len(tokens) and tokens[at].value != "(":
            if tokens[at].value in NO_CALLED_NAME or is_separator(tokens[at]):
                spend(at - start + 1)
                return False
            at += 1
        spend(at - start)
        depth = 0
        while at < len(tokens):
            depth += (tokens[at].value == "(") - (tokens[at].value == ")")
            if depth == 0:
                break
            at += 1
        return at + 1 < len(tokens) and tokens[at + 1].value in ("=", r"\approx")

    def _congruence(self, left: Node) -> Node:
        """A congruence: the form that is congruent to zero, and the modulus."""
        outside = self._set_within(modulus_follows=True)
        right = self._sum()
        self._restore(outside)
        bracket = self._accept("(")
        self._expect(r"\mod")
        modulus = self._factor()
        if bracket:
            self._expect(")")
        over = algebra.add(as_form(left), algebra.scale(right, Fraction(-1)))
        rest = tuple(term for term in over if term[0])
        constant = tuple(term for term in over if not term[0])
        return "congruence", (algebra.add(rest, functions.modulo(constant, modulus)), modulus)

    # sides: sets, tuples, structures, matrices, digits in a base, values with units

    def _joined(self) -> Node:
        r"""Sides joined by `\cup` and the like, left to right."""
        node = self._side()
        while self._peek().value in SET_OPERATIONS or (self._peek().value == "-" and self._peek(1).value == r"\{"):
            operation = self._take().value.replace("-", r"\setminus")
            node = operate(operation, node, self._side())
        return node

    def _side(self) -> Node:
        """One operand of a relation or of a set operation."""
        token = self._peek()
        if self._cursor.met.degrees:
            self._set_met(degrees=False)
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

    def _nested(self) -> Node:
        """Sides joined in a bracket."""
        opening = self._take().value
        self._enter()
        node = self._joined()
        self._leave()
        self._expect(FENCES[opening])
        return node

    def _container(self) -> Node:
        """A set, a tuple or an interval; plain braces make a list."""
        opening = self._take().value
        with_braces = opening in ("{", r"\{")
        items: list[Node] = []
        self._enter()
        if not (with_braces and self._peek().value in ("}", r"\}")):
            items = self._contents(with_braces)
        self._leave()
        closing = self._take().value
        if closing not in (("}", r"\}") if with_braces else (")", "]")):
            raise GrammarError(f"{opening!r} closed by {closing!r}")
        if not with_braces:
            return "tuple", (opening, tuple(items), closing)
        if opening == "{":
            return as_list(items)
        return items[0] if len(items) == 1 and items[0][0] == "region" else as_set(items)

    def _contents(self, with_braces: bool) -> list[Node]:
        """Items of a bracket; {x | x > 3} has one, a region."""
        outside = self._set_within(colon_follows=with_braces, bar_ends=with_braces)
        items = [self._relation()]
        self._restore(outside)
        if with_braces and self._peek().value in ("|", ":"):  # {x | x > 3}
            self._take()
            domain, condition = as_region(items[0]), self._items()
            region = as_region(condition)
            if region is None:
                raise GrammarError("a set of what is no region")
            return [("region", (None, regions.intersection(region, domain or regions.REALS)))]
        while is_separator(self._peek()):
            self._take()
            if not is_separator(self._peek()):
                items.append(self._relation())
            check_items(len(items))
        return items

    def _vector(self) -> Node:
        r"""The tuple \langle 1, 2 \rangle."""
        self._take()
        items = self._contents(False)
        self._expect(r"\rangle")
        return "tuple", ("(", tuple(items), ")")

    def _structure(self) -> Node | None:
        """The structure that comes next, None where none does."""
        if not self._has_sets or not self._is_structure_ahead():
            return None
        factors = self._structure_factor()
        while self._peek().value in SET_PRODUCTS:
            self._take()
            factors += self._structure_factor()
        region = REGIONS.get(factors[0]) if len(factors) == 1 else None
        if region is not None:
            return "region", (None, region)
        return "structure", tuple(sorted(SAME_SETS.get(factor, factor) for factor in factors))

    def _is_structure_ahead(self) -> bool:
        ahead = 0
        while self._peek(ahead).value == "(" or self._peek(ahead).kind == "number":
            ahead += 1
        if self._set_ahead(ahead) is not None or self._is_bare_quotient(ahead):
            return True
        length = 3 + 2 * (self._peek(2).value == "{")
        before_set = self._peek(length).value in SET_PRODUCTS and self._set_ahead(length + 1) is not None
        return self._is_group_ahead() and before_set

    def _is_group_ahead(self) -> bool:
        """Checks for S_3, which is a group beside a set of numbers and a symbol elsewhere."""
        return self._peek().value in ("S", "A", "D", "C", "Q", "V") and self._peek(1).value == "_"

    def _set_ahead(self, ahead: int) -> tuple[str, int] | None:
        r"""The letter of \mathbb{Z} that stands so many tokens ahead, and its number of tokens."""
        token = self._peek(ahead)
        if token.value in SHORT_SETS and token.kind == "command":
            return SHORT_SETS[token.value], 1
        letter = self._peek(ahead + 2).value
        return (letter, 4) if token.value == r"\mathbb" and letter in NUMBER_SETS else None

    def _is_bare_quotient(self, ahead: int) -> bool:
        """Checks for Z/6Z, in which the letter is no factor."""
        values = [self._peek(ahead + each).value for each in range(4)]
        return values[0] == values[3] == "Z" and values[1] == "/" and self._peek(ahead + 2).kind in ("number", "word")

    def _structure_factor(self) -> list[str]:
        """Names of the factors of a set of numbers, a group, or a bracket of them."""
        if self._accept("("):
            self._enter()
            inner = self._structure_factor()
            while self._peek().value in SET_PRODUCTS:
                self._take()
                inner += self._structure_factor()
            self._leave()
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
        self._move(length)
        if self._accept("_"):
            below = self._scripted()
            if below in ("+", "{+}"):  # with 0 or without it, authors differ
                return f"{letter}_+"
            if below in SUBSETS:
                return f"{letter} {SUBSETS[below]}"
            return f"{letter}{'/' if letter == 'Z' else '_'}{below.strip('{}')}"
        if self._accept("/"):
            return f"{letter}/{self._divisor_of(letter)}"
        return letter

    def _divisor_of(self, letter: str) -> str:
        r"""The n of \mathbb{Z}/n\mathbb{Z}, \mathbb{Z}/n, \mathbb{Z}/(n)."""
        if self._peek().value in ("(", r"\langle"):
            inner = self._bracketed()
            return inner[1:-1] if inner[0] == "(" else inner.removeprefix(r"\langle").removesuffix(r"\rangle")
        token = self._take()
        if token.kind not in ("number", "word"):
            raise GrammarError("a quotient that is no structure")
        again = self._set_ahead(0)
        if again is not None and again[0] == letter:
            self._move(again[1])
        elif not self._accept(letter) and token.value[1:] == letter:  # nZ is one word
            return token.value[0]
        return token.value

    def _powered(self, factors: list[str]) -> list[str]:
        """Factors with what stands above them: a sign, or how often they are factors."""
        if not self._accept("^"):
            return factors
        above = self._scripted()
        count = above.strip("{}")
        if count.isdigit() and 0 < int(count) <= LARGEST_POWER:
            return factors * int(count)
        name = " * ".join(sorted(factors))
        return [f"{name} {SUBSETS[above]}" if above in SUBSETS else f"{name}^{count}"]

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

    def _is_matrix_ahead(self) -> bool:
        """Checks for a matrix before the end of this side, outside of other brackets and of determinants."""
        tokens, start = self._cursor[:2]
        inside, at, found = 0, start, False
        while at < len(tokens) and not found and inside >= 0:
            token = tokens[at]
            if token.kind == "environment":
                found = not inside and token.value != "end" and self._scalar_before(at) is None
                inside += 1 if token.value != "end" else -1
            elif not inside and (token.value in SIDE_ENDS or is_separator(token)):
                inside = -1
            at += 1
        spend(at - start)
        return found

    def _scalar_before(self, at: int) -> str | None:
        r"""The name of the number made of the matrix at a place, by vmatrix, bars, \det or tr; None for no number."""
        tokens = self._cursor.tokens
        before = [tokens[at - each].value if at >= each else "" for each in (1, 2)]
        if tokens[at].value == "vmatrix" or before[0] == "|":
            return "det"
        return SCALARS.get(before[1] if before[0] in ("(", "[", "{") else before[0])

    def _matrix_sum(self) -> Node:
        """A sum of matrices, each with factors."""
        rows: matrices.Rows | None = None
        while True:
            sign = Fraction(self._signs())
            scalar, term = self._matrix_term()
            if rows is None and sign == 1 and scalar == algebra.number(1) and self._peek().value not in ("+", "-"):
                return "matrix", term
            scaled = matrices.times(algebra.scale(scalar, sign), term)
            rows = scaled if rows is None else matrices.plus(rows, scaled)
            if self._peek().value not in ("+", "-"):
                return "matrix", rows

    def _matrix_term(self) -> tuple[Form, matrices.Rows]:
        """A product of numbers and matrices, as the number and the matrix that it makes."""
        scalar, rows = algebra.number(1), None
        while True:
            bracket = self._peek().value in ("(", "[", "{") and self._peek(1).kind == "environment"
            if bracket or (self._peek().kind == "environment" and self._peek().value != "end"):
                matrix = self._matrix(bracket)
                rows = matrix if rows is None else matrices.product(rows, matrix)
            elif self._peek().kind == "number" or self._peek().value == r"\frac" or self._starts_factor(self._peek()):
                scalar = algebra.mul(scalar, self._factor())
            elif not self._accept("*"):
                break
        if rows is None:
            raise GrammarError("a matrix and a number in one sum")
        return scalar, rows

    def _matrix(self, bracket: bool) -> matrices.Rows:
        """A matrix with its power or transposition."""
        opening = self._take().value if bracket else ""
        self._take()
        self._enter()
        rows: list[list[Node]] = [[]]
        while not self._accept("end"):
            if self._accept(r"\\"):
                rows.append([])
            elif not self._accept("&"):
                rows[-1].append(self._relation())
            if len(rows) * max(1, len(rows[-1])) > MAX_ITEMS:
                raise BoundReachedError(f"a matrix has over {MAX_ITEMS} entries")
        self._leave()
        if bracket:
            self._expect(FENCES[opening])
        matrix = tuple(tuple(row) for row in rows if row)
        return matrices.raised(matrix, self._raw()) if self._accept("^") else matrix

    def _digits_ahead(self) -> int:
        """Number of tokens that are digits of a number whose base follows, as in 52_8 and 2A_{16}; 0 for none."""
        ahead = 1 if self._peek().value == "-" else 0
        digits = ""
        while _DIGITS.fullmatch(self._peek(ahead).value):
            digits += self._peek(ahead).value
            ahead += 1
        return ahead if self._peek(ahead).value == "_" and re.search(r"\d", digits) else 0

    def _based(self) -> Node:
        """Digits and their base."""
        sign = "-" if self._accept("-") else ""
        digits = "".join(self._take().value for _ in range(self._digits_ahead()))
        self._expect("_")
        base = self._raw()
        base = str(NUMBERS.index(base)) if base in NUMBERS else base
        if not base.isdigit():
            raise GrammarError(f"a number in base {base!r}")
        return "based", (sign + digits.lstrip("0"), base)

    def _bracketed_digits(self) -> Node | None:
        """The number (52)_8; None where no digits are in the bracket, which then is left out: (x)_1 is x_1."""
        if self._peek().value == "(" and self._peek(2).value == ")" and self._peek(3).value == "_":
            self._swap(3, self._peek(1))
            return self._based() if self._digits_ahead() else None
        return None

    def _finite(self) -> Form:
        """A sum; with infinity in it, infinity itself: nothing is calculated with that."""
        before = self._cursor.met.infinities
        form = self._sum()
        if self._cursor.met.infinities > before and form not in (regions.INFINITY, regions.MINUS_INFINITY):
            raise ZeroDivisionError("a calculation with infinity")
        return form

    def _value(self, form: Form) -> Node:
        """A form with what stands behind it: a per cent sign, a unit, or the rest of a ratio."""
        if self._peek().value in PERCENT:
            self._take()
            return "percent", form
        if not self._cursor.within.colon_follows and (self._accept(":") or self._accept("to")):
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
            form = algebra.scale(form, Fraction(scale))
            counted = self._peek().value.partition(" ")[2]
            self._swap(1, *([Token("text", counted)] if counted else []))
        unit = self._unit(form)
        if unit is not None:
            return self._quantity(form, unit)
        if self._cursor.met.degrees:
            return "quantity", (form, DEGREE)
        return self._vector_of(form) if self._has_units else expression(form)

    def _vector_of(self, form: Form) -> Node:
        """A sum of unit vectors; what is none is an expression."""
        parts = matrices.components(form)
        return ("vector", parts) if parts is not None else expression(matrices.without_units(form))

    def _unit(self, form: Form) -> Unit | None:
        """The unit behind a value; None where there is none, or only a label of what is counted."""
        words, text_only = list[str](), True
        while self._unit_goes_on(words):
            token = self._take()
            if token.value in CURRENCIES:
                return CURRENCIES[token.value]
            text_only = text_only and token.kind != "word"
            words.append("^" + self._raw() if token.value == "^" else token.value)
        if not words:
            return None
        unit = read_unit(" ".join(words))
        if unit is None:
            label = " ".join(word for word in words if word[0] != "^")
            if not is_label(label) or not (text_only or numeric.real_value(form) is not None):
                raise GrammarError("words that are no label")
        return unit

    def _unit_goes_on(self, words: Sequence[str]) -> bool:
        """Checks whether the next token belongs to a unit, of which these words are read."""
        token = self._peek()
        if self._is_unit(token) and not is_separator(token):
            return True
        if not words:
            return False
        is_power = token.value == "^" and self._peek(1).value != r"\circ"
        is_per = token.value == "/" and self._peek(1).kind in ("word", "text")
        return is_power or is_per or words[-1] == "/"

    def _take_currency(self) -> Unit | None:
        """The currency sign before a number, behind its sign if it has one."""
        for ahead in (0, 1):
            token = self._peek(ahead)
            if token.value in CURRENCIES and (ahead == 0 or self._peek().value in ("-", "+")):
                self._swap(ahead + 1, *([self._peek()] if ahead else []))
                return CURRENCIES[token.value]
        return None

    def _quantity(self, form: Form, unit: Unit) -> Node:
        """A value in a unit with its further parts in smaller ones; with `and` between them they may be a list."""
        parts = [(form, unit)]
        joined = False
        while len(parts) < MOST_PARTS:
            start = self._cursor
            separated = is_separator(self._peek()) and self._peek().value != ";" and bool(self._take())
            part = self._part(parts[-1][1])
            if part is None or not _continues(parts, part):
                self._cursor = start
                break
            joined |= separated
            parts = _in_feet(parts) if part[1] == SECOND else parts
            parts.append((part[0], INCH) if parts[0][1] == FOOT and part[1] == SECOND else part)
        sign = -1 if (algebra.as_number(form) or 0) < 0 else 1
        rest = [algebra.scale(value, sign * smaller.factor / parts[0][1].factor) for value, smaller in parts[1:]]
        whole = "quantity", (algebra.add(parts[0][0], *rest), parts[0][1])
        return ("comma", (whole, as_list([("quantity", part) for part in parts]))) if joined else whole

    def _part(self, before: Unit) -> tuple[Form, Unit] | None:
        """A number with its unit, None where there is none."""
        if self._peek().kind != "number":
            return None
        try:
            form = self._mixed()
            primes = self._primes()
            unit = {"'": MINUTE, "''": SECOND}.get(primes) or (None if primes else self._unit_or_letter(form))
        except GrammarError:
            return None
        if unit is None and before == MINUTE and self._peek() == END:  # 5'6
            unit = SECOND
        return None if unit is None else (form, unit)

    def _unit_or_letter(self, form: Form) -> Unit | None:
        unit = self._unit(form)
        if unit is None and self._peek().kind == "word" and len(self._peek().value) == 1:
            unit = read_unit(self._take().value)
        return unit

    def _is_unit(self, token: Token) -> bool:
        """Checks whether a token after a value names its unit or what is counted."""
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
        """Checks whether a single letter is a unit since a smaller one follows: 2 m 35 cm, 3 h 5 min."""
        if token.kind != "word" or len(token.value) > 1 or self._peek(1).kind != "number":
            return False
        larger, smaller = read_unit(token.value), read_unit(self._peek(2).value)
        if larger is None or smaller is None or self._peek(2).kind not in ("word", "text"):
            return False
        return larger.dimensions == smaller.dimensions and larger.factor > smaller.factor

    def _is_degree(self, ahead: int) -> bool:
        return self._peek(ahead).value == r"\circ" or (
            self._peek(ahead).value in "{(" and self._peek(ahead + 1).value == r"\circ"
        )

    def _skip_degree(self) -> None:
        while self._take().value != r"\circ":
            pass
        if self._before(2).value == "{":
            self._expect("}")

    # sums

    def _sum(self) -> Form:
        """Products with signs between them."""
        self._enter()
        terms = []
        while True:
            terms.append(self._product(self._signs()))
            if self._peek().value not in ("+", "-"):
                self._leave()
                return algebra.add(*terms)

    # products

    def _product(self, sign: int = 1) -> Form:
        """A product, left to right.

        Juxtaposition binds before `/`, as in a/2b, but not in a written fraction, 3/2 x.
        """
        product = self._juxtaposed(sign)
        while True:
            if self._accept("*"):
                product = algebra.mul(product, self._juxtaposed(self._signs()))
            elif self._accept("/"):
                below = self._divisor()
                product = algebra.mul(product, algebra.power(below, algebra.number(-1)))
            elif not self._cursor.within.modulus_follows and self._accept(r"\mod"):
                product = functions.modulo(product, self._factor_signed())
            elif self._starts_factor(self._peek()):
                product = algebra.mul(product, self._factor())
            else:
                return product

    def _divisor(self) -> Form:
        written = self._before(2).kind == "number" and self._peek().kind == "number"
        return self._factor_signed() if written else self._juxtaposed(self._signs())

    def _juxtaposed(self, sign: int) -> Form:
        product = algebra.scale(self._mixed(), Fraction(sign))
        while self._starts_factor(self._peek()):
            product = algebra.mul(product, self._mixed())
        return product

    def _mixed(self) -> Form:
        """A factor, or a mixed number such as 3 1/2."""
        start = self._cursor.at
        factor = self._factor()
        if self._cursor.at > start + 1 or not self._is_fraction_ahead():
            return factor
        part = self._factor()
        if self._accept("/"):
            part = algebra.mul(part, algebra.power(self._factor(), algebra.number(-1)))
        return algebra.add(factor, part)

    def _is_fraction_ahead(self) -> bool:
        before = self._before(1)
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

    def _starts_factor(self, token: Token) -> bool:
        if is_separator(token) or token.value in NO_FACTORS or self._is_unit(token):
            return False
        if token.kind == "number":
            before = self._before(1)
            ended = before.kind in ("word", "name") or before.value in (*CLOSING, "!") or self._is_after_power()
            return (ended and before.value != "]") or self._peek(1).value == r"\frac"
        if token.value == "|":
            return not self._cursor.within.bar_ends
        kinds = ("word", "name", "command", "index", "text", "call", "function")
        return token.kind in kinds or token.value in ("(", "{", "vmatrix")

    def _is_after_power(self) -> bool:
        """Checks whether the number before was an exponent, so that another one is a factor: 2^6 3^5."""
        if self._before(1).kind != "number" or self._cursor.at < 3:
            return False
        sign = self._before(2).value
        return sign == "^" or (sign == "-" and self._before(3).value == "^")

    # factors: a base with its powers and factorials

    def _factor_signed(self) -> Form:
        sign = self._signs()
        return algebra.scale(self._factor(), Fraction(sign))

    def _factor(self) -> Form:
        """A base with its powers, factorials and degree signs."""
        base = self._base()
        depth = self._cursor.depth
        while self._peek().value in ("!", "^"):
            self._enter()  # each sign nests what stands left of it
            if self._peek().value == "!":
                base = self._factorial(base)
            elif self._peek().value == "^" and self._is_degree(1):
                if not self._cursor.within.calls and not self._is_degree_inside():
                    break  # a unit, for who reads the whole answer
                self._skip_degree()
                if self._cursor.within.calls:
                    base = algebra.mul(base, RADIANS)
                else:
                    self._set_met(degrees=True)
            elif self._peek().value == "^" and "'" in (self._peek(1).value, self._peek(2).value):
                break  # minutes or seconds of an angle
            else:
                self._take()
                base = algebra.power(base, self._exponent())
        else:
            check_depth(self._cursor.depth + 1)  # a place where one more sign cannot stand is too deep as well
        self._leave(self._cursor.depth - depth)
        return base

    def _factorial(self, base: Form) -> Form:
        """A factorial of one sign or two: 7!! is 7 times 5 times 3, and not the factorial of a factorial."""
        signs = 0
        while self._accept("!"):
            signs += 1
        if signs > 2:
            raise GrammarError(f"{signs} signs of a factorial")
        return functions.factorial(base) if signs == 1 else functions.double_factorial(base)

    def _is_degree_inside(self) -> bool:
        r"""Checks whether a term in degrees goes on behind the sign that is ahead, as in 180^\circ - 2\alpha."""
        token = self._peek(4 if self._peek(1).value == "{" else 2)
        if token.kind == "word" and len(token.value) == 1 and token.value.islower():  # 360^\circ k, and not 30^\circ C
            return True
        return token.value in ("+", "-", "*", "/", ")", "]", "}")

    def _exponent(self) -> Form:
        """The whole number in `2^10`, right-associative in `2^3^2`."""
        self._enter()
        sign = -1 if self._accept("-") else 1
        exponent = self._number() if self._peek().kind == "number" else self._argument()
        if self._accept("^"):
            exponent = algebra.power(exponent, self._exponent())
        self._leave()
        return algebra.scale(exponent, Fraction(sign))

    # bases: groups, commands, calls, and operators that bind a variable

    def _base(self) -> Form:
        """The smallest operand, which powers apply to."""
        token = self._peek()
        if token.value in SCALARS or token.value in ("|", "vmatrix"):
            scalar = self._scalar_of_matrix()
            if scalar is not None:
                return scalar
        if self._is_derivative_ahead():
            return self._derivative()
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
        return self._operator() if token.value in OPERATORS else self._symbol()

    def _scalar_of_matrix(self) -> Form | None:
        """The determinant or the trace that comes next, None where none does."""
        ahead = next((ahead for ahead in range(3) if self._peek(ahead).kind == "environment"), None)
        name = self._scalar_before(self._cursor.at + ahead) if ahead is not None else None
        if name is None:
            return None
        if self._peek().value in SCALARS:
            self._take()
        with_bars = self._accept("|")
        rows = self._matrix(self._peek().kind != "environment")
        if with_bars:
            self._expect("|")
        return matrices.determinant(rows) if name == "det" else matrices.trace(rows)

    def _group(self) -> Form:
        """A sum in brackets, in bars, or in the signs of floor and ceiling."""
        opening = self._take().value
        outside = self._set_within(name_call=False, bar_ends=opening == "|")
        inner = self._sum()
        self._restore(outside)
        self._expect(FENCES[opening])
        followed = self._peek().value != "|" and self._starts_factor(self._peek())
        if opening == "|" and followed and any(token.value == "|" for token in self._rest()):
            raise GrammarError("bars that do not say where they open, |2|x|-1|")
        if opening in (r"\lfloor", r"\lceil"):
            return functions.FUNCTIONS["floor" if opening == r"\lfloor" else "ceil"]([inner])
        return functions.absolute(inner) if opening == "|" else inner

    def _argument(self) -> Form:
        r"""The argument of a command or of `^`: a group, one digit of a number (`\frac12`), or one symbol."""
        token = self._peek()
        if token.kind == "number" and len(token.value) > 1 and token.value.isdigit():
            self._swap(1, Token("number", token.value[1:]))
            return algebra.number(int(token.value[0]))
        self._enter()
        argument = self._base()
        self._leave()
        return argument

    def _radicand(self) -> Form:
        """The argument of a root, which of a number is all digits: only a typesetter takes the first alone."""
        return self._number() if self._peek().kind == "number" else self._argument()

    def _call(self) -> Form:
        r"""A call. With the exponent -1 it is the inverse function, `\sinh^{-1} x`; else a power, `\sin^2 x`."""
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
        """The argument of a call: a bracket, or the factors up to the next call."""
        self._enter()
        outside = self._set_within(calls=self._cursor.within.calls + 1)
        if self._peek().value in ("(", "{", "[", "|"):
            argument = self._factor() if self._peek().value in ("{", "|") else self._group()
        else:
            argument = self._factor_signed()
            while self._starts_factor(self._peek()) and self._peek().kind != "call":
                if self._peek().value == "(" or self._peek().value in names.UNIT_VECTORS:
                    break
                argument = algebra.mul(argument, self._factor())
            constant = self._peek().value == "/" and numeric.real_value(argument) is not None
            if constant and self._peek(1).kind == "number":  # sin pi/6, but not sin x/2
                self._take()
                argument = algebra.mul(argument, algebra.power(self._factor(), algebra.number(-1)))
        self._restore(outside)
        self._leave()
        return argument

    def _function(self) -> Form:
        name = self._take().value
        if self._accept("_"):
            raise GrammarError(f"{name} over a set")
        return functions.FUNCTIONS[name](self._arguments())

    def _operator(self) -> Form:
        """A sum, product, limit or integral over a variable; nothing is summed or integrated here."""
        name = self._take().value
        self._enter()
        if name == r"\lim":
            form = self._limit()
        elif name == r"\int":
            form = self._integral()
        else:
            form = self._series(name.lstrip("\\"))
        self._leave()
        return form

    def _is_derivative_ahead(self) -> bool:
        if self._peek().value != r"\frac" or self._peek(2).value != "d":
            return False
        values = [self._peek(ahead).value for ahead in range(8)]
        return values[:5] == [r"\frac", "{", "d", "}", "{"] and (
            (len(values[5]) == 2 and values[5][0] == "d" and values[6] == "}")
            or (values[5] == "d" and values[7] == "}")
        )

    def _derivative(self) -> Form:
        """The derivative d/dx of the product behind it."""
        self._move(5)
        name = self._take().value[1:] or self._take().value.lstrip("\\")
        self._expect("}")
        self._enter()
        body = self._product()
        self._leave()
        return algebra.atom("function", "diff", (body, algebra.atom("symbol", name)))

    def _series(self, name: str) -> Form:
        below, above = self._bounds()
        if below and below[0].value in CONSTANTS:  # here i is no constant
            index = below[0]
            below, above, rest = (
                [Token("index", token.value) if token == index else token for token in tokens]
                for tokens in (below, above, self._rest())
            )
            self._swap(len(rest), *rest)
        reader = Grammar(below)
        variable = reader._symbol()
        reader._expect("=")
        low, high = reader._to_end(), Grammar(above)._to_end()
        return series(name, self._product(), variable, low, high)

    def _limit(self) -> Form:
        below, _ = self._bounds()
        reader = Grammar(below)
        variable = reader._symbol()
        reader._expect(r"\to")
        target = reader._sum_until_side()
        rest = [token.value for token in reader._rest() if token != END]
        if not set(rest) <= {"^", "{", "}", "+", "-"}:
            raise GrammarError("a limit at more than one place")
        side = -1 if "-" in rest else 1
        return algebra.atom("function", "lim", (self._product(), variable, target, algebra.number(side)))

    def _sum_until_side(self) -> Form:
        """A limit's target, up to the + or - that says from which side."""
        tokens, at = self._cursor[:2]
        values = [token.value for token in tokens]
        if "^" in values[at:] and values[-1] in ("+", "-", "}"):
            place = values.index("^", at)
            self._cursor = self._cursor.replaced(place, place, [END])
        return self._sum()

    def _integral(self) -> Form:
        below, above = self._bounds()
        variable = self._mark_differential()
        if self._peek() == DIFFERENTIAL:
            body = algebra.number(1)
        else:
            body = self._sum() if DIFFERENTIAL in self._rest() else self._product()
        self._accept(DIFFERENTIAL.value)
        bounds = (Grammar(below)._to_end(), Grammar(above)._to_end()) if below and above else ()
        return algebra.atom("function", "int", (body, variable, *bounds))

    def _mark_differential(self) -> Form:
        """The variable of the next dx, which is taken out, or replaced by a mark at the end of the integrand."""
        depth = 0
        tokens = self._cursor.tokens
        for index in range(self._cursor.at, len(tokens)):
            token = tokens[index]
            depth += (token.value in OPENING) - (token.value in CLOSING)
            following = tokens[index + 1] if index + 1 < len(tokens) else END
            if re.fullmatch(r"d[a-zA-Z]", token.value) and token.kind == "word":
                name, length = token.value[1], 1
            elif token.value == "d" and following.kind in ("word", "command"):
                name, length = following.value.lstrip("\\"), 2
            else:
                continue
            mark = [DIFFERENTIAL] if depth == 0 else []
            self._cursor = self._cursor.replaced(index, index + length, mark)
            return algebra.atom("symbol", name)
        raise GrammarError("an integral without its differential")

    def _to_end(self) -> Form:
        """A bound, and nothing behind it."""
        form = self._sum()
        if self._peek() != END:
            raise GrammarError("more than one bound")
        return form

    def _bounds(self) -> tuple[list[Token], list[Token]]:
        """The tokens below and above an operator, in either order."""
        below: list[Token] = []
        above: list[Token] = []
        for _ in range(2):
            if self._accept("_"):
                below = self._raw_tokens()
            elif self._accept("^"):
                above = self._raw_tokens()
        return below, above

    def _raw_tokens(self) -> list[Token]:
        token = self._take()
        if token.value != "{":
            return [token]
        tokens, depth = list[Token](), 1
        while True:
            token = self._take()
            depth += (token.value == "{") - (token.value == "}")
            if token == END:
                raise GrammarError("a bound is not closed")
            if depth == 0:
                return tokens
            tokens.append(token)

    # atoms: names and numbers

    def _symbol(self) -> Form:
        """A constant, a name of several letters, or a single letter; of `xy` the first, the rest stays unread."""
        start = self._cursor
        token = self._take()
        if token.kind in ("index", "name"):
            return algebra.atom("symbol", token.value)
        name = token.value.strip().lstrip("\\")
        if (token.kind == "command" and name in ACCENTS) or (name == "bar" and self._peek().value == "{"):
            letters = self._raw()
            if name == "mathbb" and letters in NUMBER_SETS:
                raise GrammarError("a set of numbers in a calculation")
            name = names.accented(name, ACCENTS[name], letters)
        elif name in CONSTANTS and self._peek().value != "_" and not (name == "I" and self._is_called(name)):
            if CONSTANTS[name] == "infinity":
                self._set_met(infinities=self._cursor.met.infinities + 1)
            return algebra.atom("constant", CONSTANTS[name])
        elif token.value in PREFIXES and self._peek().kind in ("word", "command"):
            name += f" {self._take().value}"
        elif token.kind == "word" and 1 < len(name) < 4:
            self._cursor = start
            self._swap(1, *(Token("word", letter) for letter in name))
            return self._symbol()
        else:
            name = _checked_name(token, name)
        if self._peek().value == "^" and self._peek(2).value == "_":  # v^2_0
            self._swap(4, *(self._peek(ahead) for ahead in (2, 3, 0, 1)))
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
        """Checks whether a bracket is an argument: left of an equals sign, and of a number, since I(0) is no product.

        The sum in y(x - 1) = x + 1 is a factor, as is that of every letter in `VARIABLES`.
        """
        at = self._inverse_ahead()
        is_value = self._peek(at + 1).kind == "number" and self._peek(at + 2).value == ")"
        is_factor = name in VARIABLES and self._has_inside("+", "-")
        return self._peek(at).value == "(" and (is_value or (self._cursor.within.name_call and not is_factor))

    def _inverse_ahead(self) -> int:
        """Number of tokens that mean an inverse function, the ^{-1} of f^{-1}(x)."""
        if self._peek().value != "^":
            return 0
        values = tuple(self._peek(ahead).value for ahead in range(6))
        lengths = {("^", "{", "-", "1", "}", "("): 5, ("^", "-", "1", "("): 3}
        return next((length for signs, length in lengths.items() if values[: length + 1] == signs), 0)

    def _accept_inverse(self) -> bool:
        length = self._inverse_ahead()
        self._move(length)
        return length > 0

    def _primes(self) -> str:
        """All primes that come next, however they are written."""
        primes = ""
        while True:
            if self._accept("'"):
                primes += "'"
            elif self._peek().value == "^" and self._peek(1).value == "'":
                self._take()
            elif self._peek().value == "^" and self._peek(1).value == "{" and self._peek(2).value == "'":
                self._take()
                primes += self._raw()
            else:
                return primes

    def _arguments(self) -> tuple[Form, ...]:
        """The arguments of a function, in brackets."""
        closing = {"(": ")", "{": "}", r"\{": r"\}"}[self._take().value]
        self._enter()
        arguments = [self._sum()]
        while self._accept(",") or self._accept(";"):
            arguments.append(self._sum())
        self._expect(closing)
        self._leave()
        return tuple(arguments)

    def _number(self) -> Form:
        """A number, with its period and its power of ten."""
        text = self._take().value.lower()
        mantissa, _, exponent = text.partition("e")
        if len(exponent.lstrip("+-")) > 4 or abs(int(exponent or 0)) > LARGEST_EXPONENT:
            raise BoundReachedError(f"an exponent of ten is over {LARGEST_EXPONENT}")
        whole, point, decimals = mantissa.partition(".")
        if not (point or exponent):
            return algebra.number(int(whole))
        value = Fraction(int(whole + decimals or 0), 10 ** len(decimals))
        if point and self._peek().value == r"\overline":
            self._take()
            period = self._raw()
            if not period.isdigit() or self._peek().kind == "number":
                raise GrammarError(f"{period!r} repeats in a decimal")
            value += Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(decimals))
        return algebra.number(value * Fraction(10) ** int(exponent or 0))

    # tokens, and the cursor

    def _raw(self) -> str:
        """A subscript, or what an accent stands over, as it is written."""
        if not self._accept("{"):
            token = self._peek()
            if token.kind == "word" and len(token.value) == 2:  # m_pc is m_p times c
                self._swap(1, Token("word", token.value[1]))
                return token.value[0]
            return self._take().value
        parts = []
        while not self._accept("}"):
            if self._peek() == END:
                raise GrammarError("a subscript is not closed")
            parts.append(self._take().value)
        return "".join(parts)

    def _has_inside(self, *values: str) -> bool:
        """Checks whether one of the values stands in the bracket that comes next, and in no bracket within it."""
        depth, rest = 0, self._rest()
        for count, token in enumerate(rest, 1):
            depth += (token.value in OPENING) - (token.value in CLOSING)
            found = depth == 1 and token.value in values
            if found or depth == 0:
                spend(3 * count)
                return found
        spend(3 * len(rest))
        return False

    def _peek(self, ahead: int = 0) -> Token:
        """The token that many places further on, which stays unread; `END` behind the last."""
        cursor = self._cursor
        tokens, place = cursor.tokens, cursor.at + ahead
        return tokens[place] if place < len(tokens) else END

    def _before(self, count: int) -> Token:
        """The token that was read that many tokens ago."""
        return self._cursor.tokens[self._cursor.at - count]

    def _rest(self) -> tuple[Token, ...]:
        """All tokens that are still unread."""
        return self._cursor.tokens[self._cursor.at :]

    def _take(self) -> Token:
        """The next token, which is read by this."""
        token = self._peek()
        self._move(1)
        return token

    def _accept(self, value: str) -> bool:
        """Checks whether a value comes next; if so it is read."""
        token = self._peek()
        if token.value != value or token == END:
            return False
        self._cursor = self._cursor.moved(1)
        return True

    def _expect(self, value: str) -> None:
        """Reads a value that must come next."""
        if not self._accept(value):
            raise GrammarError(f"{self._peek().value!r} where {value!r} should be")

    def _move(self, count: int) -> None:
        self._cursor = self._cursor.moved(count)

    def _swap(self, count: int, *tokens: Token) -> None:
        """Puts tokens in the place of the next ones."""
        at = self._cursor.at
        self._cursor = self._cursor.replaced(at, at + count, tokens)

    def _enter(self) -> None:
        """Goes one level deeper.

        Raises:
            BoundReachedError: that is too deep.
        """
        self._cursor = self._cursor.nested(1)
        check_depth(self._cursor.depth)

    def _leave(self, levels: int = 1) -> None:
        self._cursor = self._cursor.nested(-levels)

    def _set_within(self, **changes: Any) -> Within:
        """Changes what surrounds the place; returns what did before, for `_restore`."""
        within = self._cursor.within
        self._cursor = self._cursor._replace(within=within._replace(**changes))
        return within

    def _restore(self, within: Within) -> None:
        self._cursor = self._cursor._replace(within=within)

    def _set_met(self, **changes: Any) -> None:
        self._cursor = self._cursor._replace(met=self._cursor.met._replace(**changes))


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


def _continues(parts: list[tuple[Form, Unit]], part: tuple[Form, Unit]) -> bool:
    """Checks whether a part measures the same in a smaller unit, behind parts that are whole numbers."""
    value, unit = parts[-1]
    whole = algebra.as_number(value)
    return (
        whole is not None
        and whole.denominator == 1
        and numeric.real_value(part[0]) is not None
        and unit.dimensions == part[1].dimensions
        and unit.factor > part[1].factor
    )


def _in_feet(parts: list[tuple[Form, Unit]]) -> list[tuple[Form, Unit]]:
    """The parts with 5' in feet before 6'', if no degrees stand before it."""
    return [(parts[0][0], FOOT)] if len(parts) == 1 and parts[0][1] == MINUTE else parts


def _half_line(sign: str) -> tuple[regions.Piece, ...]:
    return regions.half_line(sign, algebra.number(0))


REGIONS = {"R": regions.REALS, **{f"R {sign}": _half_line(sign.removesuffix("0")) for sign in SUBSETS.values()}}
"""the structures that are subsets of the real line"""
