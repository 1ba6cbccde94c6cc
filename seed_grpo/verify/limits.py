"""The bounds on the work that one answer may cause, and the error that reaching one raises.

Whatever the text is, parsing it stays within milliseconds and a few megabytes. A bound reached says nothing about the
answer: it becomes the verdict `timed_out`, never `incorrect`.
"""

from seed_grpo.errors import SeedGrpoError

MAX_CHARS = 4000
"""of one answer"""
MAX_DIGITS = 1000
"""of one number as written"""
MAX_DEPTH = 40
"""of nested brackets, fractions, powers"""
MAX_BITS = 8192
"""of a numerator or denominator"""
MAX_TERMS = 100
"""of an expanded sum"""
MAX_ITEMS = 500
"""of a list, set, tuple or matrix"""


class BoundReachedError(SeedGrpoError):
    """An answer would cost more than it may; the message names the bound."""
