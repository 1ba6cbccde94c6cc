#!/usr/bin/env bash
# datasets 5.2.0: strings of a JSON Lines column that also holds lists come back as whatever they spell.
# Seen: with one record whose answer is a list, the column becomes a `Json` feature, and the other records' strings are
# parsed once more: "2" comes back as the number 2, "007" as 7, "0.10" as 0.1, "null" as None, "true" as True. Without the
# list they come back as they were written.
# Expected: a string comes back as that string, whatever the other records hold. Answers of reasoning data sets are such
# columns (one answer, or a list of alternatives), and "0.10", "007" and 0.1, 7 are other answers to some judges.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -qq --disable-pip-version-check --target "$folder/packages" datasets==5.2.0
HF_HOME=$folder HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 PYTHONPATH=$folder/packages python3 - "$folder" <<'PY'
import json
import sys

from datasets import load_dataset

WRITTEN = ["2", "007", "0.10", "null", "true"]


def read(name, answers):
    path = f"{sys.argv[1]}/{name}.jsonl"
    with open(path, "w") as file:
        file.writelines(json.dumps({"answer": answer}) + "\n" for answer in answers)
    return load_dataset("json", data_files=path, split="train")["answer"][:]


alone, beside_a_list = read("alone", WRITTEN), read("beside", [*WRITTEN, ["1", "2"]])
print("alone:", alone, "beside a list:", beside_a_list[:-1])
assert alone == WRITTEN
assert beside_a_list[:-1] == [2, 7, 0.1, None, True]
PY
