#!/usr/bin/env bash
# transformers 5.19.0: a mixture of experts loads with nothing missing though one expert of the checkpoint has no weights.
# Seen: Mixtral with four experts, whose checkpoint has the experts 0, 1, 2 and 9, loads without a word: `missing_keys` and
# `unexpected_keys` are empty. Expert 3 of the model holds the weights of the file's expert 9. The conversion of experts
# into one stacked parameter stacks what matches the pattern, in order, and looks at no number.
# Expected: experts.3 missing and experts.9 unexpected, as for every other weight with a wrong name. A checkpoint whose
# shards were merged wrongly is otherwise taken for a whole one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -qq --disable-pip-version-check --target "$folder" \
  torch==2.13.0 transformers==5.19.0 safetensors==0.8.0 tokenizers==0.23.3
PYTHONPATH=$folder python3 - "$folder" <<'PY'
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import MixtralConfig, MixtralForCausalLM

where = sys.argv[1] + "/mixtral"
sizes = dict(vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1)
heads = dict(num_attention_heads=2, num_key_value_heads=1, num_local_experts=4, num_experts_per_tok=2)
torch.manual_seed(0)
MixtralForCausalLM(MixtralConfig(**sizes, **heads)).save_pretrained(where)
file = where + "/model.safetensors"
weights = {name.replace("experts.3.", "experts.9."): tensor for name, tensor in load_file(file).items()}
save_file(weights, file, metadata={"format": "pt"})
model, info = MixtralForCausalLM.from_pretrained(where, output_loading_info=True)
print("experts in the file:", sorted({name.split("experts.")[1][0] for name in weights if "experts." in name}))
print("missing:", sorted(info["missing_keys"]), "unexpected:", sorted(info["unexpected_keys"]))
assert not info["missing_keys"] and not info["unexpected_keys"], info
down = next(name for name in weights if "experts.9" in name and weights[name].shape == (16, 16) and "w2" in name)
assert torch.equal(model.model.layers[0].mlp.experts.down_proj[3], weights[down])
PY
