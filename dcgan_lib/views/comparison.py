"""Compares runs: how far each got, their curves in one figure, their grids side by side."""

import contextlib
import itertools
import math
import textwrap
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dcgan_lib.records.paths import METRICS, PATHS
from dcgan_lib.records.reading import RunRecord
from dcgan_lib.records.table import image_series, number_series, run_labels, shortened, steps_per_epoch
from dcgan_lib.settings import did_you_mean
from dcgan_lib.views.plots import COLOURS, add_curve, can_be_smoothed, picture_row, smoothed, tidy, wrapped

AXES = ("step", "epoch", "minutes")  # what a curve may be plotted over

#: One colour a run: Okabe and Ito's, their yellow, too pale for a line on white, left for a grey.
RUN_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
LINE_STYLES = ("-", "--", ":", "-.")  # one a series

#: What figures call a series, and what stands at its axis; others are called by the ends of their paths.
NAMES = {
    PATHS["loss_d"]: ("Loss_D", "loss"),
    PATHS["loss_g"]: ("Loss_G", "loss"),
    PATHS["d_real"]: ("D(x)", "D's output"),
    PATHS["d_fake_before"]: ("D(G(z)), before D's update", "D's output"),
    PATHS["d_fake_after"]: ("D(G(z)), after it", "D's output"),
    PATHS["accuracy_real"]: ("D right on real", "share"),
    PATHS["accuracy_fake"]: ("D right on fakes", "share"),
    PATHS["gradient_d"]: ("gradient of D", "length"),
    PATHS["gradient_g"]: ("gradient of G", "length"),
    METRICS + "swd": ("SWD", "SWD"),
}


def curve(record: RunRecord, path: str, by: str = "step") -> tuple[np.ndarray, np.ndarray]:
    """One series of numbers as (x, values), x in steps, epochs, or minutes of running time.

    Raises `ValueError` where the run has no such series, or doesn't say how many steps an epoch has.
    """
    check_axis(by)
    if path not in number_series([record]):
        raise ValueError(f"{record.name} has no numbers in {path}")
    frame = record.series(path)
    values = frame["value"].to_numpy(float)
    if by == "minutes":
        seconds = frame["seconds"].to_numpy(float)
        reports = np.flatnonzero(np.diff(seconds, append=np.inf))  # points logged at once have one time: the last's
        return np.interp(np.arange(len(seconds)), reports, seconds[reports]) / 60, values
    steps = frame["step"].to_numpy(float)
    return (steps / steps_per_epoch(record) if by == "epoch" else steps), values


def extremes(records: Sequence[RunRecord], paths: str | Sequence[str], smooth: int = 20) -> pd.DataFrame:
    """How far each run got, a row a run and series: the last value, the lowest and the highest, each with its step.

    A GAN's losses jump, so these are values of the moving average of half-life `smooth` points, from where so many have
    gone into it; 0, or a curve too short, takes the points themselves. Runs without the series are left out;
    `ValueError` for one that no run has. The lowest loss is not the best model: it was measured on another opponent.
    """
    rows = []
    for path in known_paths(records, paths):
        for label, record in zip(run_labels(records), records, strict=True):
            if path in number_series([record]):
                steps, values = curve(record, path)
                if can_be_smoothed(len(values), smooth):
                    steps, values = steps[smooth:], smoothed(values, smooth)[smooth:]
                low, high = values.argmin(), values.argmax()
                rows.append((label, path, values[-1], values[low], int(steps[low]), values[high], int(steps[high])))
    columns = ["run", "series", "last", "lowest", "lowest at", "highest", "highest at"]
    return pd.DataFrame(rows, columns=columns)


def run_colour(index: int) -> str:
    """The colour of the run at this place: eight that colour-blind readers tell apart, then their lighter tones."""
    tone, place = divmod(index, len(RUN_COLOURS))
    colour = np.array(to_rgb(RUN_COLOURS[place]))
    return to_hex(1 - (1 - colour) * 0.55 ** (tone % 3))


def columns_for(count: int) -> int:
    """How many panels or pictures stand in a row: up to three, and four in two rows."""
    return 2 if count == 4 else min(max(count, 1), 3)


