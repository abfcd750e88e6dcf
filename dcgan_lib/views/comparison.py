"""Compares runs: where they differ, how far each got, their curves in one figure, their grids side by side."""

import difflib
import itertools
import math
import textwrap
from collections.abc import Iterable, Sequence
from numbers import Integral

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from dcgan_lib.records.reading import RunRecord
from dcgan_lib.records.table import number_series, run_labels, shortened, steps_per_epoch
from dcgan_lib.views.plots import COLOURS, can_be_smoothed, draw_curve, picture_row, smoothed, tidy

AXES = ("step", "epoch", "minutes")  # what a curve may be drawn over
GOALS = ("min", "max")

#: One colour a run: Okabe and Ito's, their yellow, too pale for a line on white, left for a grey.
RUN_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
LINE_STYLES = ("-", "--", ":", "-.")  # one a series


def curve(record: RunRecord, path: str, by: str = "step") -> tuple[np.ndarray, np.ndarray]:
    """One series of numbers as (x, values), x in steps, epochs, or minutes of running time.

    Raises `KeyError` where the run has no such series, and `ValueError` for one of texts, or where the run doesn't say
    how many steps an epoch has.
    """
    check_choices(by=by)
    frame = record.series(path)
    try:
        values = frame["value"].to_numpy(float)
    except ValueError as error:
        raise ValueError(f"{path} of run {record.name} holds texts: choose a series of numbers") from error
    if by == "minutes":
        seconds = frame["seconds"].to_numpy(float)
        reports = np.flatnonzero(np.diff(seconds, append=np.inf))  # points logged at once have one time: the last's
        return np.interp(np.arange(len(seconds)), reports, seconds[reports]) / 60, values
    steps = frame["step"].to_numpy(float)
    return (steps / steps_per_epoch(record) if by == "epoch" else steps), values


