r"""The grammar of operators that bind a variable: sums, products, limits, integrals, derivatives.

Consumes tokens; produces atoms `("function", name, forms)` whose last forms are the variable and its bounds. Nothing
is summed or integrated here; `seed_grpo.verify.math.symbolic` does so where it must.
"""

from __future__ import annotations

import re

from seed_grpo.verify.isolation.bounds import GrammarError
from seed_grpo.verify.math.forms import algebra
from seed_grpo.verify.math.forms.algebra import Form
from seed_grpo.verify.math.forms.series import series
from seed_grpo.verify.math.reading.atoms import CONSTANTS
from seed_grpo.verify.math.reading.expressions import ExpressionReader
from seed_grpo.verify.math.reading.tokens import CLOSING, END, OPENING, Token

DIFFERENTIAL = Token("sign", "differential")


class OperatorReader(ExpressionReader):
    """Reads expressions with operators in them."""

    _operators = (r"\sum", r"\prod", r"\lim", r"\int")

    def _operator(self) -> Form:
        name = self._take().value
        self._deeper()
        if name == r"\lim":
            form = self._limit()
        elif name == r"\int":
            form = self._integral()
        else:
            form = self._series(name.lstrip("\\"))
        self._depth -= 1
        return form

    def _base(self) -> Form:
        return self._derivative() if self._is_derivative_ahead() else super()._base()

    def _is_derivative_ahead(self) -> bool:
        if self._peek().value != r"\frac" or self._peek(2).value != "d":
            return False
        values = [self._peek(ahead).value for ahead in range(8)]
        return values[:5] == [r"\frac", "{", "d", "}", "{"] and (
            (len(values[5]) == 2 and values[5][0] == "d" and values[6] == "}")
            or (values[5] == "d" and values[7] == "}")
        )

    def _derivative(self) -> Form:
        """d/dx of the product behind it."""
        self._next += 5
        name = self._take().value[1:] or self._take().value.lstrip("\\")
        self._expect("}")
        self._deeper()
        body = self._product()
        self._depth -= 1
        return algebra.atom("function", "diff", (body, algebra.atom("symbol", name)))

    def _series(self, name: str) -> Form:
        below, above = self._bounds()
        if below and below[0].value in CONSTANTS:  # here i is no constant
            index = below[0]
            below, above, self._tokens[self._next :] = (
                [Token("index", token.value) if token == index else token for token in tokens]
                for tokens in (below, above, self._tokens[self._next :])
            )
        reader = OperatorReader(below)
        variable = reader._symbol()
        reader._expect("=")
        low, high = reader._to_end(), OperatorReader(above)._to_end()
        return series(name, self._product(), variable, low, high)

    def _limit(self) -> Form:
        below, _ = self._bounds()
        reader = OperatorReader(below)
        variable = reader._symbol()
        reader._expect(r"\to")
        target = reader._sum_until_side()
        rest = [token.value for token in reader._tokens[reader._next :] if token != END]
        if not set(rest) <= {"^", "{", "}", "+", "-"}:
            raise GrammarError("a limit at more than one place")
        side = -1 if "-" in rest else 1
        return algebra.atom("function", "lim", (self._product(), variable, target, algebra.number(side)))

    def _sum_until_side(self) -> Form:
        """A limit's target, up to the + or - that says from which side."""
        values = [token.value for token in self._tokens]
        if "^" in values[self._next :] and values[-1] in ("+", "-", "}"):
            self._tokens.insert(values.index("^", self._next), END)
        return self._sum()

    def _integral(self) -> Form:
        below, above = self._bounds()
        variable = self._mark_differential()
        if self._peek() == DIFFERENTIAL:
            body = algebra.number(1)
        else:
            body = self._sum() if DIFFERENTIAL in self._tokens[self._next :] else self._product()
        self._accept(DIFFERENTIAL.value)
        bounds = (OperatorReader(below)._to_end(), OperatorReader(above)._to_end()) if below and above else ()
        return algebra.atom("function", "int", (body, variable, *bounds))

    def _mark_differential(self) -> Form:
        """The variable of the next dx, which is taken out, or replaced by a mark where the integrand ends with it."""
        depth = 0
        for index in range(self._next, len(self._tokens)):
            token = self._tokens[index]
            depth += (token.value in OPENING) - (token.value in CLOSING)
            following = self._tokens[index + 1] if index + 1 < len(self._tokens) else END
            if re.fullmatch(r"d[a-zA-Z]", token.value) and token.kind == "word":
                name, length = token.value[1], 1
            elif token.value == "d" and following.kind in ("word", "command"):
                name, length = following.value.lstrip("\\"), 2
            else:
                continue
            self._tokens[index : index + length] = [DIFFERENTIAL] if depth == 0 else []
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
