"""Values that a tracker's library has in its store, read by that library, in an interpreter that has it.

Usage: `python -m support.tracked_values USE DIRECTORY`. Prints JSON: `scalars` (name -> [[step, value], ...] in the
order of the store), `tables` ([step, columns, rows], ...), `config`, and `runs`, their number.
"""

import json
import math
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def of_tensorboard(path: Path) -> dict[str, Any]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(path / "tensorboard")).Reload()
    scalars = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    arrays = [(e.step, make_ndarray(e.tensor_proto).tolist()) for e in events.Tensors("completions")]
    decoded = [(step, [[cell.decode() for cell in row] for row in rows]) for step, rows in arrays]
    tables = [[step, header, rows] for step, (header, *rows) in decoded]
    return {"scalars": scalars, "tables": tables, "config": {}, "runs": 1}


def of_mlflow(path: Path) -> dict[str, Any]:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{path}/mlflow.db")
    experiment = client.get_experiment_by_name("maths")
    runs = client.search_runs([experiment.experiment_id])
    run = runs[0]
    own = run.info.run_id
    histories = {name: client.get_metric_history(own, name) for name in run.data.metrics}
    tables = []
    for file in client.list_artifacts(own, "completions"):
        table = json.loads(Path(client.download_artifacts(own, file.path)).read_text())
        tables.append([int(file.path[-11:-5]), table["columns"], table["data"]])
    assert run.info.run_name == "first" and run.data.tags["try"] == "true" and run.info.status == "FINISHED"
    return {
        "scalars": {name: [[m.step, m.value] for m in history] for name, history in histories.items()},
        "tables": tables,
        "config": run.data.params,
        "runs": len(runs),
    }


def of_trackio(path: Path) -> dict[str, Any]:
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    runs = list(trackio.Api().runs("maths"))
    scalars, tables = defaultdict(list), []
    for row in SQLiteStorage.get_logs("maths", runs[0].name):
        for name, value in row.items():
            if name == "completions":
                rows = value["_value"]
                tables.append([row["step"], list(rows[0]), [list(each.values()) for each in rows]])
            elif name not in ("step", "timestamp"):
                scalars[name].append([row["step"], value])
    return {"scalars": scalars, "tables": tables, "config": runs[0].config, "runs": len(runs)}


def of_wandb(path: Path) -> dict[str, Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    scalars, tables, config, names = defaultdict(list), [], {}, []
    for file in sorted(path.glob("trackers/wandb/offline-run-*/*.wandb")):
        for content in leveldb_records(file.read_bytes()):
            record = Record()
            record.ParseFromString(content)
            if record.HasField("run"):
                run = record.run
                names.append((run.run_id, run.project, run.entity, run.display_name, tuple(run.tags)))
                config |= {
                    each.key or ".".join(each.nested_key): json.loads(each.value_json) for each in run.config.update
                }
            row = {tuple(each.nested_key) or (each.key,): json.loads(each.value_json) for each in record.history.item}
            step = row.pop(("step",), None)
            for (name, *part), value in row.items():
                if part == ["path"]:
                    table = json.loads((file.parent / "files" / value).read_text())
                    tables.append([step, table["columns"], table["data"]])
                elif not part and not name.startswith("_"):
                    scalars[name].append([step, value])
    assert len({each[0] for each in names}) == 1, names
    assert names[0][1:] == ("maths", "team", "first", ("try",)), names
    return {"scalars": scalars, "tables": tables, "config": config, "runs": len({each[0] for each in names})}


def of_swanlab(path: Path) -> dict[str, Any]:
    import yaml
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.sdk.internal.core_python.store import DataStoreReader

    scalars, tables, starts, config = defaultdict(list), [], [], {}
    for file in sorted(path.glob("trackers/swanlog/run-*/*.swanlab")):
        reader = DataStoreReader()
        reader.open(file)
        for content in reader:
            record = Record()
            record.ParseFromString(content)
            if record.HasField("start"):
                run = record.start
                starts.append((run.id, run.project, run.workspace, run.name, tuple(run.tags)))
            elif record.HasField("scalar"):
                scalars[record.scalar.key].append([record.scalar.step, record.scalar.value.number])
            elif record.HasField("media"):
                (item,) = record.media.value.items
                table = json.loads((file.parent / "media/echarts" / item.filename).read_text())
                columns = [each["field"] for each in table["colDefs"]]
                tables.append([record.media.step, columns, [list(row.values()) for row in table["rowData"]]])
        known = yaml.safe_load((file.parent / "files/config.yaml").read_text())
        config |= {name: entry["value"] for name, entry in known.items()}
    assert {each[1:] for each in starts} == {("maths", "team", "first", ("try",))}, starts
    return {"scalars": scalars, "tables": tables, "config": config, "runs": len({each[0] for each in starts})}


def leveldb_records(content: bytes, header: int = 7, block: int = 32768) -> Iterator[bytes]:
    """Records of a LevelDB log behind a file header: each piece has checksum (4), length (2) and kind (1: whole, 2:
    first, 3: middle, 4: last), and no piece crosses a block."""
    place, record = header, b""
    while place + 7 <= len(content):
        if block - place % block < 7:
            place += block - place % block
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


READERS = {
    "tensorboard": of_tensorboard,
    "mlflow": of_mlflow,
    "trackio": of_trackio,
    "wandb": of_wandb,
    "swanlab": of_swanlab,
}


def plain(value: Any) -> Any:
    """Numbers that are not finite as texts, whatever way the store has them."""
    return str(value).lower() if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    found = READERS[sys.argv[1]](Path(sys.argv[2]))
    found["scalars"] = {name: [[step, plain(v)] for step, v in rows] for name, rows in found["scalars"].items()}
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)
