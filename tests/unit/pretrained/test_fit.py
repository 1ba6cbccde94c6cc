"""Folders that hold no whole causal language model end in one error that names what is wrong; whole ones load.

Without these checks Transformers and vLLM fill missing weights with random numbers and go on, and what Transformers
raises for the others is of any class. The tiny Qwen2 has 26 weights (12 in each of 2 layers, an embedding and a norm),
and 27 where its output matrix is not tied.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.pretrained.fit import check_weights
from seed_grpo.train.model import load_model
from support.family_model import FamilyModel
from support.model_folders import (
    SINGLE,
    Change,
    beside,
    changed,
    config,
    cut,
    in_shards,
    in_torch_file,
    index_without_b,
    removed,
    setting,
    text,
    weights,
    without,
)
from support.tiny_model import make_tiny_model

UP = "model.layers.0.mlp.up_proj.weight"
EXPERTS = r"model\.layers\.\d\.block_sparse_moe\.experts\."


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models by name."""
    where = tmp_path_factory.mktemp("models")
    made = {name: make_tiny_model(where / name, tied=name == "tied", seed=0) for name in ("tied", "untied")}
    for family in ("mixtral", "qwen3_moe", "gpt2", "gpt_neox", "phi3"):
        FamilyModel(where / family, family)
        made[family] = where / family
    return made


def settings_of(folder: Path) -> ModelConfig:
    return ModelConfig(path=str(folder), dtype="float32")


def transformed(all_: dict[str, torch.Tensor], old: str, new: str) -> dict[str, torch.Tensor]:
    return {name.replace(old, new): tensor for name, tensor in all_.items()}


