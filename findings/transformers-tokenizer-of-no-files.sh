#!/usr/bin/env bash
# transformers 5.19.0: AutoTokenizer makes a tokenizer for a folder that holds none.
# Seen: a folder with the `config.json` of a Qwen2 model and no tokenizer's files gives a Qwen2 tokenizer whose whole
# vocabulary is one token. It reads "Hello" as no token at all, and nothing is said.
# Expected: an error that names the files that are missing. Whoever copied a model without its tokenizer trains on nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -qq --disable-pip-version-check --target "$folder" \
  transformers==5.19.0 tokenizers==0.23.3
PYTHONPATH=$folder python3 - "$folder" <<'PY'
import sys

from transformers import AutoTokenizer, Qwen2Config

where = sys.argv[1] + "/qwen2"
Qwen2Config(vocab_size=151936).save_pretrained(where)
tokenizer = AutoTokenizer.from_pretrained(where)
ids = tokenizer("Hello")["input_ids"]
print(type(tokenizer).__name__, "of", len(tokenizer), "tokens reads 'Hello' as", ids)
assert len(tokenizer) == 1 and len(set(ids)) <= 1, (len(tokenizer), ids)
PY
