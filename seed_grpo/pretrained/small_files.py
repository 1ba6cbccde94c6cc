"""Small files that an export copies from the model that was trained: configuration, tokenizer, chat templates, code.

Consumes the model's folder; produces the files' bytes, which `write_small_files` writes beside the weights. They are
copied because Transformers' classes refuse to save some files that they read (a `generation_config.json` with a
temperature and `do_sample: false`), and may lose what they do not know. Everything is read and tried before training,
so that at its end nothing but the disk can fail.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from seed_grpo.config.sections import ModelConfig
from seed_grpo.errors import ModelError
from seed_grpo.pretrained.folder import loading, local_folder, read_json

SUFFIXES = (".json", ".jinja", ".model", ".txt", ".tiktoken", ".vocab", ".spm", ".bpe", ".py")
PREFIXES = ("LICENSE", "LICENCE", "NOTICE")
NOT_PASSED_ON = ("trainer_state.json", "adapter_config.json")
MOST_BYTES = 2**27
"""largest file that is passed on; the largest tokenizers have a quarter of it"""


def read_small_files(model: ModelConfig, tokenizer: Any) -> dict[str, bytes]:
    """The files by their names in the folder. `config.json` is the last, and says in which dtype the weights will be.

    Args:
        tokenizer: the model's, which is on this machine once it has been loaded.

    Raises:
        ModelError: a file cannot be read, or a folder of these files would not give this tokenizer.
    """
    folder = local_folder(model.path)
    assert folder is not None, "a model whose tokenizer was loaded is on this machine"
    config = read_json(folder / "config.json", model.path)
    if (folder / "generation_config.json").is_file():
        read_json(folder / "generation_config.json", model.path)
    files = {}
    for file in sorted([*folder.glob("*"), *folder.glob("*/*.jinja")]):
        if _is_passed_on(file):
            try:
                files[str(file.relative_to(folder))] = file.read_bytes()
            except OSError as error:
                raise ModelError(
                    f"model.path={model.path}: an export needs {file.name}, which cannot be read: {error}"
                ) from error
    files.pop("config.json", None)
    files["config.json"] = json.dumps(_in_dtype(config, model.dtype), indent=2).encode()
    _try(files, model, tokenizer)
    return files


def write_small_files(files: dict[str, bytes], folder: Path) -> None:
    """Writes the files in their order; `config.json` comes last and shows that the folder is whole."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _is_passed_on(file: Path) -> bool:
    name = file.name
    if name in NOT_PASSED_ON or name.startswith(".") or name.endswith(".index.json"):
        return False
    is_named = name.endswith(SUFFIXES) or name.startswith(PREFIXES)
    return is_named and file.is_file() and file.stat().st_size <= MOST_BYTES


def _in_dtype(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    """A configuration whose weights are of this dtype; `torch_dtype` is the key's old name."""
    changed = {
        key: _in_dtype(value, dtype) if key.endswith("_config") and isinstance(value, dict) else value
        for key, value in config.items()
    }
    return changed | {key: dtype for key in ("dtype", "torch_dtype") if key in config}


def _try(files: dict[str, bytes], model: ModelConfig, tokenizer: Any) -> None:
    """Loads an export of these files, without weights.

    Raises:
        ModelError: that fails, or the tokenizer is another one.
    """
    with TemporaryDirectory() as folder:
        write_small_files(files, Path(folder))
        with loading("export's configuration", model.path):
            AutoConfig.from_pretrained(folder, trust_remote_code=model.trust_remote_code)
        with loading("export's tokenizer", model.path):
            exported = AutoTokenizer.from_pretrained(folder, trust_remote_code=model.trust_remote_code)
    if (exported.get_vocab(), exported.chat_template) != (tokenizer.get_vocab(), tokenizer.chat_template):
        raise ModelError(
            f"model.path={model.path}: an export of {', '.join(files)} would have another tokenizer than the model "
            f"({len(exported)} tokens in place of {len(tokenizer)}); save the tokenizer into the folder with "
            "save_pretrained"
        )
