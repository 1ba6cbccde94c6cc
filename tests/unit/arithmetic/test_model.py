"""The small model, its tokenizer and its warm start, with models of a few thousand weights."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from seed_grpo.arithmetic import task
from seed_grpo.arithmetic import warm_start as module
from seed_grpo.arithmetic.model import build_model, build_tokenizer
from seed_grpo.arithmetic.warm_start import RECORD, greedy_accuracy, train, warm_start
from seed_grpo.config import Config
from seed_grpo.config.sections import DataConfig, WarmStartConfig
from seed_grpo.data.datasets import load_problems
from seed_grpo.errors import ConfigError, ModelError
from support.shared_data import SHARED, needs_shared

EXAMPLE = r"47+85= 7+5=12 4+8+1=13 \boxed{\frac{132}{1}}"
PRINTABLE = string.digits + string.ascii_letters + string.punctuation + " \n"
TINY = {"steps": 3, "batch_size": 4, "hidden_size": 16, "layers": 1, "heads": 2, "threads": 1}


def configured(folder: Path, **settings) -> Config:
    return Config.model_validate(
        {
            "run": {"directory": folder.parent / "run", "steps": 1},
            "model": {"path": str(folder)},
            "data": {"source": "arithmetic", "template": "none"},
            "warm_start": TINY | settings,
        }
    )


@pytest.fixture
def lines():
    return []


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory):
    """The tokenizer as every program gets it: from the folder of a Qwen2 model."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(folder)
    build_model(tokenizer, hidden_size=16, layers=1, heads=2, tie_word_embeddings=True, seed=0).config.save_pretrained(
        folder
    )
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("text", [EXAMPLE, PRINTABLE, "  two  spaces\n\n\tand 'll I'd \n", "é ∑ 漢 \u2009"])
def test_the_reloaded_tokenizer_gives_back_any_text(reloaded, text):
    # a table of characters, saved as PreTrainedTokenizerFast, comes back from AutoTokenizer without its spaces
    ids = reloaded(text)["input_ids"]
    assert ids == build_tokenizer()(text)["input_ids"]
    assert reloaded.decode(ids) == text
    assert reloaded.decode([*ids, reloaded.eos_token_id], skip_special_tokens=True) == text


def test_tokens_are_characters_but_for_two_words(reloaded):
    ids = reloaded(EXAMPLE)["input_ids"]
    assert len(ids) == len(EXAMPLE) - len("oxed") - len("rac")
    special = {reloaded.pad_token_id, reloaded.bos_token_id, reloaded.eos_token_id}
    assert len(special) == 3 and not special & set(reloaded(PRINTABLE)["input_ids"])


@needs_shared
def test_real_problems_can_be_encoded(reloaded):
    config = DataConfig(source="math_lvl3to5", directory=SHARED, on_bad_record="skip", limit=200)
    for problem in load_problems(config).problems:
        assert reloaded.decode(reloaded(problem.text)["input_ids"]) == problem.text


@pytest.mark.parametrize("tied", [True, False])
def test_a_warm_started_model_loads_like_any_other(tmp_path, lines, tied):
    folder = warm_start(configured(tmp_path / "model", tie_word_embeddings=tied), lines.append)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    shared = model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    assert (model.config.model_type, shared, model.dtype) == ("qwen2", tied, torch.float32)
    assert model.config.vocab_size == len(tokenizer) and model.config.max_position_embeddings >= 2048
    assert GenerationConfig.from_pretrained(folder).eos_token_id == tokenizer.eos_token_id == model.config.eos_token_id
    assert tokenizer.decode(tokenizer("1+1= 2")["input_ids"]) == "1+1= 2"
    assert "step 3/3" in lines[-2] and "greedy accuracy" in lines[-1]


def test_the_same_settings_give_the_same_weights_to_the_bit(tmp_path, lines):
    torch.manual_seed(1)
    first = warm_start(configured(tmp_path / "a"), lines.append)
    torch.manual_seed(2)
    second = warm_start(configured(tmp_path / "b"), lines.append)
    assert weights(first) == weights(second)
    assert weights(warm_start(configured(tmp_path / "c", seed=1), lines.append)) != weights(first)


