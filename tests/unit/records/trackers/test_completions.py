"""Completions for a tracker's table."""

from seed_grpo.records.rollout_table import rollout_rows
from seed_grpo.records.trackers.completions import TEXT_CHARS, bounded, choose
from support.judged_group import judged_group

ROWS = list(rollout_rows(3, [judged_group(7), judged_group(8)], {}))


def test_lines_are_drawn_from_all_completions_and_drawn_again_the_same() -> None:
    lines = choose(3, ROWS, 2)
    assert lines == choose(3, ROWS, 2) and len(lines) == 2
    everything = choose(3, ROWS, 100)
    assert everything[0] == ["1+1=??", r"so \boxed{2}", 1.0, 0, "correct"]  # the lone surrogate became a question mark
    assert everything[2] == ["1+1=??", "", 0.0, -1, "timed_out"] and len(everything) == 6
    assert len({tuple(map(str, choose(step, ROWS, 2))) for step in range(20)}) > 1


def test_of_a_long_text_beginning_and_end_are_kept() -> None:
    text = "a" * 3000 + "b" * 3000
    half = TEXT_CHARS // 2
    assert bounded(text) == "a" * half + " [... 2,000 characters ...] " + "b" * half
    assert bounded("a" * TEXT_CHARS) == "a" * TEXT_CHARS
