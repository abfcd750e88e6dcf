"""A comparison of runs kept as files: every point, setting and best value as tables, curves and grids as pictures."""

import itertools
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dcgan_lib.records.reading import RunRecord
from dcgan_lib.views.comparison import best, grids_side_by_side, labels, listed, overlay, settings_of, steps_per_epoch
from dcgan_lib.views.plots import rendered


def export(
    records: Sequence[RunRecord],
    folder: str | Path,
    paths: str | Sequence[str],
    by: str = "step",
    smooth: int = 20,
    goal: str = "min",
    side_by_side: bool = False,
    image_path: str | None = None,
    step: int | None = None,
) -> list[Path]:
    """Write the comparison into a new numbered folder under `folder`; gives the files' paths.

    `points.csv` (run, series, step, epoch, seconds, value: a row a point, unsmoothed), `settings.csv` (all, not only
    those that differ), `best.csv`, `curves.png`, and `grids.png` where `image_path` and `step` say what to show. Raises
    `ValueError` for no runs, and what `best`, `overlay` and `grids_side_by_side` raise, before anything is written.
    """
    if not records:
        raise ValueError("no runs to export: the query matched none")
    tables = {"best": best(records, paths, goal, smooth), "points": _points(records, listed(paths))}
    figures = {"curves": overlay(records, paths, by, smooth, side_by_side)}
    if image_path and step is not None:
        figures["grids"] = grids_side_by_side(records, image_path, step)
    target = _new_folder(Path(folder))
    try:
        for name, table in tables.items():
            table.to_csv(target / f"{name}.csv", index=False)
        settings_of(records).to_csv(target / "settings.csv")
        for name, figure in figures.items():
            (target / f"{name}.png").write_bytes(rendered(figure, 150))
    except BaseException:
        shutil.rmtree(target)  # half an export would look like a whole one
        raise
    return sorted(target.iterdir())


def _points(records: Sequence[RunRecord], paths: Sequence[str]) -> pd.DataFrame:
    columns = ["run", "series", "step", "epoch", "seconds", "value"]
    frames = []
    for label, record in zip(labels(records), records, strict=True):
        for path in [path for path in paths if path in record.series_names]:
            frame = record.series(path).assign(run=label, series=path)
            try:
                frame["epoch"] = frame["step"] / steps_per_epoch(record)
            except ValueError:
                frame["epoch"] = math.nan
            frames.append(frame[columns])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _new_folder(folder: Path) -> Path:
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file: give the folder in which to write the comparison")
    for number in itertools.count(1):
        target = folder / f"{number:03d}"
        try:
            target.mkdir(parents=True)
            return target
        except FileExistsError:
            pass
    raise AssertionError("unreachable")
