"""Every causal language model family that Transformers knows, made small: dropout and noise on, windows short.

`small_config(family)` shrinks the family's own defaults by what its settings are called; `PARTICULAR` is for what does
not fit together then; `NOT_SMALL` are those that cannot be made, with the reason.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.pretrained.family import check_config
from seed_grpo.train.attention import blocks
from seed_grpo.train.logprobs import PolicyLogprobs
from seed_grpo.train.model import load_model, recompute
from seed_grpo.train.packing import pack
from seed_grpo.train.proof import Differences, prove

FAMILIES = sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
NOISE = 0.3
WINDOW = 8
KEY_HEADS = 2
LONGEST = 120
LENGTHS = (60, 33, 7)
"""tokens: of the proof's long sequence, whose short one has 30; of the judge's"""

LARGEST: list[tuple[str, int | None]] = [
    # the first that is found in a setting's name bounds its number; None leaves it
    (r"chunk_size_feed_forward|token_id|_index$|type_vocab_size|decoder_start|sliding_window_pattern", None),
    (r"vocab_size|group_vocab", 128),
    (r"head_dim|head_size|d_head|headdim|kv_channels|dim_head|rotary_dim", 16),
    (r"^num_(hidden_|decoder_|encoder_)?layers$|^n_layers?$|^(en|de)coder_layers$|^num_blocks$", 4),
    (r"kv_heads|key_heads", KEY_HEADS),
    (r"heads$|n_head$", 4),
    (r"experts_per_tok|moe_k|moe_topk|top_k$", 2),
    (r"experts$|expert_num", 4),
    (r"^n_group$|topk_group|n_groups|o_groups", 1),
    (r"_rank$", 16),
    (r"max_position|n_positions|n_ctx|max_seq_len|max_target_pos|max_source|context_length|model_max", 256),
    (r"max_window_layers", 2),
    (r"window|local_attention$|attention_chunk_size|index_topk|chunk_length", WINDOW),
    (r"hidden_size|d_model|n_embd|embedding_size|emb_dim|embedding_dim|embed_dim|d_inner|lru_width|word_embed", 64),
    (r"intermediate|ffn|dff|dim_ff|n_inner|feed_forward_size", 64),
]
EXPERTS = {"n_routed_experts": 4, "num_experts_per_tok": 2}
MLA = {"num_key_value_heads": 4}
"""attention over latent keys has as many key heads as heads"""
PARTICULAR: dict[str, dict[str, Any]] = {
    "cohere_compass_text": {
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [3, 3, 2]},
        }
    },
    "bamba": {"mamba_n_heads": 8, "attn_layer_indices": [1]},
    "diffllama": {"attention_dropout": 0.0},
    "dots1": {**EXPERTS, "n_shared_experts": 1},
    "deepseek_v2": {**EXPERTS, **MLA},
    "dbrx": {"attn_config": {"rope_theta": 1e4, "kv_n_heads": 2, "clip_qkv": 8.0}},
    "deepseek_v4": {"num_key_value_heads": 1},
    "falcon_h1": {"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_ssm": 128},
    "gemma3n_text": {"num_kv_shared_layers": 2, "layer_types": ["sliding_attention", "full_attention"] * 2},
    "gemma4_text": {"num_kv_shared_layers": 2, "layer_types": ["sliding_attention", "full_attention"] * 2},
    "gemma4_assistant": {
        "text_config": {
            "model_type": "gemma4_text",
            "hidden_size_per_layer_input": 0,
            "vocab_size_per_layer_input": 0,
            "num_kv_shared_layers": 30,
        }
    },
    "gemma4_unified_assistant": {"text_config": {"model_type": "gemma4_unified_text"}},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {"mamba_n_heads": 8, "layer_types": ["mamba", "attention"] * 2},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "llama4_text": {"layer_types": ["chunked_attention", "full_attention"] * 2},
    "mamba2": {"num_heads": 8},
    "minimax_m3_vl_text": {
        "index_block_size": 4,
        "index_topk_blocks": 1,
        "layer_types": ["minimax_m3_sparse", "full_attention"] * 2,
    },
    "ministral": {"head_dim": 16},
    "nemotron": {"head_dim": 16},
    "reformer": {"axial_pos_shape": (8, 16), "axial_pos_embds_dim": (16, 48)},
    "xmod": {"default_language": "en_XX"},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"] * 2},
}
NOT_SMALL = dict.fromkeys(["musicgen", "musicgen_melody"], "no defaults: made of three models that are to be named")

REFUSED_FOR = {
    r"takes images or sound besides text": """
        emu3 fuyu gemma3 gemma3n gemma4 gemma4_unified git got_ocr2 llama4 mllama moshi phi4_multimodal qwen3_5
        qwen3_5_moe qwen4_exp whisper
    """,
    r"consists of several models": """
        gemma4_assistant gemma4_unified_assistant
    """,
    r"is an encoder-decoder": """
        bart bigbird_pegasus blenderbot blenderbot-small marian mbart mvp pegasus plbart prophetnet
    """,
    r"has layers of the kind .*, whose state would leak": """
        bamba falcon_h1 falcon_mamba granitemoehybrid inkling_text jamba kimi_linear lfm2 lfm2_moe mamba mamba2
        minimax nemotron_h olmo_hybrid qwen3_5_moe_text qwen3_5_text qwen3_next qwen4_exp_text zamba zamba2 zaya
    """,
    r"changes its logits by": """
        cohere cohere2 cohere2_moe gemma2 gemma3n_text minicpm3 nanochat vaultgemma
    """,
    r"its attention needs": """
        gpt_oss granite_swa granitemoe_swa mimo_v2_flash minimax_m3_vl_text
    """,
    r"it does not hand arguments on": """
        blt nemotron stablelm
    """,
    r"cannot load the model": """
        falcon gpt_neo gptj
    """,
    r"end in an error": """
        axk2 deepseek_v32 deepseek_v4 doge glm_moe_dsa hy_v4 llama4_text mpt reformer
    """,
    r"differ by up to [\d.]+ nats": """
        bert big_bird bloom camembert codegen cpmant data2vec-text electra ernie gpt_neox_japanese megatron-bert
        modernbert-decoder openai-gpt recurrent_gemma rembert roberta roberta-prelayernorm roc_bert roformer rwkv
        trocr xglm xlm xlm-roberta xlm-roberta-xl xlnet xlstm xmod
    """,
}
"""families by what the error says"""
REFUSED = {family: why for why, families in REFUSED_FOR.items() for family in families.split()}


def small_config(family: str) -> PreTrainedConfig:
    """A configuration of about 64 numbers a token and four layers."""
    kind = CONFIG_MAPPING[family]
    settings = _shrunk(kind)
    for name, part in kind.sub_configs.items():
        given = getattr(kind(), name)
        if given is not None or part is not AutoConfig:
            settings[name] = _shrunk(part if given is None else type(given))
    return AutoConfig.for_model(family, **settings | PARTICULAR.get(family, {}))


def _shrunk(kind: type[PreTrainedConfig]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, value in vars(kind()).items():
        derived = getattr(kind, name, None) is None  # from other settings
        if name == "pad_token_id" and value is not None:
            settings[name] = 0
        elif name in ("is_decoder", "use_sliding_window"):
            settings[name] = True
        elif name == "num_key_value_heads":
            settings[name] = KEY_HEADS
        elif name == "sliding_window":
            settings[name] = WINDOW
        elif isinstance(value, float) and re.search("drop|jitter|noise", name):
            settings[name] = NOISE
        elif isinstance(value, int) and not isinstance(value, bool) and not derived:
            settings[name] = _bounded(name, value)
    if "kv_lora_rank" in settings:
        settings |= MLA
    return settings


def _bounded(name: str, value: int) -> int:
    largest = next((bound for pattern, bound in LARGEST if re.search(pattern, name)), None)
    return value if largest is None else min(value, largest)


def small_model(config: PreTrainedConfig, folder: Path) -> PreTrainedModel:
    """A model saved in the folder, with Transformers' eager attention, in eval mode. Its matrices are large enough for
    attention to be uneven; it is the same for the same configuration."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=0.15)
    model.save_pretrained(folder)
    return model