def test_a_model_is_made_once_and_anew_when_a_setting_changes(tmp_path, lines):
    folder = warm_start(configured(tmp_path / "model"), lines.append)
    made = weights(folder)
    (folder / "mine.txt").write_text("kept as long as the model is")
    warm_start(configured(tmp_path / "model"), lines.append)
    assert (folder / "mine.txt").exists() and "already" in lines[-1]
    warm_start(configured(tmp_path / "model", right_share=0.9), lines.append)
    assert weights(folder) != made and not (folder / "mine.txt").exists()
    assert json.loads((folder / RECORD).read_text())["settings"]["right_share"] == 0.9
    assert [path.name for path in tmp_path.iterdir()] == ["model"]  # nothing temporary is left


def test_a_warm_start_that_fails_leaves_the_old_model(tmp_path, lines, monkeypatch):
    folder = warm_start(configured(tmp_path / "model"), lines.append)
    made = weights(folder)

    def fails(*_):
        raise RuntimeError("killed")

    monkeypatch.setattr(module, "greedy_accuracy", fails)
    with pytest.raises(RuntimeError):
        warm_start(configured(tmp_path / "model", right_share=0.9), lines.append)
    assert weights(folder) == made and [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_no_warm_start_made_is_left_alone(tmp_path, lines):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious").write_text("x")
    with pytest.raises(ModelError, match=r"was not made by a warm start .* left alone"):
        warm_start(configured(tmp_path / "model"), lines.append)
    assert (tmp_path / "model" / "precious").exists()


def test_without_a_section_it_says_what_to_add(tmp_path, lines):
    config = configured(tmp_path / "model").model_copy(update={"warm_start": None})
    with pytest.raises(ConfigError, match="no warm_start section"):
        warm_start(config, lines.append)


def test_only_completion_tokens_and_the_end_are_learned():
    tokenizer = build_tokenizer()
    shown = [task.Demonstration("47+85=", r"7+5=12 \boxed{1}"), task.Demonstration("1+1=", "2")]
    ids, labels = module.collate(shown, tokenizer)
    end = tokenizer.eos_token
    learned = [tokenizer.decode(row[row != module.IGNORED]) for row in labels]
    assert learned == [r"7+5=12 \boxed{1}" + end, "2" + end]
    assert tokenizer.decode(ids[1]) == f"1+1=2{end}" + tokenizer.pad_token * (ids.shape[1] - 6)
    positions = labels != module.IGNORED
    assert torch.equal(ids[positions], labels[positions]) and positions.nonzero()[0].tolist() == [0, 6]


def test_training_lowers_the_loss(lines, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    settings = WarmStartConfig(**TINY | {"steps": 60, "batch_size": 16, "learning_rate": 1e-2})
    before = torch.get_rng_state()
    train(settings, build_tokenizer(), lines.append)
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in lines]
    # uniform over the vocabulary of 266 tokens is log 266 = 5.6
    assert losses[0] > 5 and losses[-1] < 3, losses
    assert torch.equal(before, torch.get_rng_state())


def test_greedy_accuracy_does_not_depend_on_the_padding(monkeypatch):
    # prompts of 6 and 8 tokens in one batch; positions that counted the padding would change the shorter ones
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, hidden_size=32, layers=2, heads=2, tie_word_embeddings=False, seed=0).eval()
    completed = []
    monkeypatch.setattr(module, "NUM_CHECKED", 8)
    monkeypatch.setattr(task, "is_right", lambda problem, text: bool(completed.append((problem.text, text))))
    assert greedy_accuracy(model, tokenizer) == 0.0
    assert {len(prompt) for prompt, _ in completed} == {6, 8}
    for prompt, text in completed:
        ids = tokenizer([prompt], return_tensors="pt")["input_ids"]
        alone = model.generate(input_ids=ids, max_new_tokens=module.MAX_COMPLETION_TOKENS, do_sample=False)
        assert tokenizer.decode(alone[0, ids.shape[1] :], skip_special_tokens=True) == text
