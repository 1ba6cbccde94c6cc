"""The report of a run: one HTML page that needs nothing else, with its curves and a browser of its completions.

Consumes a run directory; produces `report.html`. Completions are read and written table by table: what stays in memory
is one table, the index (a few hundred bytes a group) and the problems' texts, however many completions there are. It
computes no metric of a step and changes nothing in the run directory but the page.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seed_grpo.config.loading import load_config
from seed_grpo.errors import CheckpointError, ModelError
from seed_grpo.evaluate.reports.page.groups import TABLES, GroupIndex, group_payload
from seed_grpo.evaluate.reports.page.summary import dropped_reasons, summary
from seed_grpo.evaluate.reports.page.tokens import load_tokenizer, token_texts
from seed_grpo.records.rollout_table import read_groups, tables

SCRIPTS = ("base.js", "charts.js", "overview.js", "group.js", "browser.js")
"""scripts in the order in which the page runs them"""
CHUNK_BYTES = 2**18
"""bytes of JSON after which a chunk of groups is closed; the browser unpacks one chunk for a click"""


def write_report(run_directory: Path, out: Path | None = None) -> Path:
    """Writes the page, atomically, and returns its path.

    Args:
        run_directory: of a run, finished or at work.
        out: the page; `report.html` in the run directory if None.

    Raises:
        CheckpointError: the folder is no run directory, or one of its records was damaged from outside.
        ConfigError: its config.yaml is not one of this program.
    """
    if not (run_directory / "config.yaml").is_file():
        raise CheckpointError(
            f"{run_directory} is no run directory: it has no config.yaml; name the folder that a run wrote, its "
            "run.directory"
        )
    out = run_directory / "report.html" if out is None else out
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    with open(temporary, "w", encoding="utf-8") as page:
        _write_page(run_directory, page.write)
    os.replace(temporary, out)
    return out


def has_completions(run_directory: Path) -> bool:
    """Tells whether a run has completions on record."""
    return any(tables(run_directory / table) for table in TABLES)


def _write_page(run_directory: Path, write: Callable[[str], Any]) -> None:
    """The static page with the data between its body and its scripts; data is written as it is read."""
    config = load_config(run_directory / "config.yaml")
    head, rest = _static("page.html").split("<!-- style -->")
    body, tail = rest.split("<!-- data -->")
    write(f"{head}<style>{_static('page.css')}</style>{body}")
    try:
        tokenizer, why_not = load_tokenizer(run_directory, config.model), ""
    except ModelError as error:
        tokenizer, why_not = None, str(error)
    index = GroupIndex(dropped_reasons(run_directory))
    chunks = Chunks(write)
    token_ids: set[int] = set()
    for table in TABLES:
        for group in read_groups(tables(run_directory / table), tokens=tokenizer is not None):
            index.add(table, group, chunks.add(group_payload(group)))
            token_ids.update(*(ids.tolist() for ids in group.token_ids_G or ()))
    chunks.close()
    vocabulary = {} if tokenizer is None else token_texts(tokenizer, sorted(token_ids))
    _write_packed(write, "index", index.columns() | {"vocabulary": vocabulary, "why_no_tokens": why_not})
    bands = index.bands()
    write(f'<script type="application/json" id="run">{_json(summary(run_directory, config, bands))}</script>\n')
    for name in SCRIPTS:
        write(f"<script>{_static(name)}</script>\n")
    write(tail)


class Chunks:
    """Packs payloads of groups, so many a chunk, into elements of the page."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        self._write = write
        self._number = 0
        self._payloads: list[str] = []
        self._size = 0

    def add(self, payload: dict[str, Any]) -> tuple[int, int]:
        """Returns the number of the chunk that the payload goes to, and its place there."""
        place = self._number, len(self._payloads)
        self._payloads.append(_json(payload))
        self._size += len(self._payloads[-1])
        if self._size >= CHUNK_BYTES:
            self.close()
        return place

    def close(self) -> None:
        """Writes the chunk that is open, if it holds anything."""
        if self._payloads:
            _write_element(self._write, f"chunk-{self._number}", f"[{','.join(self._payloads)}]")
            self._number, self._payloads, self._size = self._number + 1, [], 0


def _write_packed(write: Callable[[str], Any], name: str, value: Any) -> None:
    _write_element(write, name, _json(value))


def _write_element(write: Callable[[str], Any], name: str, text: str) -> None:
    packed = base64.b64encode(gzip.compress(text.encode("ascii"), mtime=0)).decode("ascii")
    write(f'<script type="application/octet-stream" id="{name}">{packed}</script>\n')


def _json(value: Any) -> str:
    """JSON in ASCII that can stand in an HTML element: lone surrogates stay escapes, and no tag begins in it."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _static(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