class Outcome(NamedTuple):
    """Fate of a family."""

    refused: str
    """the error's text; empty where it is accepted"""
    proven: Differences | None
    judged: Differences | None
    """differences in nats that `judge` finds, which shares no code with the proof"""
    gradient: float
    """largest difference of a gradient, relative to its parameter's largest"""


def outcome(family: str, folder: Path) -> Outcome:
    """Goes the way of a run: configuration, weights, proof; and judges what is let pass."""
    config = small_config(family)
    try:
        check_config(config, family)  # before a model is made: some cannot be
        plain = small_model(config, folder)
        model = load_model(ModelConfig(path=str(folder), dtype="float32"))
        if model.supports_gradient_checkpointing:
            recompute(model)
        proven = prove(model, LONGEST, torch.device("cpu"))
    except ModelError as error:
        return Outcome(str(error), None, None, 0.0)
    return Outcome("", proven, *judge(plain, model))


def judge(plain: PreTrainedModel, model: PreTrainedModel) -> tuple[Differences, float]:
    """Compares three packed sequences, in both modes, with each by itself; and the gradient of a weighted sum."""
    rng = np.random.default_rng(1)
    sequences = [rng.integers(0, 128, length) for length in LENGTHS]
    weights = torch.from_numpy(rng.normal(size=sum(LENGTHS) - len(LENGTHS))).float()
    expected = []
    for ids in sequences:
        logits_TV = plain(torch.from_numpy(ids)[None]).logits[0, :-1]
        expected.append(torch.log_softmax(logits_TV.float(), -1).gather(1, torch.from_numpy(ids[1:, None]))[:, 0])
    expected_T = torch.cat(expected)
    (expected_T * weights).sum().backward()
    policy = PolicyLogprobs(model, blocks)
    row = pack([(ids[:1], ids[1:]) for ids in sequences])
    with torch.no_grad():
        evaluating = (policy.eval()(row)[0] - expected_T).abs().max().item()
    logprobs_T = policy.train()(row)[0]
    training = (logprobs_T - expected_T).abs().max().item()
    (logprobs_T * weights).sum().backward()
    theirs = dict(plain.named_parameters())
    gradient = max(_difference(parameter.grad, theirs[name].grad) for name, parameter in model.named_parameters())
    return Differences(evaluating, training), gradient


