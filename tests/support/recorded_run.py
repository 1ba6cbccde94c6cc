"""Run directories with groups as told, and the report's page of one as an independent parser sees it."""

from __future__ import annotations

import base64
import gzip
import html.parser
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seed_grpo.config.loading import dump_config, load_config
from seed_grpo.messages import Completion, FinishReason, Group, GroupTask, JudgedGroup, Judgement, Problem, Sampling
from seed_grpo.messages import Verdict as V
from seed_grpo.records.files import write_table
from seed_grpo.records.rollout_table import Estimate, rollout_rows, schema

ROOT = Path(__file__).parents[2]
HOSTILE = "</script><img src=x onerror=pwned=1><!-- <script>pwned=2</script>"


def judged(group_id: int, problem: str, texts: Sequence[str], right: str, tokenizer: Any, sampled: bool = True) -> Any:
    """A group whose completion g is right where right[g] is "1"; right ones are class 0, wrong ones class 1. The
    log-probability of every token is -0.5."""
    known = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    ids_G = [np.array(tokenizer.encode(text) if tokenizer else [0, 1], np.int32) for text in known]
    completions = tuple(
        Completion(text, ids, np.full(len(ids), -0.5, np.float32), np.full(len(ids), 1, np.int32), FinishReason.STOP)
        for text, ids in zip(texts, ids_G, strict=True)
    )
    task = GroupTask(
        group_id,
        Problem(f"id-{group_id}", problem, ("2",), "src"),
        (1,),
        Sampling(len(texts), 1.0 if sampled else 0.0, 1.0, 8, 0),
    )
    won = [each == "1" for each in right]
    return JudgedGroup(
        Group(task, completions, "rollout-0", 0.5),
        tuple(Judgement(V.CORRECT if yes else V.INCORRECT, "2", "number 2", "equal number") for yes in won),
        np.array(won, np.float32),
        np.ones(len(won), np.bool_),
        np.array([0 if yes else 1 for yes in won] if any(won) else [0] * len(won), np.int32),
        semantic_entropy=0.25 * len(set(won)),
        entropy_max=math.log(2),
        entropy_clipped=False,
        seconds=0.1,
    )


def write_run(folder: Path, tables: dict[str, list[JudgedGroup]], trained: Sequence[int] = ()) -> Path:
    """A run directory with the groups of tables like `rollouts/3`; of the steps' groups, those of `trained` were."""
    folder.mkdir(parents=True)
    config = load_config(ROOT / "jobs" / "quickstart.yaml", [f"model.path={json.dumps(HOSTILE)}"])
    (folder / "config.yaml").write_text(dump_config(config))
    for name, groups in tables.items():
        table, step = name.split("/")
        estimate = {i: Estimate(0.5, np.zeros(2), np.array([0.125, -0.125])) for i in trained}
        rows = list(rollout_rows(int(step), groups, estimate if table == "rollouts" else {}))
        write_table(folder / table / f"step_{int(step):06d}.parquet", rows, schema())
    return folder


class Page(html.parser.HTMLParser):
    """A page as an independent parser sees it: its tags, and what stands in the elements with an id."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.contents: dict[str, str] = {}
        self._id: str | None = None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._id = dict(attributes).get("id")

    def handle_data(self, data: str) -> None:
        if self._id is not None:
            self.contents[self._id] = self.contents.get(self._id, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._id = None

    def packed(self, name: str) -> Any:
        return json.loads(gzip.decompress(base64.b64decode(self.contents[name])))

    def group(self, table: int, step: int, group_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """The group's row of the index, and its payload."""
        columns = self.packed("index")["columns"]
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        (row,) = [row for row in rows if (row["table"], row["step"], row["group"]) == (table, step, group_id)]
        return row, self.packed(f"chunk-{row['chunk']}")[row["place"]]
