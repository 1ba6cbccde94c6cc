"""Run-level checkpoints: whole or absent, the last few kept, older ones safe whatever happens."""

from __future__ import annotations

import errno
import io
import os
import pickle

import pytest

from seed_grpo.errors import CheckpointError
from seed_grpo.loop.batch import OpenGroups
from seed_grpo.records.checkpoint import MANIFEST, latest, step_of, writing
from seed_grpo.runtime.checkpoints import Checkpoints, GroupsUnpickler
from support.judged_group import judged_group


def write(directory, step, keep=2, content="state"):
    with writing(directory, step, keep) as folder:
        (folder / "trainer").mkdir()
        (folder / "trainer" / "rank_0.bin").write_text(content)
        (folder / "controller.json").write_text("{}")


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_the_last_ones_are_kept_and_the_newest_is_found(tmp_path):
    assert latest(tmp_path / "absent") is None
    for step in (9, 10, 100):
        write(tmp_path, step)
    assert names(tmp_path) == ["step_00000010", "step_00000100"]
    newest = latest(tmp_path)
    assert step_of(newest) == 100  # sorted as text without padding, 9 would be newer than 100
    assert (newest / "trainer" / "rank_0.bin").read_text() == "state"


def test_an_error_while_writing_leaves_the_older_ones(tmp_path):
    write(tmp_path, 1, keep=1)
    with pytest.raises(RuntimeError, match="killed"), writing(tmp_path, 2, 1) as folder:
        (folder / "half").write_text("half")
        raise RuntimeError("killed")
    assert names(tmp_path) == ["step_00000001"]


def test_a_full_disk_is_a_clear_error_and_leaves_the_older_ones(tmp_path):
    write(tmp_path, 1, keep=1)
    message = r"step 2 .*No space left on device.*run\.keep_checkpoints \(now 1\)"
    with pytest.raises(CheckpointError, match=message), writing(tmp_path, 2, 1):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == ["step_00000001"] and latest(tmp_path) is not None


def test_what_a_kill_leaves_behind_is_ignored_and_overwritten(tmp_path):
    write(tmp_path, 1)
    leftover = tmp_path / ".step_00000002.partial"
    leftover.mkdir()
    (leftover / "stale").write_text("stale")
    assert step_of(latest(tmp_path)) == 1
    write(tmp_path, 2)
    assert not (latest(tmp_path) / "stale").exists() and step_of(latest(tmp_path)) == 2


@pytest.mark.parametrize("damage", ["truncate", "remove", "manifest"])
def test_a_damaged_checkpoint_is_passed_over_loudly(tmp_path, caplog, damage):
    write(tmp_path, 1)
    write(tmp_path, 2)
    target = tmp_path / "step_00000002" / ("trainer/rank_0.bin" if damage != "manifest" else MANIFEST)
    if damage == "truncate":
        target.write_text("stat")
    else:
        target.unlink()
    assert step_of(latest(tmp_path)) == 1
    assert "step_00000002 is skipped" in caplog.text


def test_the_same_step_is_replaced(tmp_path):
    write(tmp_path, 3)
    write(tmp_path, 3, content="new")
    assert names(tmp_path) == ["step_00000003"]
    assert (latest(tmp_path) / "trainer" / "rank_0.bin").read_text() == "new"


class OneRank:
    """A trainer whose whole state is a word."""

    def __init__(self, state=""):
        self.state = state

    def save(self, folder):
        (folder / "rank_0.bin").write_text(self.state)

    def load(self, folder):
        self.state = (folder / "rank_0.bin").read_text()


def test_a_run_checkpoint_brings_everything_back(tmp_path):
    checkpoints, fresh = Checkpoints(tmp_path, keep=2), OneRank()
    assert checkpoints.load(fresh) is None and fresh.state == ""
    judged = judged_group(3)
    tasks = [judged_group(5).group.task, judged_group(4).group.task]
    checkpoints.save(7, {"step": 7, "lost": [(1, "p1")]}, OpenGroups(tasks, [judged]), OneRank("weights"))
    state, groups = Checkpoints(tmp_path, keep=2).load(fresh)
    assert (state, fresh.state) == ({"step": 7, "lost": [[1, "p1"]]}, "weights")
    assert groups.tasks == tasks  # the very same: problem, prompt and seed
    (back,) = groups.judged
    assert back.group.task == judged.group.task and back.judgements_G == judged.judgements_G
    for ours, theirs in zip(back.group.completions_G, judged.group.completions_G, strict=True):
        assert (ours.text, ours.finish_reason) == (theirs.text, theirs.finish_reason)
        assert ours.logprobs_T.tolist() == theirs.logprobs_T.tolist()
        assert ours.versions_T.tolist() == theirs.versions_T.tolist()


def test_a_trainer_that_fails_while_saving_leaves_the_older_checkpoint(tmp_path):
    class Dies(OneRank):
        def save(self, folder):
            super().save(folder)
            raise RuntimeError("killed")

    checkpoints, fresh = Checkpoints(tmp_path, keep=1), OneRank()
    checkpoints.save(1, {"step": 1}, OpenGroups([], []), OneRank("one"))
    with pytest.raises(RuntimeError, match="killed"):
        checkpoints.save(2, {"step": 2}, OpenGroups([], []), Dies("two"))
    assert checkpoints.load(fresh)[0] == {"step": 1} and fresh.state == "one"


class Stranger:
    """Calls a function where it is read."""

    def __init__(self, function, argument):
        self.function, self.argument = function, argument

    def __reduce__(self):
        return self.function, (self.argument,)


@pytest.mark.parametrize("name", ["np.f2py.os.system", "dataclass"])
def test_what_a_stranger_put_into_a_checkpoint_is_not_run(tmp_path, name):
    """Neither what a pickle names outright, nor what it reaches through a module that its classes are from."""
    checkpoints, marker = Checkpoints(tmp_path / "run", keep=1), tmp_path / "ran"
    checkpoints.save(1, {}, OpenGroups([Stranger(os.system, f"touch {marker}")], []), OneRank("one"))
    with pytest.raises(CheckpointError, match=r"asks for posix\.system"):
        checkpoints.load(OneRank())
    (latest(tmp_path / "run") / "groups.pickle").write_bytes(b"junk")
    assert not marker.exists()
    with pytest.raises(pickle.UnpicklingError, match=f"asks for seed_grpo.messages.{name}"):
        GroupsUnpickler(io.BytesIO(b"")).find_class("seed_grpo.messages", name)
