r"""Part of the judge's benchmark: which reference answers of the real sets it can read.

Consumes the problem sets; prints, set by set, how many answers parse to something better than a bare string, and lists
those that do not. Words that the answer itself marks as such (`\text{Tuesday}`) are read as meant, and counted apart.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from benchmarks.tables import heading, progress, records, share, show, show_list
from seed_grpo.errors import SeedGrpoError
from seed_grpo.verify.relations import RELATIONS

SETS = (
    "aime24.jsonl",
    "amc.jsonl",
    "math500.jsonl",
    "minerva.jsonl",
    "olympiadbench.jsonl",
    "math_lvl3to5_8k.jsonl.gz",
    "gsm8k_test.jsonl.gz",
)
_TEXT = re.compile(r"\\(text|mbox|textbf|textit|mathrm|mathbf|operatorname)\b")


def references(data: Path) -> None:
    """Counts over every answer and alternative answer of the sets."""
    heading("Reference answers")
    rows, listed, words = [], [], []
    for name in SETS:
        title = name.partition(".")[0]
        kinds: Counter[str] = Counter()
        for row in progress(records(data / name), title):
            for answer in (row["answer"], *row.get("alt_answers", ())):
                kind, told = _kind(answer)
                kinds[kind] += 1
                if kind == "marked words":
                    words.append((title, row["id"], answer, told))
                elif kind != "parsed":
                    listed.append((title, row["id"], answer, told))
        total = kinds.total()
        rest = [kinds[kind] for kind in ("marked words", "words", "string", "empty", "failed")]
        rows.append((title, total, share(kinds["parsed"], total), *rest))
    columns = ("set", "answers", "parsed", r"words marked as \text", "other words", "bare strings", "empty", "failed")
    show("What the reference answers parse to", columns, rows)
    case = ("set", "id", "answer", "read as")
    show_list("Words marked as such", case, words)
    show_list("Answers that parse to nothing better than a bare string", case, listed)


def _kind(answer: str) -> tuple[str, str]:
    """Kind to count under, and what to show of it: the parsed form, or why there is none."""
    if not answer.strip():
        return "empty", "nothing"
    try:
        form = RELATIONS["math"].parse(answer)
    except SeedGrpoError as error:
        return "failed", str(error)
    if form.kind == "words" and _TEXT.search(answer):
        return "marked words", form.shown
    return form.kind if form.kind in ("words", "string") else "parsed", form.shown
