#!/usr/bin/env bash
# trl 1.16.0 with transformers 5.19.0: `disable_dropout_in_model` leaves most of a model's dropout on.
# Seen: it sets `p` of torch.nn.Dropout modules. A Seed-OSS model, by its default configuration, drops 10% of the residual
# stream and of the attention by plain numbers (`residual_dropout`, `attention_dropout`), which are handed to
# torch.nn.functional.dropout: in train mode two passes over the same tokens differ by more than a nat a token, as if
# nothing had been switched off. StarCoder2, with its dropouts set, likewise.
# Expected: no dropout after a call of that name. The name matters: RLHF trainers call it so that the policy that is
# trained is the one that sampled; `disable_dropout=True` of the trainers' configurations promises just that.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -qq --disable-pip-version-check --target "$folder" \
  torch==2.13.0 transformers==5.19.0 trl==1.16.0 accelerate==1.15.0 datasets==5.2.0
PYTHONPATH=$folder python3 - <<'PY'
import torch
from transformers import AutoModelForCausalLM, SeedOssConfig, Starcoder2Config
from trl.trainer.utils import disable_dropout_in_model

SIZES = dict(vocab_size=64, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=16, initializer_range=0.3, bos_token_id=None, eos_token_id=1)
rates = dict(residual_dropout=0.1, attention_dropout=0.1, embedding_dropout=0.1)
tokens = torch.arange(2, 34)[None]
for config in (SeedOssConfig(**SIZES), Starcoder2Config(**SIZES, **rates)):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).train()
    disable_dropout_in_model(model)
    with torch.no_grad():
        first, second = (model(tokens).logits.log_softmax(-1) for _ in range(2))
        model.eval()
        still, again = (model(tokens).logits.log_softmax(-1) for _ in range(2))
    apart = (first - second).abs().max().item()
    print(f"{config.model_type}: two passes in train mode differ by up to {apart:.2f} nats, in eval mode by",
          (still - again).abs().max().item())
    assert apart > 0.5 and torch.equal(still, again)
PY
