"""`seed-grpo audit`: prompts of a run with doubtful labels, verdicts and rewards."""

from __future__ import annotations

from pathlib import Path

from seed_grpo.evaluate.studies import audit


def print_audit(run: Path, limit: int) -> None:
    """Prints the findings as Markdown, at most `limit` of each kind."""
    print(audit.markdown(audit.audit(run, limit)))
