"""`dcgan export`: runs' points, settings and grids as event files for TensorBoard, as tables, or for other trackers."""

import math
import re
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dcgan_lib import checkpoint
from dcgan_lib.records.parquet import export_parquet
from dcgan_lib.records.reading import RunRecord, find_runs
from dcgan_lib.records.table import differing, number_series, run_labels, runs_table, steps_per_epoch

COLUMNS = ["run", "series", "step", "epoch", "seconds", "value"]


def points_of(records: Sequence[RunRecord], paths: Sequence[str] | None = None) -> pd.DataFrame:
    """Every point of these series of numbers, or of all: columns run, series, step, epoch, seconds, value.

    The epoch is NaN where a record doesn't say how many steps one has.
    """
    frames = []
    for label, record in zip(run_labels(records), records, strict=True):
        try:
            epoch = steps_per_epoch(record)
        except ValueError:
            epoch = math.nan
        for path in number_series([record]):
            if paths is None or path in paths:
                frame = record.series(path)
                frames.append(frame.assign(run=label, series=path, epoch=frame["step"] / epoch)[COLUMNS])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def export_csv(records: Sequence[RunRecord], folder: str | Path, paths: Sequence[str] | None = None) -> list[Path]:
    """Write `points.csv`, the table of `points_of`, and `settings.csv`, that of `runs_table`; returns their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"points.csv": points_of(records, paths).to_csv(index=False), "settings.csv": runs_table(records).to_csv()}
    for name, text in tables.items():
        checkpoint.write_whole(folder / name, text)
    return [folder / name for name in tables]


def export_tensorboard(records: Sequence[RunRecord], folder: str | Path) -> list[Path]:
    """Write event files, a sub-folder a run: its series of numbers, its images, its settings; returns the sub-folders.

    Points and images keep their steps and times. All settings are a text; those that differ are hyperparameters too,
    for columns beside the runs' names. A run's sub-folder of an earlier export is replaced. Raises
    `RuntimeError` without tensorboard, and `FileExistsError` for a sub-folder that holds anything else.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RuntimeError("event files need a package: pip install tensorboard") from error

    targets = [Path(folder) / name for name in _folder_names(run_labels(records))]
    for target in targets:
        if target.is_file() or any("tfevents" not in path.name for path in target.glob("*")):
            raise FileExistsError(f"{target} is more than an earlier export: choose another folder with --into")
    swept = [name for name in differing(records) if "/" not in name]
    for record, target in zip(records, targets, strict=True):
        if target.exists():
            shutil.rmtree(target)
        paths = number_series([record])
        with SummaryWriter(str(target), max_queue=1000) as writer:
            for path in paths:
                frame = record.series(path)
                times = (frame["time"] - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
                for step, value, time in zip(frame["step"], frame["value"], times, strict=True):
                    writer.add_scalar(path, value, int(step), walltime=time)
            for path in record.image_names:
                times = record.image_times(path)
                for step, image in record.images(path):
                    pixels = np.asarray(image.convert("RGB"))
                    writer.add_image(path, pixels, int(step), walltime=times[step], dataformats="HWC")
            about = runs_table([record]).drop(columns=paths)
            rows = [f"| {name} | {about[name].iloc[0]} |" for name in about]
            writer.add_text("settings", "\n".join(["| setting | value |", "| --- | --- |", *rows]))
            if own := {name: record.settings[name] for name in swept if name in record.settings}:
                plain = {name: v if isinstance(v, bool | int | float) else str(v) for name, v in own.items()}
                writer.add_hparams(plain, {}, run_name=".")
    return targets


def _folder_names(labels: Sequence[str]) -> list[str]:
    """The labels as names of folders, with a number where several would share one."""
    names = [re.sub(r"[^\w.=,+-]+", "_", label).strip("._")[:60] or "run" for label in labels]
    return [f"{name}-{i}" if names.count(name) > 1 else name for i, name in enumerate(names, 1)]


#: What runs can be exported to: by which function, and what to do with it then.
EXPORTS = {
    "tensorboard": (export_tensorboard, "to look at them: tensorboard --logdir {}"),
    "csv": (export_csv, ""),
    "parquet": (export_parquet, "neptune-exporter takes them on: docs/records.md"),
}


def add_arguments(parser: ArgumentParser, others: Sequence[str] = ()) -> None:
    """The command line of `dcgan export`; `others` are what more than records can be exported to."""
    parser.add_argument("runs", nargs="*", type=Path, default=[Path("runs")], help="runs, or folders of them")
    parser.add_argument("--to", choices=(*EXPORTS, *others), required=True)
    parser.add_argument("--into", type=Path, metavar="PATH", help="where to (default: in exports/, beside the runs)")


def main(given: Namespace) -> int:
    """Write the files and print where they are."""
    records = {(r.folder.resolve(), r.run_id): r for folder in given.runs for r in find_runs(folder)}
    home = next(iter(records))[0].parent
    folder = given.into or home / "exports" / given.to
    export, look = EXPORTS[given.to]
    export(list(records.values()), folder)
    look = look and f"; {look.format(folder)}"
    print(f"{len(records)} run{'s' * (len(records) > 1)} written to {folder}{look}")
    return 0
