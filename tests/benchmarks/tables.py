"""Parts that the benchmarks share: where the data are, progress, and tables on the terminal and in a file.

Consumes the files of the data folder; produces records, text, and the JSON file of a part. It measures nothing.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seed_grpo.records.environment import describe_environment

LOG_EVERY_SECONDS = 5.0
WIDTH = 150
"""characters of a table, on a terminal or in a file"""

shown: list[dict[str, Any]] = []
"""the tables that this process has shown, which `write_tables` writes"""

T = TypeVar("T")


def default_data() -> Path:
    """The folder of `SEED_GRPO_DATA`, else `shared/data` beside the repository."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    return Path(os.environ.get("SEED_GRPO_DATA", beside))


def records(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file, packed or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items; says on standard error every few seconds how far it is."""
    said = time.monotonic()
    for index, item in enumerate(items):
        if time.monotonic() - said > LOG_EVERY_SECONDS:
            said = time.monotonic()
            print(f"  {what}: {index} of {len(items)}", file=sys.stderr, flush=True)
        yield item


def heading(text: str) -> None:
    """A title above the tables of one part."""
    print(f"\n{text}\n{'=' * len(text)}", flush=True)


def short(value: object, limit: int = 60) -> str:
    """One line of at most `limit` characters, all of them printable."""
    words = " ".join(str(value)[: 4 * limit].split())
    text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in words)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def share(part: int, whole: int) -> str:
    """E.g. `97.5% (39/40)`, finer of many; a dash of nothing."""
    return f"{part / whole:.{1 if whole < 1000 else 2}%} ({part}/{whole})" if whole else "-"


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table; a column whose cells are all numbers, or begin with a digit, stands to the right."""
    table = Table(box=box.SIMPLE_HEAD)
    shown.append({"title": title, "rows": [dict(zip(columns, row, strict=True)) for row in rows]})
    for index, column in enumerate(columns):
        cells = [str(row[index]) for row in rows]
        numeric = all(cell[:1].isdigit() or cell == "-" for cell in cells)
        table.add_column(Text(column), justify="right" if numeric else "left", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    print(title)
    Console(width=WIDTH).print(table)
    sys.stdout.flush()


def show_list(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], limit: int = 60) -> None:
    """Prints a list of cases with every cell on one line, and says so where there are none."""
    if not rows:
        print(f"{title}: none\n", flush=True)
        return
    show(f"{title}: {len(rows)}", columns, [[short(cell, limit) for cell in row] for row in rows])


def write_tables(path: Path) -> None:
    """Writes the tables that were shown as JSON, with the machine and the versions they hold for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"date": time.strftime("%Y-%m-%d"), "environment": describe_environment(), "tables": shown}
    path.write_text(json.dumps(content, indent=1, default=str))
