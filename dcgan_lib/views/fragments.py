"""The pieces that a comparison of runs is shown by, in a view or as plain output: pictures, and HTML."""

import html
from collections.abc import Sequence

import pandas as pd
from IPython.display import Image as Picture
from matplotlib.figure import Figure

from dcgan_lib.images.grid import jpeg
from dcgan_lib.records.reading import RunRecord
from dcgan_lib.records.table import differing
from dcgan_lib.records.writing import PATHS
from dcgan_lib.views import comparison
from dcgan_lib.views.plots import rendered


def picture(record: RunRecord, path: str, step: int | None) -> bytes:
    """The picture as a JPEG; nothing where there is no step, or it can't be read, which the record's problems say."""
    try:
        return b"" if step is None else jpeg(record.image(path, step))
    except ValueError:
        return b""


def usual(paths: Sequence[str]) -> list[str]:
    """What to draw where no one has chosen: both losses, else the first two series."""
    losses = [path for path in (PATHS["loss_d"], PATHS["loss_g"]) if path in paths]
    return losses or list(paths[:2])


def curves(records: Sequence[RunRecord], paths: Sequence[str], by: str, smooth: int, side_by_side: bool) -> bytes:
    """`compare.overlay` as a PNG; nothing for no runs."""
    return rendered(comparison.overlay(records, paths, by, smooth, side_by_side, width=7), 120) if records else b""


def best(records: Sequence[RunRecord], paths: Sequence[str], goal: str, smooth: int) -> str:
    """`compare.best` as a table under a title; nothing where it is empty."""
    table = comparison.best(records, paths, goal, smooth)
    if table.empty:
        return ""
    hint = f"moving average over a half-life of {smooth} points" if smooth else "the points themselves"
    best_value = "lowest value" if goal == "min" else "highest value"
    return _titled("Last and best", f"{best_value}; {hint}", table)


def differences(records: Sequence[RunRecord]) -> str:
    """`compare.differing` as a table under a title, or a line that says that nothing does; empty for a single run."""
    if len(records) < 2:
        return ""
    table = differing(records)
    if table.empty:
        return "<h4>What differs <small>nothing in settings, data and environment</small></h4>"
    return _titled("What differs", "of settings, data and environment", table.reset_index())


def _titled(title: str, hint: str, table: pd.DataFrame) -> str:
    body = table.to_html(index=False, float_format="{:.4g}".format, na_rep="–", border=0)
    return f'<h4>{title} <small>{hint}</small></h4><div class="scroll">{body}</div>'


def line(text: str, kind: str = "plain") -> str:
    """A line of text; `kind` is its class in the view's style."""
    return f'<div class="{kind}">{html.escape(text)}</div>'


def figure_shown(figure: Figure) -> Picture:
    """The figure as a JPEG to display."""
    return Picture(data=rendered(figure, form="jpeg"), format="jpeg")
