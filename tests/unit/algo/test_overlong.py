"""The soft overlong punishment, by hand."""

import numpy as np
import pytest

from seed_grpo.algo.overlong import overlong_G


def test_the_three_pieces_worked_by_hand() -> None:
    """L = 10, c = 4: nothing up to 6, then a quarter a token, -1 at 10. With the margin put beyond L, 7 to 10 would
    give 0; with (length - (L - c)) / c the sign would be wrong; 11 cannot be sampled, but stays at -1."""
    lengths_G = np.array([0, 5, 6, 7, 8, 9, 10, 11], dtype=np.int32)
    expected = [0.0, 0.0, 0.0, -0.25, -0.5, -0.75, -1.0, -1.0]
    np.testing.assert_array_equal(overlong_G(lengths_G, 10, 4), expected)


def test_the_numbers_of_the_paper() -> None:
    """DAPO, section 4.1: 16,384 tokens expected and a cache of 4,096, so 20,480 allowed. Half of the cache: 1/2."""
    lengths_G = np.array([16384, 18432, 20480])
    np.testing.assert_array_equal(overlong_G(lengths_G, 20480, 4096), [0.0, -0.5, -1.0])


def test_no_margin_is_no_punishment_even_at_the_limit() -> None:
    np.testing.assert_array_equal(overlong_G(np.array([1, 10]), 10, 0), [0.0, 0.0])


@pytest.mark.parametrize(("lengths", "margin"), [([[1, 2]], 4), ([1, 2], 10), ([1, 2], -1)])
def test_what_cannot_be(lengths: list, margin: int) -> None:
    with pytest.raises(ValueError, match=r"overlong_tokens=.*max_completion_tokens=10"):
        overlong_G(np.array(lengths), 10, margin)