MISFITS: dict[str, tuple[str, list[Change], str]] = {
    "three of a layer": (
        "tied",
        [without("layers.1.mlp.up", "layers.1.mlp.down", "layers.1.self_attn.o_")],
        r"missing: 3 \(model\.layers\.1\.mlp\.down_proj\.weight, model\.layers\.1\.mlp\.up_proj\.weight, .*o_proj",
    ),
    "head of an untied one": ("untied", [without("lm_head")], r"missing: 1 \(lm_head\.weight\); set tie_word_emb"),
    "untied by the configuration": ("tied", [config(tie_word_embeddings=False)], r"missing: 1 \(lm_head\.weight\)"),
    "embedding and head": ("tied", [without("embed_tokens")], r"missing: 2 \(lm_head\.weight, model\.embed_tokens"),
    # vLLM leaves `lm_head` out of a tied model, and has no embedding then
    "embedding, but for a tied head": (
        "tied",
        [weights(lambda all_: transformed(all_, "model.embed_tokens", "lm_head"))],
        r"missing: 1 \(model\.embed_tokens\.weight\)",
    ),
    "one bias": (
        "tied",
        [without("layers.0.self_attn.q_proj.bias")],
        r"missing: 1 \(.*layers\.0\.self_attn\.q_proj\.b",
    ),
    "in a .bin": ("untied", [without("lm_head"), in_torch_file], r"missing: 1 \(lm_head\.weight\)"),
    "in a shard": ("tied", [without("model.norm"), in_shards], r"missing: 1 \(model\.norm\.weight\)"),
    "a shard of the index": ("tied", [in_shards, index_without_b], r"missing: 13 \("),  # every second of 26
    "names without a prefix": ("gpt2", [without("h.1.mlp.c_fc.bias")], r"missing: 1 \(transformer\.h\.1\.mlp\.c_fc\.b"),
    "a fused matrix": ("phi3", [without("layers.1.self_attn.qkv_proj")], r"missing: 1 \(.*layers\.1\.self_attn\.qkv"),
    "an expert": ("mixtral", [without("experts.2.")], rf"missing: 6 \({EXPERTS}2\.w1\.weight"),
    "a part of an expert": (
        "mixtral",
        [without("layers.0.block_sparse_moe.experts.2.w1")],
        rf"ing: 1 \({EXPERTS}2\.w1",
    ),
    "all experts": ("mixtral", [without("experts")], rf"missing: 24 \({EXPERTS}0\.w1"),  # 2 layers x 4 x 3 matrices
    # as many as are needed, and so enough for Transformers, which stacks them in their order
    "experts 0, 1, 2 and 4": (
        "mixtral",
        [weights(lambda all_: transformed(all_, "experts.3.", "experts.4."))],
        rf"missing: 6 \({EXPERTS}3\.w1",
    ),
    "a router": ("mixtral", [without("layers.0.block_sparse_moe.gate")], r"missing: 1 \(.*block_sparse_moe\.gate\.wei"),
    "a layer too few": ("tied", [config(num_hidden_layers=1, layer_types=None)], r"left over: 12 \(model\.layers\.1\."),
    "a layer too many": ("tied", [config(num_hidden_layers=3, layer_types=None)], r"missing: 12 \(model\.layers\.2\."),
    "another head": ("tied", [beside("score.weight", torch.zeros(1, 64))], r"left over: 1 \(score\.weight\); save"),
    "an adapter's": ("tied", [beside(f"{UP[:-7]}.lora_A.weight", torch.zeros(4, 64))], r"left over: 1 \(.*lora_A"),
    "a norm that the family lacks": (
        "tied",
        [beside("model.layers.0.self_attn.q_norm.weight", torch.ones(32))],
        "q_norm",
    ),
    # gate, up and down, of 2 layers
    "another width": (
        "tied",
        [config(intermediate_size=64)],
        r"another shape: 6 \(.*down_proj.*\[64, 128\] in place of \[",
    ),
    "another vocabulary": (
        "tied",
        [config(vocab_size=100)],
        r"embed_tokens\.weight: \[98, 64\] in place of \[100, 64\]",
    ),
    "another number of experts": (
        "qwen3_moe",
        [config(num_experts=3, num_local_experts=3)],
        r"another shape: 6 \(.*experts\.down_proj: \[4, 64, 64\] in place of \[3, 64, 64\]",
    ),
    "an expert's shape": (
        "qwen3_moe",
        [beside("model.layers.0.mlp.experts.2.up_proj.weight", torch.zeros(63, 64))],
        r"another shape: 1 \(model\.layers\.0\.mlp\.experts\.2\.up_proj\.weight: \[63, 64\] in place of \[64, 64\]",
    ),
    "whole numbers": ("tied", [beside(UP, torch.zeros(128, 64, dtype=torch.int8))], r"up_proj\.weight: quantised numb"),
    "8-bit floats": (
        "tied",
        [beside(UP, torch.zeros(128, 64).to(torch.float8_e4m3fn))],
        r"up_proj\.weight: quantised numbers",
    ),
    "two matrices that are said to be one": (
        "tied",
        [beside("lm_head.weight", torch.zeros(98, 64))],
        r"ties lm_head\.weight to model\.embed_tokens\.weight, but the two differ.*set tie_word_embeddings=false",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_weights_that_do_not_fit_are_named(case: str, folders: dict[str, Path], tmp_path: Path) -> None:
    model, changes, message = MISFITS[case]
    copy = changed(folders[model], tmp_path / "copy", *changes)
    with pytest.raises(ModelError, match=message):
        load_model(settings_of(copy))
    with pytest.raises(ModelError, match=message):  # nor is it sampled from
        check_weights(settings_of(copy), trains=False)


WHOLE: dict[str, tuple[str, list[Change]]] = {
    "tied": ("tied", []),
    "untied": ("untied", []),
    "experts": ("mixtral", []),
    "more experts": ("qwen3_moe", []),
    "transposed": ("gpt2", []),
    "a decoder with is_decoder=false": ("gpt_neox", []),
    "fused": ("phi3", []),
    ".bin": ("tied", [in_torch_file]),
    "shards": ("untied", [in_shards]),
    "names without a prefix": ("tied", [weights(lambda all_: transformed(all_, "model.", ""))]),
    "a tied head that is the embedding": (
        "tied",
        [weights(lambda all_: all_ | {"lm_head.weight": all_["model.embed_tokens.weight"].clone()})],
    ),
    "tables of rotary embeddings": ("tied", [beside("model.layers.0.self_attn.rotary_emb.inv_freq", torch.ones(16))]),
    "causal masks of old checkpoints": (
        "gpt2",
        [
            beside("h.0.attn.bias", torch.ones(1, 1, 8, 8, dtype=torch.uint8)),
            beside("h.0.attn.masked_bias", torch.tensor(-1e4)),
        ],
    ),
    "half precision": ("tied", [weights(lambda all_: {k: v.half() for k, v in all_.items()})]),
    "an index beside its only file": ("tied", [setting("model.safetensors.index.json", weight_map={"a": SINGLE})]),
    "no architectures": ("tied", [config(architectures=None)]),
    "no quantisation": ("tied", [config(quantization_config=None)]),
}


@pytest.mark.parametrize("case", WHOLE)
def test_whole_models_load(case: str, folders: dict[str, Path], tmp_path: Path) -> None:
    model, changes = WHOLE[case]
    copy = changed(folders[model], tmp_path / "copy", *changes)
    loaded = load_model(settings_of(copy)).state_dict()
    expected = AutoModelForCausalLM.from_pretrained(folders[model], dtype=torch.float32).state_dict()
    tolerance = 1e-3 if case == "half precision" else 0.0
    assert all(torch.allclose(loaded[name], expected[name], atol=tolerance, rtol=0) for name in expected)


def bert(**values: object) -> Change:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}

    def save(folder: Path) -> None:
        made = AutoConfig.for_model("bert", vocab_size=98, **sizes, **values)
        AutoModelForCausalLM.from_config(made).save_pretrained(folder)

    return save


KINDS: dict[str, tuple[list[Change], str]] = {
    "gptq": ([config(quantization_config={"quant_method": "gptq", "bits": 4})], r"is quantised \(gptq, 4 bits\).*can"),
    "awq": ([config(quantization_config={"quant_method": "awq", "bits": 4})], r"is quantised \(awq, 4 bits\)"),
    "fp8": ([config(quantization_config={"quant_method": "fp8"})], r"is quantised \(fp8\).*set model\.path to the"),
    "bitsandbytes": (
        [config(quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})],
        r"is quantised \(bitsandbytes, 8 bits\)",
    ),
    # Transformers goes on as if it were not there
    "an unknown method": ([config(quantization_config={"quant_method": "newest"})], r"is quantised \(newest\)"),
    "compressed tensors, old key": ([config(compression_config={"quant_method": "sparseml"})], "quantised .sparseml"),
    "in the text part": ([config(text_config={"quantization_config": {"quant_method": "fp8"}})], r"quantised \(fp8\)"),
    "gptq, old file": ([text("quantize_config.json", '{"bits": 4}')], r"quantised \(quantize_config\.json is in the"),
    "an adapter": (
        [removed("config.json"), setting("adapter_config.json", base_model_name_or_path="org/base")],
        r"holds a LoRA adapter .*of org/base: merge it",
    ),
    "an adapter beside a model": ([text("adapter_config.json", "{}")], "holds a LoRA adapter"),
    "GGUF alone": ([removed("config.json", SINGLE), text("m.Q4_K.gguf", "GGUF")], r"it has m\.Q4_K\.gguf alone"),
    "a folder above": (
        [lambda folder: shutil.copytree(folder, folder / "checkpoint-7"), removed("config.json")],
        r"no model: config\.json is in its folder checkpoint-7; set model\.path to .*/checkpoint-7",
    ),
    "no configuration": ([removed("config.json")], r"holds no model: it has no config\.json"),
    "an empty configuration": ([text("config.json", "{}")], r"cannot load the configuration .*model_type"),
    "half a configuration": ([cut("config.json", -20)], r"config\.json cannot be read \(.*line "),
    "a list": ([text("config.json", "[]")], r"config\.json holds no JSON object"),
    "bytes": ([lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00")], r"config\.json cannot be read"),
    "an unknown type": ([config(model_type="newest")], r"cannot load the configuration .*`newest`"),
    "a number in words": ([config(hidden_size="many")], r"cannot load the configuration .*hidden_size.*'many'"),
    "an unknown activation": ([config(hidden_act="gelus")], r"cannot load the model .*KeyError: 'gelus'"),
    "an encoder": ([bert()], r"is an encoder \(bert, is_decoder=false\)"),
    "an encoder-decoder": ([text("config.json", '{"model_type": "t5"}')], r"is an encoder-decoder \(t5\)"),
    "a classifier": ([config(architectures=["Qwen2ForSequenceClassification"])], r"is a Qwen2ForSequenceCl.*no causal"),
    "a model without a head": ([config(architectures=["Qwen2Model"])], "is a Qwen2Model .*no causal language model"),
    "no weights": ([removed(SINGLE)], r"holds no weights: neither model\.safetensors"),
    "other weights": ([removed(SINGLE), text("flax_model.bin", "")], r"holds no weights: .*but flax_model\.bin"),
    "half a file": ([cut(SINGLE, -100)], r"model\.safetensors of \d+ bytes cannot be read .*copy or download it again"),
    "an empty file": ([cut(SINGLE, 0)], r"model\.safetensors of 0 bytes cannot be read"),
    "half a .bin": ([in_torch_file, cut("pytorch_model.bin", -100)], r"pytorch_model\.bin of \d+ bytes cannot be read"),
    "a pointer of Git LFS": ([text(SINGLE, "version https://git-lfs.github.com/spec/v1\noid x")], "run git lfs pull"),
    "a shard that is not there": (
        [in_shards, removed("model-b.safetensors")],
        r"lacks 1 of the 2 files of model\.safetensors\.index\.json: model-b\.safetensors",
    ),
    "half a shard": ([in_shards, cut("model-b.safetensors", -9)], r"model-b\.safetensors of \d+ bytes cannot be read"),
    "half an index": ([in_shards, cut("model.safetensors.index.json", 50)], r"index\.json cannot be read"),
    "an index without a map": ([in_shards, text("model.safetensors.index.json", "{}")], "index.json has no weight_map"),
    # Transformers reads the one file, vLLM the shards of the index, or every file
    "two sets of weights": (
        [lambda folder: shutil.copy(folder / SINGLE, folder / "kept"), in_shards,
         lambda folder: (folder / "kept").rename(folder / SINGLE)],
        r"holds model\.safetensors, which the trainer would read, and model-a\.safetensors, model-b",
    ),
    "a second file": (
        [lambda folder: shutil.copy(folder / SINGLE, folder / "old.safetensors")],
        r"and old\.safetensors, which vLLM would read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", KINDS)
def test_folders_without_a_model_say_what_they_are(case: str, folders: dict[str, Path], tmp_path: Path) -> None:
    changes, message = KINDS[case]
    copy = changed(folders["tied"], tmp_path / "copy", *changes)
    with pytest.raises(ModelError, match=message):
        load_model(settings_of(copy))


@pytest.mark.parametrize("case", ["fp8", "gptq, old file"])
def test_quantised_models_are_still_sampled_from(case: str, folders: dict[str, Path], tmp_path: Path) -> None:
    copy = changed(folders["tied"], tmp_path / "copy", *KINDS[case][0])
    assert "its weights are not compared" in str(check_weights(settings_of(copy), trains=False))


def test_a_model_with_code_of_its_own_is_checked_alike(folders: dict[str, Path], tmp_path: Path) -> None:
    code = text(
        "modeling_own.py",
        "from transformers import Qwen2Config, Qwen2ForCausalLM\n"
        "class OwnConfig(Qwen2Config):\n    model_type = 'own'\n"
        "class OwnModel(Qwen2ForCausalLM):\n    config_class = OwnConfig\n",
    )
    classes = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"}
    own = changed(folders["untied"], tmp_path / "own", code, config(model_type="own", auto_map=classes))
    settings = ModelConfig(path=str(own), dtype="float32", trust_remote_code=True)
    assert type(load_model(settings)).__name__ == "OwnModel"
    without("lm_head")(own)
    with pytest.raises(ModelError, match=r"not a whole OwnModel, weights missing: 1 \(lm_head\.weight\)"):
        load_model(settings)
    with pytest.raises(ModelError, match=r"cannot load the configuration .*trust_remote_code"):
        load_model(settings_of(own))


def test_paths_that_are_no_folder_are_told_from_hub_ids(folders: dict[str, Path]) -> None:
    for path, message in {
        f"{folders['tied']}/{SINGLE}": "it is a file; name its folder",
        "/nowhere/model": "there is no folder /nowhere/model with a model; set model.path to one",
        "a b/c": "neither a folder nor a hub id",
    }.items():
        with pytest.raises(ModelError, match=message):
            check_weights(ModelConfig(path=path), trains=True)
    assert check_weights(ModelConfig(path="org/absent"), trains=True) is None


def test_a_hub_model_is_checked_once_it_was_fetched(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration and tokenizer come first; what the configuration tells is told then."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    snapshots = {name: tmp_path / f"models--org--{name}/snapshots/abc" for name in ("begun", "quantised", "half")}
    for snapshot in snapshots.values():
        (snapshot.parents[1] / "refs").mkdir(parents=True)
        (snapshot.parents[1] / "refs/main").write_text("abc")
    begun = changed(folders["untied"], snapshots["begun"], in_shards, removed("model-b.safetensors"))
    assert check_weights(ModelConfig(path="org/begun"), trains=True) is None
    shutil.rmtree(begun)
    changed(folders["untied"], begun, without("lm_head"))
    with pytest.raises(ModelError, match=r"model\.path=org/begun .*missing: 1 \(lm_head\.weight\)"):
        check_weights(ModelConfig(path="org/begun"), trains=True)
    changed(folders["tied"], snapshots["quantised"], removed(SINGLE), *KINDS["fp8"][0])
    with pytest.raises(ModelError, match=r"org/quantised is quantised \(fp8\)"):
        check_weights(ModelConfig(path="org/quantised"), trains=True)
    changed(folders["tied"], snapshots["half"], cut(SINGLE, -100))
    with pytest.raises(ModelError, match=r"org/half: model\.safetensors of \d+ bytes cannot be read"):
        check_weights(ModelConfig(path="org/half"), trains=True)
