"""`seed-grpo whatif`: a run's groups, replayed under other estimators, scales and advantages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seed_grpo.evaluate.studies import whatif, whatif_page


def print_whatif(run: Path, overrides: Sequence[str]) -> None:
    """Prints the comparison as Markdown.

    Args:
        overrides: settings of `algo` with the values to try, such as `algo.scale.alpha=0.02,0.5`.
    """
    print(whatif_page.markdown(whatif.whatif(run, whatif.variants_of(run, overrides))))
