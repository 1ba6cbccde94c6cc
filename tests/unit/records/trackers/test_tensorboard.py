"""TensorBoard's events, read back by TensorBoard; what a resume hides is tested with the run directory."""

from pathlib import Path

from seed_grpo.records.trackers.tensorboard import start_tensorboard
from seed_grpo.records.trackers.tracker import COLUMNS, Start


def test_a_table_of_completions_is_a_tensor_of_texts(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    settings = {"filename_suffix": ".own"}
    tracker = start_tensorboard(Start("tensorboard", "p", None, "n", [], settings, str(tmp_path), {}))
    tracker.completions(3, [["1+1=", "ä", 0.5, -1, "no_answer"]])
    tracker.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    assert file.name.endswith(".own")
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    (event,) = events.Tensors("completions")
    rows = [[cell.decode() for cell in row] for row in make_ndarray(event.tensor_proto)]
    assert event.step == 3 and rows == [list(COLUMNS), ["1+1=", "ä", "0.5", "-1", "no_answer"]]
    assert events.SummaryMetadata("completions").plugin_data.plugin_name == "text"
