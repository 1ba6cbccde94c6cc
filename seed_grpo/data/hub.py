"""Data sets of the hub, local folders that are laid out as one, and those of `save_to_disk`: their rows, exactly.

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
from seed_grpo.errors import DataError

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


def is_saved(folder: Path) -> bool:
    """Tells whether `datasets` has saved a data set, or one of several splits, in a folder."""
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def saved_rows(folder: Path, split: str) -> Iterator[Row]:
    """The rows of a folder of `save_to_disk`, without a network.

    Args:
        split: of a folder of several.

    Raises:
        DataError: there is no such split, or the folder is damaged.
    """
    import datasets

    try:
        found = datasets.load_from_disk(str(folder))
    except Exception as error:  # of a damaged folder anything
        raise DataError(
            f"the data set saved in {folder} cannot be read ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:300]}); save it anew"
        ) from error
    if isinstance(found, dict):
        if split not in found:
            raise DataError(f"{folder} has no split {split}, but {', '.join(found)}; set data.split to one of them")
        found = found[split]
    return arrow_rows(found.with_format("arrow").iter(batch_size=1000))


def _files_of(builder: Any, split: str) -> list[str]:
    """The files of a split, where all can be read here as `datasets` would; else none."""
    config = builder.config
    files = [str(file) for file in (config.data_files or {}).get(split, [])]
    is_plain = getattr(config, "field", None) is None and getattr(config, "sep", ",") in (",", "\t")
    return files if is_plain and all(file.lower().endswith(SUFFIXES) for file in files) else []