def _difference(ours: torch.Tensor | None, theirs: torch.Tensor | None) -> float:
    if ours is None or theirs is None:
        return float(ours is not theirs and bool((theirs if ours is None else ours).any()))
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-3))


def main() -> None:
    """Prints the table of all families."""
    accepted: dict[str, Outcome] = {}
    refused: dict[str, list[str]] = {}
    for family in FAMILIES:
        if family in NOT_SMALL:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = outcome(family, Path(folder))
        if found.refused:
            why = next((why for why in REFUSED_FOR if re.search(why, found.refused)), "for another reason")
            refused.setdefault(why, []).append(family)
        else:
            accepted[family] = found
        print(f"{family:<24} {found.refused or found}", flush=True)
    print(f"\n{len(FAMILIES)} families: {len(accepted)} accepted, {len(NOT_SMALL)} not made small")
    for why, families in refused.items():
        print(f"{len(families):>4} refused: {why}\n     {', '.join(families)}")
    for mode in ("evaluating", "training"):
        for by in ("proven", "judged"):
            worst = max(accepted, key=lambda family: getattr(getattr(accepted[family], by), mode))
            print(f"largest {by} difference {mode}: {getattr(getattr(accepted[worst], by), mode):.1e} nats ({worst})")
    worst = max(accepted, key=lambda family: accepted[family].gradient)
    print(f"largest difference of a gradient: {accepted[worst].gradient:.1e} of the largest ({worst})")


if __name__ == "__main__":
    main()
