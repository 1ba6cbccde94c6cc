"""Pairs of final answers, labelled equal or unequal by hand, by authors who had not seen the judge.

`written` goes through the kinds of answers, `real_1` and `real_2` answer sampled reference answers of the real sets as
models would write them, with near misses; `adversarial` is what a policy that is paid by the judge might find. The
pairs are in `answer_pairs.jsonl`, one a line.
"""

import json
from collections import defaultdict
from pathlib import Path

Pairs = list[tuple[str, str]]

PAIRS: dict[str, tuple[Pairs, Pairs]] = defaultdict(lambda: ([], []))
"""set/kind to its equal and its unequal pairs (reference, answer)"""
for line in (Path(__file__).parent / "answer_pairs.jsonl").read_text().splitlines():
    row = json.loads(line)
    PAIRS[row["kind"]][0 if row["expected"] else 1].append((row["reference"], row["answer"]))