def overlay(
    records: Sequence[RunRecord],
    paths: str | Sequence[str],
    by: str = "step",
    smooth: int = 20,
    side_by_side: bool = False,
    width: float = 8.0,
) -> Figure:
    """Any series of any runs in one figure, a colour a run and a line style a series, over `by` (one of `AXES`).

    Each curve is pale, with its moving average of half-life `smooth` points over it. `side_by_side` gives each run a
    panel of its own, all with the same axes. Curves that a run doesn't have are named above it; `ValueError` for one
    that no run has.
    """
    check_axis(by)
    paths = known_paths(records, paths)
    count = len(records) if side_by_side else 1
    columns = columns_for(count)
    rows = math.ceil(max(count, 1) / columns)
    figure = Figure(figsize=(width, 2.7 * rows + 1 if side_by_side else 0.55 * width), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in panels[max(count, 1) :]:
        axes.axis("off")

    labels, names, missing = shortened(run_labels(records)), series_labels(paths), []
    for index, (label, record) in enumerate(zip(labels, records, strict=True)):
        axes, colour = panels[index if side_by_side else 0], run_colour(index)
        if side_by_side:
            axes.set_title(wrapped(label, int(70 / columns)), color=colour, fontsize=10)
        for path, style in zip(paths, itertools.cycle(LINE_STYLES), strict=False):
            try:
                x, values = curve(record, path, by)
            except ValueError as error:
                missing.append(str(error))
            else:
                above = 2 + 1 / (1 + len(values))  # the shorter curve, where two are the same as far as it goes
                add_curve(axes, x, values, smooth, color=colour, linestyle=style, zorder=above)

    for axes in panels:
        tidy(axes)
        if axes.get_subplotspec().is_last_row():
            axes.set_xlabel(by)
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(wrapped(axis_label(paths)))
    if not any(axes.lines for axes in panels):
        panels[0].text(0.5, 0.5, "no points to plot yet", transform=panels[0].transAxes, ha="center", va="center")
    runs = [] if side_by_side else [(name, {"color": run_colour(i), "lw": 2.5}) for i, name in enumerate(labels)]
    lines = zip(names, itertools.cycle(LINE_STYLES), strict=False) if len(names) > 1 else ()
    looks = [*runs, *((name, {"color": COLOURS["reference"], "ls": style}) for name, style in lines)]
    keys = [Line2D([], [], label=wrapped(name), **look) for name, look in looks]
    if keys:
        longest = max(len(line) for key in keys for line in key.get_label().splitlines())
        columns = max(1, min(len(keys), int(12 * width / (6 + longest))))
        figure.legend(handles=keys, loc="outside lower center", ncols=columns, frameon=False)
    if missing:
        note = textwrap.shorten("left out: " + "; ".join(dict.fromkeys(missing)), 160, placeholder=" …")
        figure.suptitle(wrapped(note, 90), fontsize=8, color=COLOURS["reference"])
    return figure


def series_labels(paths: Sequence[str]) -> list[str]:
    """What figures call the series: by `NAMES` or the ends of their paths; by the paths where two end alike."""
    names = [NAMES[path][0] if path in NAMES else path.rpartition("/")[2] for path in paths]
    return names if len(set(names)) == len(set(paths)) else shortened(paths)


def axis_label(paths: Sequence[str]) -> str:
    """What all of the series are, such as a loss; a single one's own name, and nothing for a mixture."""
    if len(paths) == 1:
        return series_labels(paths)[0]
    kinds = {NAMES.get(path, ("", ""))[1] for path in paths}
    return kinds.pop() if len(kinds) == 1 else ""


def image_steps(records: Iterable[RunRecord], path: str) -> list[int]:
    """The steps at which any of the runs has a picture in this series of images."""
    return sorted({step for record in records if path in record.image_names for step in record.image_steps(path)})


def common_step(records: Iterable[RunRecord], path: str) -> int | None:
    """The newest step that all runs with pictures in this series have reached; None where none has one."""
    return min((record.image_steps(path)[-1] for record in records if path in record.image_names), default=None)


def step_shown(record: RunRecord, path: str, step: int) -> int | None:
    """The step of the run's newest picture up to `step`; None where it has none so early."""
    return max((own for own in image_steps([record], path) if own <= step), default=None)


def grids_side_by_side(records: Sequence[RunRecord], path: str, step: int, width: float = 12.0) -> Figure:
    """Each run's picture at `step`, or its newest before it, under its name and step; at most three in a row.

    A picture that can't be read is left out, and among `record.problems`. Raises `ValueError` where no run has such
    pictures, or none so early.
    """
    pictures, known = [], image_series(records)
    if path not in known:
        raise ValueError(f"no run has the images {path!r}{did_you_mean(path, known)}")
    for label, record in zip(shortened(run_labels(records)), records, strict=True):
        own = step_shown(record, path, step)
        if own is not None:
            with contextlib.suppress(ValueError):
                pictures.append((f"{label}, step {own:,}", record.image(path, own)))
    if not pictures:
        raise ValueError(f"no run has a picture in {path} at step {step} or before: choose one of image_steps")
    return picture_row(pictures, width, columns_for(len(pictures)))


def known_paths(records: Sequence[RunRecord], paths: str | Sequence[str]) -> list[str]:
    """The paths as a list, where one alone may stand for itself.

    Raises `ValueError` with one line for a path that none of the runs has, unless none has any series yet.
    """
    paths = [paths] if isinstance(paths, str) else list(paths)
    known = sorted({path for record in records for path in record.series_names})
    for path in paths:
        if known and path not in known:
            raise ValueError(f"no run has the series {path!r}{did_you_mean(path, known)}")
    return paths


def check_axis(by: str) -> None:
    """Raise `ValueError` with one line for what isn't one of `AXES`."""
    if by not in AXES:
        raise ValueError(f"by is {by!r}: choose one of {', '.join(AXES)}")
