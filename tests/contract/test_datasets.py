"""Every named data set: it loads, with as many problems as its manifest says."""

from __future__ import annotations

import json

from seed_grpo.config.sections import DataConfig
from seed_grpo.data.datasets import DIRECTORY_VARIABLE, NAMED_SETS, load_problems
from support.shared_data import SHARED, needs_shared


@needs_shared
def test_every_named_set_loads_with_the_counts_of_the_manifest(monkeypatch):
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(SHARED))
    manifest = json.loads((SHARED / "MANIFEST.json").read_text())
    rows = {entry["file"].partition(".")[0]: entry["rows"] for entry in manifest}
    empty_answers = {"math_lvl3to5": 2, "math_12k": 2}
    assert {named.stem for named in NAMED_SETS.values()} <= set(rows)
    for name, named in NAMED_SETS.items():
        found = load_problems(DataConfig(source=name, on_bad_record="skip"))
        assert found.skipped == empty_answers.get(name, 0), name
        assert len(found.problems) + found.skipped == rows[named.stem], name
    minerva = load_problems(DataConfig(source="minerva")).problems
    assert sum(len(p.answers) > 1 for p in minerva) == 40
