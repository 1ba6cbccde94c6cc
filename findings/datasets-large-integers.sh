#!/usr/bin/env bash
# datasets 5.2.0: large whole numbers in JSON Lines become other numbers, without a word.
# Seen: 9007199254740993 in a record, and 0.5 in another, make a float64 column: the first comes back as
# 9007199254740992.0, another number. 2**63 alone comes back as the float 9.223372036854776e+18.
# Expected: the number that was written, or an error. Answers to problems of number theory are often of this size, and a
# reference that is off by one refuses every right answer. In Python's own json both are exact.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -qq --disable-pip-version-check --target "$folder/packages" datasets==5.2.0
HF_HOME=$folder HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 PYTHONPATH=$folder/packages python3 - "$folder" <<'PY'
import sys

from datasets import load_dataset


def read(name, *numbers):
    path = f"{sys.argv[1]}/{name}.jsonl"
    with open(path, "w") as file:
        file.writelines(f'{{"answer": {number}}}\n' for number in numbers)
    return load_dataset("json", data_files=path, split="train")["answer"][:]


beside_a_decimal, beyond = read("beside", 2**53 + 1, 0.5), read("beyond", 2**63)
print("2**53 + 1 beside 0.5:", beside_a_decimal[0], "and 2**63:", beyond[0])
assert beside_a_decimal[0] == 2.0**53 and isinstance(beside_a_decimal[0], float)
assert isinstance(beyond[0], float)
PY
