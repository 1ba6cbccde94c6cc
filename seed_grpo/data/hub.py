"""Data sets of the hub, and local folders that are laid out as one: their rows, exactly.

Consumes a hub id or a folder, and a split; produces rows. `datasets` finds the files; where they are of a format that
`files` reads, they are read here, since `datasets` 5.2 makes floats of whole numbers from 2^63 on, and of a column in
which one number has a fraction, numbers of quoted digits, times of quoted dates, and nothing of `NA`. What else it
reads (its own cache, for one) comes from its Arrow tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seed_grpo.data.files import SUFFIXES, Row, arrow_rows, read_rows

HUB_TIMEOUT = 10.0
"""seconds for the hub to say whether it has a set"""


def hub_rows(name: str, configuration: str | None, split: str) -> Iterator[Row]:
    """The rows of a split.

    Raises:
        Exception: there is no such set; the hub's clients have no common base of errors.
    """
    import datasets
    from huggingface_hub import HfApi, constants

    if not Path(name).is_dir() and not constants.HF_HUB_OFFLINE:
        HfApi().dataset_info(name, timeout=HUB_TIMEOUT)  # asked once: loading retries for half a minute
    builder = datasets.load_dataset_builder(name, configuration)
    files = _files_of(builder, split)
    if not files:
        table = datasets.load_dataset(name, configuration, split=split)
        return arrow_rows(table.with_format("arrow").iter(batch_size=1000))
    paths = datasets.DownloadManager().download(files)
    return ((f"{Path(path).name}, {place}", row) for path in paths for place, row in read_rows(Path(path)))


def _files_of(builder: Any, split: str) -> list[str]:
    """The files of a split, where all can be read here as `datasets` would; else none."""
    config = builder.config
    files = [str(file) for file in (config.data_files or {}).get(split, [])]
    is_plain = getattr(config, "field", None) is None and getattr(config, "sep", ",") in (",", "\t")
    return files if is_plain and all(file.lower().endswith(SUFFIXES) for file in files) else []
