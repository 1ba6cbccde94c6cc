"""Directories that one program at a time writes to. (That files are whole is `test_run_directory`'s.)"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seed_grpo.errors import ConfigError, SeedGrpoError
from seed_grpo.records.files import claimed

HOLDER = """
import sys, time
from pathlib import Path
from seed_grpo.records.files import claimed
with claimed(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(60)
"""


def test_a_claimed_directory_is_refused_by_the_name_of_who_has_it(tmp_path: Path) -> None:
    directory = tmp_path / "runs" / "mine"
    with claimed(directory):
        refused = pytest.raises(ConfigError, match=f"at work in {directory}: process {os.getpid()} on .*; stop")
        with refused, claimed(directory):
            pass
        with claimed(tmp_path / "runs" / "other"):
            pass
    with claimed(directory):
        pass


def test_a_full_disk_is_one_error_where_there_is_no_directory_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "mkdir", full)
    refused = pytest.raises(SeedGrpoError, match=r"cannot write .*/run/\.lock: No space left on device; \d+ bytes are")
    with refused, claimed(tmp_path / "runs" / "run"):
        pass


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300], ids=["file", "below", "long"])
def test_a_directory_that_cannot_be_is_one_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write into .*; choose another directory"), claimed(tmp_path / name):
        pass


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"claimed\n"
    with pytest.raises(ConfigError, match=f"process {holder.pid} on"), claimed(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with claimed(tmp_path):
        pass
