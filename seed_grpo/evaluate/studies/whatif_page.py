"""Page of a what-if study: tables in Markdown.

Consumes a `WhatIf`; produces Markdown. It replays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seed_grpo.evaluate.reports.formatting import table
from seed_grpo.evaluate.studies.whatif import Outcome, Part, WhatIf


def markdown(found: WhatIf) -> str:
    """The outcomes as tables."""
    columns = [
        "settings", "scale mean", "min", "max", "step mean", "against none", "gradient", "rank correlation", "clipped",
    ]  # fmt: skip
    rows = [
        [
            each.name, f"{each.scale_mean:.4f}", f"{each.scale_min:.4f}", f"{each.scale_max:.4f}",
            f"{each.step_mean:.4f}", _text(each.step_against_none, ".4f"), f"{each.gradient_share:.1%}",
            _text(each.rank_correlation, ".3f"), str(each.clipped),
        ]
        for each in found.outcomes
    ]  # fmt: skip
    return "\n".join(
        [
            f"# What if: {found.run}",
            "",
            f"{found.trained} trained groups of {found.steps} steps, replayed. Under the run's own settings the replay "
            f"gives back every recorded scale (largest difference {found.scale_difference:.1e}) and advantage "
            f"({found.advantage_difference:.1e}).",
            "",
            *table(columns, rows),
            "Step mean: the mean of abs(advantage x scale) over completions; against none: divided by what it is "
            "without a scale. Gradient: groups with an advantage that is not 0. Rank correlation: of the scales with "
            "those of the run, within a step; - where one of them does not vary. Clipped: groups whose entropy "
            "estimate exceeded its maximum.",
            "",
            *_parts_lines(found, "share right of the group", lambda outcome: outcome.difficulties),
            *_parts_lines(found, "data set", lambda outcome: outcome.datasets),
            *_dropped_lines(found),
        ]
    )


def _parts_lines(found: WhatIf, by: str, parts_of: Callable[[Outcome], Sequence[Part]]) -> list[str]:
    """A table of the parts that have groups; none where there are no parts."""
    places = [place for place, part in enumerate(parts_of(found.outcomes[0])) if part.groups]
    if not places:
        return []
    first = [parts_of(found.outcomes[0])[place] for place in places]
    rows = []
    for outcome in found.outcomes:
        chosen = [parts_of(outcome)[place] for place in places]
        cells = [f"{_text(each.weight, '.1%')} ({_text(each.scale_mean, '.4f')})" for each in chosen]
        rows.append([outcome.name, *cells])
    return [
        f"## Weight in the gradient, by {by}",
        "",
        *table(["settings", *(f"{each.name}: {each.groups} groups" for each in first)], rows),
        "Share of the sum of abs(advantage x scale); in brackets the mean scale.",
        "",
    ]


def _dropped_lines(found: WhatIf) -> list[str]:
    if not found.dropped:
        return []
    rows = [
        [each.name, _text(each.dropped_scale_mean, ".4f"), _text(each.dropped_gradient_share, ".1%")]
        for each in found.outcomes
    ]
    return [
        f"## The {found.dropped} groups that were dropped",
        "",
        *table(["settings", "scale mean", "gradient"], rows),
        "What they would have got, had they been trained; controls do not act on them.",
    ]


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
