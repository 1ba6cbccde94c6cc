"""Files that an export passes on beside the weights: copied, and tried before training begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.pretrained.small_files import read_small_files, write_small_files
from seed_grpo.train.model import load_tokenizer
from support.model_folders import SINGLE, Change, changed, config, cut, removed, setting, text
from support.tiny_model import make_tiny_model

CODE = """from transformers import Qwen2Config, Qwen2ForCausalLM


class OwnConfig(Qwen2Config):
    model_type = "own"


class OwnModel(Qwen2ForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_tiny_model(tmp_path / "model", tied=True, seed=0)


def exported(folder: Path, to: Path, **settings: object) -> set[str]:
    """Names of the files that are passed on from one folder to another."""
    model = ModelConfig.model_validate({"path": str(folder), "dtype": "float32"} | settings)
    files = read_small_files(model, load_tokenizer(model))
    for file in folder.rglob("*"):
        if file.is_file() and not model.trust_remote_code:
            file.unlink()  # they are in memory: a source that goes during training takes nothing with it
    to.mkdir()
    write_small_files(files, to)
    return set(files)


def test_files_are_copied_and_not_parsed(model: Path, tmp_path: Path) -> None:
    """Transformers reads this generation configuration, and refuses to save it."""
    changed_files: list[Change] = [
        setting("generation_config.json", do_sample=False, temperature=0.7),
        text("chat_template.jinja", "{{ messages[0].content }}"),
        text("added_tokens.json", '{"<eos>": 1}'),
        text("NOTICE", "by whom"),
        lambda folder: (folder / "additional_chat_templates").mkdir(),
        text("additional_chat_templates/tools.jinja", "{{ tools }}"),
    ]
    source = changed(model, tmp_path / "source", *changed_files)
    with pytest.raises(ValueError, match="temperature"):
        GenerationConfig.from_pretrained(source).save_pretrained(tmp_path / "parsed")
    expected = {file.relative_to(source): file.read_bytes() for file in source.rglob("*") if file.is_file()}
    exported(source, tmp_path / "export")
    for name, content in expected.items():
        if str(name) not in (SINGLE, "config.json"):
            assert (tmp_path / "export" / name).read_bytes() == content, name
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "export")
    assert tokenizer.apply_chat_template([{"role": "user", "content": "1+1="}], tokenize=False) == "1+1="


def test_what_belongs_to_the_old_weights_stays_behind(model: Path, tmp_path: Path) -> None:
    names = ("model.safetensors.index.json", "pytorch_model.bin", "trainer_state.json", "README.md", ".hidden.json")
    source = changed(model, tmp_path / "source", *(text(name, "{}") for name in names))
    passed_on = exported(source, tmp_path / "export")
    assert passed_on == {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}


def test_a_missing_generation_configuration_stays_missing(model: Path, tmp_path: Path) -> None:
    source = changed(model, tmp_path / "source", removed("generation_config.json"))
    assert "generation_config.json" not in exported(source, tmp_path / "export")


def test_the_configuration_is_the_old_one_in_the_new_dtype(model: Path, tmp_path: Path) -> None:
    """`temperature` there is why Transformers would not save it; a key that nobody knows is kept."""
    changes = config(dtype="bfloat16", temperature=0.5, text_config={"torch_dtype": "bfloat16", "x": 1}, our_own=[1])
    before = json.loads((changed(model, tmp_path / "source", changes) / "config.json").read_text())
    exported(tmp_path / "source", tmp_path / "export")
    after = json.loads((tmp_path / "export/config.json").read_text())
    assert after == before | {"dtype": "float32", "text_config": {"torch_dtype": "float32", "x": 1}}


def test_a_source_without_write_permission_makes_files_with_it(model: Path, tmp_path: Path) -> None:
    for file in model.iterdir():
        file.chmod(0o444)
    exported(model, tmp_path / "export")
    assert all(file.stat().st_mode & 0o200 for file in (tmp_path / "export").iterdir())


def test_a_models_own_code_goes_with_it(model: Path, tmp_path: Path) -> None:
    own = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"}
    source = changed(model, tmp_path / "source", text("modeling_own.py", CODE), config(model_type="own", auto_map=own))
    assert "modeling_own.py" in exported(source, tmp_path / "export", trust_remote_code=True)
    settings = AutoConfig.from_pretrained(tmp_path / "export", trust_remote_code=True)
    assert type(AutoModelForCausalLM.from_config(settings, trust_remote_code=True)).__name__ == "OwnModel"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut("generation_config.json", -10), r"generation_config\.json cannot be read \(.*line"),
        (text("generation_config.json", "[]"), r"generation_config\.json holds no JSON object"),
        (config(hidden_size="many"), r"cannot load the export's configuration .*hidden_size"),
    ],
    ids=["half a generation configuration", "a list", "a number in words"],
)
def test_what_could_not_be_exported_is_told_before_training(
    change: Change, message: str, model: Path, tmp_path: Path
) -> None:
    settings = ModelConfig(path=str(model), dtype="float32")
    tokenizer = load_tokenizer(settings)
    broken = settings.model_copy(update={"path": str(changed(model, tmp_path / "source", change))})
    with pytest.raises(ModelError, match=message):
        read_small_files(broken, tokenizer)


def test_an_export_with_another_tokenizer_is_refused(model: Path, tmp_path: Path) -> None:
    settings = ModelConfig(path=str(model), dtype="float32")
    tokenizer = load_tokenizer(settings)
    (model / "tokenizer.json").unlink()  # what it was made of is not among the files
    with pytest.raises(ModelError, match=r"would have another tokenizer than the model \(\d tokens in place of 98\)"):
        read_small_files(settings, tokenizer)
