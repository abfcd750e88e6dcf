"""Runs in the layout of neptune-exporter, whose loaders take them to Weights & Biases, MLflow, Comet and others.

That program reads a Neptune server; its loaders read Parquet files of 14 columns, and the files beside them. Here they
are written from offline records, of this library or of any code that logs with `neptune.init_run(mode="offline")`.
"""

import hashlib
import shutil
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dcgan_lib import checkpoint
from dcgan_lib.records.reading import RunRecord
from dcgan_lib.records.table import run_labels

if TYPE_CHECKING:
    import pyarrow

PROJECT = "dcgan"  # what is exported goes to a project of this name
MOST_STEP = 10**12  # the layout keeps steps with 18 digits, 6 of them behind the point


def export_parquet(records: Sequence[RunRecord], folder: str | Path) -> list[Path]:
    """Write `data/<project>/<run>_part_0.parquet` for each run, and its images and files below `files/<project>/`.

    Every field, point, text, image and uploaded file keeps its path, step and time. Runs of one folder get one
    `sys/name`, that of the folder: other programs make an experiment or a group of it. Their own names are `sys/id`.
    What an earlier export wrote of a run is replaced. Warns of points that the layout can't hold. Returns the paths of
    the Parquet files; raises `RuntimeError` without pyarrow.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise RuntimeError("Parquet files need a package: pip install pyarrow") from error

    written = []
    for label, record in zip(run_labels(records), records, strict=True):
        files = Path(folder) / "files" / safe_name(PROJECT)
        shutil.rmtree(files / safe_name(label), ignore_errors=True)
        target = Path(folder) / "data" / safe_name(PROJECT) / f"{safe_name(label)}_part_0.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_whole(target, lambda file, r=record, name=label, at=files: _write(file, r, name, at))
        written.append(target)
    return written


def safe_name(name: str) -> str:
    """A name as neptune-exporter makes it fit for a path: letters, digits, _ and -, and a digest of the whole."""
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).hexdigest()
    plain = "".join(c if c.isalnum() or c in "_-" else "_" for c in name)
    return plain.encode()[:200].decode(errors="ignore") + f"-{digest}"  # no file system has longer ones


def schema() -> "pyarrow.Schema":
    """The 14 columns; of those for values, a row fills the one of its `attribute_type`."""
    import pyarrow as pa

    time, numbers = pa.timestamp("ms", tz="UTC"), pa.list_(pa.float64())
    return pa.schema(
        {
            "project_id": pa.string(),
            "run_id": pa.string(),
            "attribute_path": pa.string(),
            "attribute_type": pa.string(),
            "step": pa.decimal128(18, 6),
            "timestamp": time,
            "int_value": pa.int64(),
            "float_value": pa.float64(),
            "string_value": pa.string(),
            "bool_value": pa.bool_(),
            "datetime_value": time,
            "string_set_value": pa.list_(pa.string()),
            "file_value": pa.struct({"path": pa.string()}),
            "histogram_value": pa.struct({"type": pa.string(), "edges": numbers, "values": numbers}),
        }
    )


def _write(file: Any, record: RunRecord, label: str, files: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    columns = schema()
    with pyarrow.parquet.ParquetWriter(file, columns) as writer:
        for path, kind, count, values in _attributes(record, label, files):
            alike = {"project_id": PROJECT, "run_id": label, "attribute_path": path, "attribute_type": kind}
            filled = {name: [value] * count for name, value in alike.items()} | values
            arrays = [
                pa.array(filled[name], pa.float64()).cast(column.type)  # of steps
                if name == "step" and name in filled
                else pa.array(filled[name], column.type, from_pandas=True)
                if name in filled
                else pa.nulls(count, column.type)
                for name, column in zip(columns.names, columns, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=columns))


def _attributes(record: RunRecord, label: str, files: Path) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Every path of the record, with its type, how many rows it has, and the columns that they fill."""
    group = record.folder.resolve().parent.name or PROJECT
    fields = record.fields | {"sys/custom_run_id": label, "sys/id": label, "sys/name": group}
    fields.setdefault("sys/creation_time", record.created)
    for path, value in fields.items():
        kind, plain = _typed(value)
        yield path, kind, 1, {f"{kind}_value": [plain]}

    for path in record.series_names:
        frame = record.series(path)
        kind = "string" if isinstance(record.last(path)[1], str) else "float"
        if (beyond := frame["step"].abs() >= MOST_STEP).any():
            told = f"{beyond.sum()} points of {path} were left out: their steps have more than 12 digits"
            warnings.warn(f"{record.name}: {told}", stacklevel=2)
            frame = frame[~beyond]
        times, values = frame["time"].dt.floor("ms"), frame["value"]
        yield path, f"{kind}_series", len(frame), {"step": frame["step"], "timestamp": times, f"{kind}_value": values}

    for path in record.image_names:
        times, steps, names = record.image_times(path), [], []
        for step, image in record.images(path):
            name = Path(safe_name(label), safe_name(path), f"{step:.6f}".rstrip("0").rstrip(".") + ".png")
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            image.save(files / name)
            steps.append(step)
            names.append({"path": name.as_posix()})
        stamps = pd.Series(pd.to_datetime([times[step] for step in steps], unit="s", utc=True, errors="coerce"))
        yield path, "file_series", len(steps), {"step": steps, "timestamp": stamps.dt.floor("ms"), "file_value": names}

    for path in record.file_names:
        source = record.file(path)
        name = Path(safe_name(label), safe_name(path) + source.suffix)
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, files / name)
        yield path, "file", 1, {"file_value": [{"path": name.as_posix()}]}


def _typed(value: Any) -> tuple[str, Any]:
    """A field's type in the layout, and the value as its column takes it."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int) and abs(value) < 2**63:
        return "int", value
    if isinstance(value, float):
        return "float", value
    if isinstance(value, datetime):
        return "datetime", value
    if isinstance(value, frozenset):
        return "string_set", sorted(value)
    return "string", str(value)
