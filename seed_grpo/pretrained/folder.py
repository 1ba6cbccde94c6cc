"""A pretrained model's folder: where it is, and whether a causal language model can be loaded from it at all.

Consumes `model.path`; produces the folder and its `config.json`, or a `ModelError` that names what the folder holds
instead. It looks at no weights (`pretrained.fit`) and loads nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from seed_grpo.errors import ModelError

QUANTISED = ("quantization_config", "compression_config")
"""keys of `config.json`, or of its `text_config`"""
OLD_QUANTISED = ("quantize_config.json", "quant_config.json", "quantization_config.json")
"""files that GPTQ and AWQ wrote beside a `config.json` that says nothing"""
REASON_CHARS = 400
"""characters of another library's message that ours repeats"""


@contextmanager
def loading(what: str, path: str) -> Iterator[None]:
    """Turns any error of the one call of another library inside into a `ModelError`. What a stranger's folder holds
    can end in an error of any class: tokenizers raises bare `Exception`, and a model's own code whatever it likes."""
    try:
        yield
    except Exception as error:
        text = " ".join(str(error).split())
        if len(text) > REASON_CHARS:
            text = f"{text[: REASON_CHARS // 2]} [...] {text[-REASON_CHARS // 2 :]}"
        raise ModelError(
            f"cannot load the {what} of model.path={path} ({type(error).__name__}: {text}); name a folder with a whole "
            "Hugging Face causal language model or a hub id, and set model.trust_remote_code if the model brings its "
            "own code"
        ) from error


def local_folder(path: str) -> Path | None:
    """The folder on this machine: the one that the path names, or that of a hub id in the hub's cache; None for a hub
    id that is not there.

    Raises:
        ModelError: the path can be no hub id, and is no folder.
    """
    folder = Path(path)
    if folder.is_dir():
        return folder
    # a hub id has at most one slash, and no dot or slash in front
    if folder.is_file() or path.startswith(("/", ".", "~")) or path.count("/") > 1:
        what = "it is a file; name its folder" if folder.is_file() else "set model.path to one"
        raise ModelError(f"there is no folder {path} with a model; {what}, or a hub id like org/name")
    try:
        cached = try_to_load_from_cache(path, "config.json")
    except HFValidationError as error:
        raise ModelError(f"model.path={path} is neither a folder nor a hub id like org/name ({error})") from error
    return Path(cached).parent if isinstance(cached, str) else None


def read_config(folder: Path, path: str, trains: bool) -> dict[str, Any]:
    """The content of `config.json`.

    Args:
        trains: whether weights are to be trained, which quantised ones cannot.

    Raises:
        ModelError: there is none, or it says that this is no causal language model whose weights are all here.
    """
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"model.path={path} holds a LoRA adapter (adapter_config.json) of {_base_of(folder)}: merge it "
            "(merge_and_unload of peft) and save the whole model, or set model.path to that model; if the weights here "
            "are merged already, remove adapter_config.json"
        )
    if not (folder / "config.json").is_file():
        raise ModelError(f"model.path={path} holds no model: {_what_else(folder)}")
    content = read_json(folder / "config.json", path)
    if trains and (kind := quantisation(folder, content)):
        raise ModelError(
            f"model.path={path} is quantised ({kind}), and such weights cannot be trained; set model.path to the "
            "model that it was made of, or save it dequantised in bfloat16 or float32, without quantization_config in "
            "its config.json"
        )
    return content


def quantisation(folder: Path, content: dict[str, Any]) -> str:
    """The name of the method, and its bits where they are told; empty for a model that is not quantised."""
    texts = [part for part in (content, content.get("text_config")) if isinstance(part, dict)]
    settings = next((part[key] for part in texts for key in QUANTISED if part.get(key)), None)
    if settings is None:
        return next((f"{name} is in the folder" for name in OLD_QUANTISED if (folder / name).is_file()), "")
    if not isinstance(settings, dict):
        return str(settings)
    bits = settings.get("bits") or next((number for number in (4, 8) if settings.get(f"load_in_{number}bit")), None)
    return f"{settings.get('quant_method', 'an unnamed method')}{f', {bits} bits' if bits else ''}"


def read_json(file: Path, path: str) -> dict[str, Any]:
    """The object in a file of a model.

    Raises:
        ModelError: the file cannot be read, or holds none.
    """
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"model.path={path}: {file.name} cannot be read ({error}); copy the folder again, or correct the file"
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"model.path={path}: {file.name} holds no JSON object; copy the folder again, or correct the file"
        )
    return content


def _base_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "adapter_config.json").read_bytes())["base_model_name_or_path"])
    except (OSError, ValueError, LookupError, TypeError):
        return "another model"


def _what_else(folder: Path) -> str:
    """Description of a folder without `config.json`, and what to do."""
    inside = sorted(each.parent.name for each in folder.glob("*/config.json"))
    if inside:
        return f"config.json is in its folder {', '.join(inside[:3])}; set model.path to {folder / inside[-1]}"
    gguf = sorted(each.name for each in folder.glob("*.gguf"))
    if gguf:
        return (
            f"it has {gguf[0]} alone, whose weights are quantised; name the Hugging Face folder that it was made of, "
            "or convert it (AutoModelForCausalLM.from_pretrained with gguf_file=..., then save_pretrained)"
        )
    if (folder / "params.json").is_file():
        return "it is in Meta's or Mistral's own format (params.json); convert it to the Hugging Face format"
    return "it has no config.json; set model.path to the folder of a Hugging Face causal language model, or a hub id"
