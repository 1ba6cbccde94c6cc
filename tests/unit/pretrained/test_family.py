"""Models that their configuration alone refuses: in doctor, before a run starts, and in the trainer."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoConfig

from seed_grpo.commands.console import Page
from seed_grpo.commands.doctor import diagnose
from seed_grpo.errors import ModelError
from seed_grpo.pretrained.family import check_config
from seed_grpo.pretrained.fit import check_weights
from seed_grpo.train.model import load_model
from support.tiny_model import make_tiny_model, make_tokenizer
from support.trainer_process import make_config


def refusal(family: str, **settings) -> str:
    with pytest.raises(ModelError) as caught:
        check_config(AutoConfig.for_model(family, **settings), "the/path")
    return str(caught.value)


@pytest.mark.parametrize(
    ("family", "parts", "instead"),
    [
        ("gemma3", "vision_config", "gemma3_text"),
        ("gemma3n", "audio_config, vision_config", "gemma3n_text"),
        ("gemma4", None, "gemma4_text"),
        ("qwen3_5", "vision_config", "qwen3_5_text"),
        ("llama4", "vision_config", "llama4_text"),
        ("phi4_multimodal", "audio_config, vision_config", None),
        ("qwen2_5_vl", "vision_config", "qwen2_5_vl_text"),
        ("llava", "vision_config", "llama"),
        ("qwen2_audio", "audio_config", "qwen2"),
        ("fuyu", None, "persimmon"),
        ("whisper", None, None),
    ],
)
def test_a_model_of_pictures_or_sound_is_refused_by_name(family: str, parts: str | None, instead: str | None) -> None:
    told = refusal(family)
    named = f" ({parts})" if parts else ""
    assert f"model.path=the/path, of type {family}, takes images or sound besides text{named}, and training" in told
    assert (f"such as one of type {instead};" in told) if instead else "such as" not in told


@pytest.mark.parametrize("settings", [{"visual": {"image_size": 448}}, {"mm_vision_tower": "openai/clip"}])
def test_pictures_in_code_that_a_model_brings_are_seen(settings: dict) -> None:
    # as the first versions of Qwen-VL and LLaVA have it, which Transformers does not know
    assert f"images or sound besides text ({next(iter(settings))})" in refusal("qwen2", **settings)


@pytest.mark.parametrize(
    ("family", "settings", "told"),
    [
        ("t5", {}, "is an encoder-decoder"),
        ("vit", {}, "is not a causal language model"),
        (
            "gemma4_unified_assistant",
            {"text_config": {"model_type": "gemma4_unified_text"}},
            "consists of several models",
        ),
        ("qwen3_next", {}, "has layers of the kind linear_attention, whose state would leak into the next packed"),
        ("lfm2", {"layer_types": ["conv", "full_attention"], "num_hidden_layers": 2}, "has layers of the kind conv"),
        ("gemma2", {}, r"changes its logits by final_logit_softcapping=30.0 after the output matrix"),
        ("cohere", {}, "changes its logits by logit_scale=0.0625"),
        ("granite", {"logits_scaling": 8.0}, "changes its logits by logits_scaling=8.0"),
    ],
)
def test_what_is_certain_to_be_refused_is_told_why(family: str, settings: dict, told: str) -> None:
    assert told in refusal(family, **settings)


@pytest.mark.parametrize(
    "family", ["llama", "qwen2", "qwen3_moe", "gemma3_text", "granite", "phi3", "gpt2", "gemma4_text"]
)
def test_language_models_by_themselves_are_let_pass(family: str) -> None:
    check_config(AutoConfig.for_model(family), "the/path")


@pytest.mark.parametrize("family", ["gemma3", "gemma4"])
def test_doctor_and_trainer_refuse_without_weights(family: str, tmp_path: Path) -> None:
    AutoConfig.for_model(family).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    config = make_config(tmp_path)
    page: list[str] = []
    diagnose(config, Page(page.append))
    faults = [line for line in page if line.startswith("  FAULT  model ")]
    assert len(faults) == 1 and f"of type {family}, takes images or sound" in faults[0]
    for refuse in (lambda config: check_weights(config.model, trains=True), lambda config: load_model(config.model)):
        with pytest.raises(ModelError, match=f"of type {family}, takes images or sound"):
            refuse(config)


def test_doctor_names_the_family(tmp_path: Path) -> None:
    page: list[str] = []
    diagnose(make_config(make_tiny_model(tmp_path, tied=True, seed=0)), Page(page.append))
    (line,) = (line for line in page if line.startswith("  ok     model "))
    assert ", float32, 98 tokens" in line and "of Qwen2ForCausalLM" in line


@pytest.mark.parametrize(
    "content", ["{", '{"model_type": "no_such_family"}', '{"model_type": "llama", "hidden_size": "x"}']
)
def test_a_configuration_that_cannot_be_read_is_a_model_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    told = rf"(?s)(cannot load the configuration of )?model\.path={tmp_path}.*; (name a folder|copy the folder)"
    with pytest.raises(ModelError, match=told):
        check_weights(make_config(tmp_path).model, trains=True)