def best(records: Sequence[RunRecord], paths: str | Sequence[str], goal: str = "min", smooth: int = 20) -> pd.DataFrame:
    """How far each run got, a row a run and series: the last and the best value, and the step of the best.

    Losses of a GAN jump, so both values are those of the moving average of half-life `smooth` points, and the best is
    looked for once so many points have gone into it; 0, or a curve too short, takes the points themselves. `goal` says
    whether the lowest ("min") or the highest ("max") is best. Runs without the series are left out; `ValueError` for
    one that no run has.
    """
    check_choices(goal=goal, smooth=smooth)
    paths = listed(paths)
    check_paths(records, paths)
    rows = []
    for path in paths:
        for label, record in zip(run_labels(records), records, strict=True):
            if path not in number_series([record]):
                continue
            steps, values = curve(record, path)
            if can_be_smoothed(len(values), smooth):
                steps, values = steps[smooth:], smoothed(values, smooth)[smooth:]
            place = values.argmin() if goal == "min" else values.argmax()
            rows.append((label, path, values[-1], values[place], int(steps[place])))
    return pd.DataFrame(rows, columns=["run", "series", "last", "best", "at step"])


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
    check_choices(by=by, smooth=smooth)
    paths = listed(paths)
    check_paths(records, paths)
    columns = columns_for(len(records)) if side_by_side else 1
    rows = math.ceil(len(records) / columns) if side_by_side and records else 1
    figure = Figure(figsize=(width, 2.7 * rows + 1 if side_by_side else 0.55 * width), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in panels[len(records) :] if side_by_side else ():
        axes.axis("off")

    names = run_labels(records)
    short = dict(zip(names, shortened(names), strict=True))
    drawn, missing = {}, []
    for index, (label, record) in enumerate(zip(names, records, strict=True)):
        axes, colour = panels[index if side_by_side else 0], run_colour(index)
        if side_by_side:
            axes.set_title(_wrapped(short[label], int(70 / columns)), color=colour, fontsize=10)
        for path, style in zip(paths, itertools.cycle(LINE_STYLES), strict=False):
            try:
                x, values = curve(record, path, by)
            except KeyError:
                missing.append(f"{label} has no {path}")
            except ValueError as error:
                missing.append(str(error))
            else:
                above = 2 + 1 / (1 + len(values))  # the shorter curve, where two are the same as far as it goes
                draw_curve(axes, x, values, smooth, color=colour, linestyle=style, zorder=above)
                drawn[label] = colour

    for axes in panels:
        tidy(axes)
        if axes.get_subplotspec().is_last_row():
            axes.set_xlabel(by)
        if axes.get_subplotspec().is_first_col() and len(paths) == 1:
            axes.set_ylabel(_wrapped(paths[0]))
    if not drawn:
        panels[0].text(0.5, 0.5, "no points to draw yet", transform=panels[0].transAxes, ha="center", va="center")
    keys = [] if side_by_side else [Line2D([], [], color=c, lw=2.5, label=_wrapped(short[n])) for n, c in drawn.items()]
    if len(paths) > 1:
        styles = zip(shortened(paths), itertools.cycle(LINE_STYLES), strict=False)
        keys += [Line2D([], [], color=COLOURS["reference"], ls=style, label=_wrapped(p)) for p, style in styles]
    if keys:
        longest = max(len(line) for key in keys for line in key.get_label().splitlines())
        columns = max(1, min(len(keys), int(12 * width / (6 + longest))))
        figure.legend(handles=keys, loc="outside lower center", ncols=columns, frameon=False)
    if missing:
        note = textwrap.shorten("left out: " + "; ".join(dict.fromkeys(missing)), 160, placeholder=" …")
        figure.suptitle(_wrapped(note, 90), fontsize=8, color=COLOURS["reference"])
    return figure


def image_steps(records: Iterable[RunRecord], path: str) -> list[int]:
    """The steps at which any of the runs has a picture in this series of images."""
    return sorted({step for record in records if path in record.image_names for step in record.image_steps(path)})


def common_step(records: Iterable[RunRecord], path: str) -> int | None:
    """The newest step that all runs with pictures in this series have reached; None where none has one."""
    return min((record.image_steps(path)[-1] for record in records if path in record.image_names), default=None)


def step_shown(record: RunRecord, path: str, step: int) -> int | None:
    """The step of the run's newest picture up to `step`; None where it has none so early."""
    steps = record.image_steps(path) if path in record.image_names else []
    return max((own for own in steps if own <= step), default=None)


def images_at(records: Sequence[RunRecord], path: str, step: int) -> list[tuple[int, Image.Image] | None]:
    """Each run's picture at `step`, or its newest before it, as (its step, picture).

    None where it has none, or where that can't be read, which `record.problems` says.
    """
    shown: list[tuple[int, Image.Image] | None] = []
    for record in records:
        own = step_shown(record, path, step)
        try:
            shown.append(None if own is None else (own, record.image(path, own)))
        except ValueError:
            shown.append(None)
    return shown


def grids_side_by_side(records: Sequence[RunRecord], path: str, step: int, width: float = 12.0) -> Figure:
    """The pictures of `images_at` in one figure, under the runs' names and the steps shown; at most three in a row.

    Raises `ValueError` where no run has such pictures, or none so early.
    """
    check_paths(records, [path], "images")
    pairs = zip(shortened(run_labels(records)), images_at(records, path, step), strict=True)
    pictures = [(f"{label}, step {shown[0]:,}", shown[1]) for label, shown in pairs if shown]
    if not pictures:
        raise ValueError(f"no run has a picture in {path} at step {step} or before: choose one of image_steps")
    columns = columns_for(len(pictures))
    wrapped = [(_wrapped(title, int(10 * width / columns)), picture) for title, picture in pictures]
    return picture_row(wrapped, width, columns)


def _wrapped(text: str, width: int = 30) -> str:
    """The text in lines for a figure, its dollar signs kept from matplotlib, which would read formulas between them."""
    return textwrap.fill(text, width).replace("$", r"\$")


def listed(paths: str | Sequence[str]) -> list[str]:
    """The paths as a list, where one alone may stand for itself."""
    return [paths] if isinstance(paths, str) else list(paths)


def check_paths(records: Sequence[RunRecord], paths: Sequence[str], kind: str = "series") -> None:
    """Raise `ValueError` with one line for a path that none of the runs has, unless none has any `kind` yet.

    `kind` is "series" or "images".
    """
    known = {path for record in records for path in (record.image_names if kind == "images" else record.series_names)}
    for path in paths:
        if known and path not in known:
            ends = {own: own[-len(path) :].lower() for own in sorted(known)}  # "dloss" is near training/batch/Dloss
            near = sorted(ends, key=lambda own: -difflib.SequenceMatcher(None, ends[own], path.lower()).ratio())
            raise ValueError(f"no run has the {kind} {path!r}: there are {', '.join(near)}")


def check_choices(by: str = AXES[0], goal: str = GOALS[0], smooth: int = 0, most: int = 1) -> None:
    """Raise `ValueError` with one line for an axis or a goal that there isn't, or a count that is none."""
    for name, value, choices in (("by", by, AXES), ("goal", goal, GOALS)):
        if value not in choices:
            raise ValueError(f"{name} is {value!r}: choose one of {', '.join(choices)}")
    for name, value, least in (("smooth", smooth, 0), ("most", most, 1)):
        if not isinstance(value, Integral) or value < least:
            raise ValueError(f"{name} is {value!r}: give a whole number, {least} or more")
