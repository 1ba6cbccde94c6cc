"""Math-Verify as an oracle, for the pairs that our own parsed forms leave open. Only for the bounded process.

Math-Verify's own time limits are off: they need the main thread, and the process has its own. Only its LaTeX reader
is used, since its reader of plain expressions hands text to `parse_expr`.
"""

from __future__ import annotations

import logging

from math_verify import LatexExtractionConfig, parse, verify

logging.disable(logging.CRITICAL)  # it warns of the time limit that is off, and of every text it cannot read

_TARGETS = [LatexExtractionConfig()]


def math_verify_same(first: str, second: str) -> bool:
    """Whether Math-Verify takes either text as an answer to the other."""
    one, other = _parse(first), _parse(second)
    return _verify(one, other) or _verify(other, one)


def _parse(text: str) -> list:
    mathematics = text.replace("$", " ")
    return parse(f"${mathematics}$", _TARGETS, fallback_mode="no_fallback", parsing_timeout=None, raise_on_error=True)


def _verify(gold: list, target: list) -> bool:
    return verify(gold, target, timeout_seconds=None, raise_on_error=True)
