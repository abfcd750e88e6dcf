"""The run comparer of a notebook: curves overlaid, what differs, and one slider that moves all the grids."""

import asyncio
import contextlib
import functools
import html
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import ipywidgets
import pandas as pd
from IPython.display import HTML, display
from IPython.display import Image as Picture

from dcgan_lib.images.grid import jpeg
from dcgan_lib.records.export import export_csv
from dcgan_lib.records.paths import PATHS
from dcgan_lib.records.reading import PLAIN, RunRecord, load_runs
from dcgan_lib.records.table import differing, image_series, number_series, run_labels, select, shortened
from dcgan_lib.views import comparison
from dcgan_lib.views.controls import Controls, offer
from dcgan_lib.views.front_end import cell_id, has_front_end
from dcgan_lib.views.plots import rendered

FOLLOW_SECONDS = 3  # between two looks at the runs' folder
EXPORTS = "exports"  # the folder within it where comparisons are written

_of_cell: dict[str | None, "RunComparer"] = {}  # those that follow their runs


def _answering(act: Callable) -> Callable:
    """A method that answers events; what goes wrong is shown, for a widget's errors end in a log that no one reads."""

    @functools.wraps(act)
    def answer(self: "RunComparer", *given: Any) -> None:
        if self.controls is None:
            return
        with self._lock:  # JupyterLab's events come in a thread of their own, while `refresh` may be at work
            if self._busy:  # the event is of our own making
                return
            self._busy = True
            try:
                act(self, *given)
            except Exception as error:
                self.controls.status.value = _line(f"{type(error).__name__}: {error}", "error")
            finally:
                self._busy = False

    return answer


class RunComparer:
    """The runs in a folder side by side, as the last expression of a cell.

    Where someone is looking: lists of runs and series to choose from, curves, tables, one slider over the steps of all
    grids, an export; runs that are still going on are followed until the cell is run again, or `close()`. Elsewhere
    (papermill, nbval, a web page) the same as plain tables and pictures, the grids at the last step that all have.

    `query` picks runs as `records.table.select` does; the newest `most` of them are chosen to begin with. `series` are
    the paths to plot, or one path, without it both losses; `by`, `smooth`, `side_by_side` as in `overlay`. Raises
    `ValueError` with one line for a query, or a choice, that isn't valid.
    """

    def __init__(
        self,
        folder: str | Path = "runs",
        query: str = "",
        *,
        series: str | Sequence[str] = (),
        by: str = "step",
        smooth: int = 20,
        side_by_side: bool = False,
        most: int = 4,
    ) -> None:
        comparison.check_axis(by)
        self.folder, self.most = Path(folder), most
        self.records = load_runs(self.folder)
        self.matching = select(self.records, query)
        self.wanted_runs = self._newest()
        self.wanted_series = comparison.known_paths(self.matching, series)
        self.wanted_step: int | None = None  # None until someone moves the slider: the newest that all runs have
        self.controls: Controls | None = None
        self.following: asyncio.Task | None = None
        if not has_front_end():
            self._static = (by, smooth)
            return
        self.controls = Controls(query, by, smooth, side_by_side)
        self._drawn: dict[ipywidgets.Widget, Hashable] = {}  # what each part was last made from
        self._cells: dict[str, ipywidgets.VBox] = {}  # a run's title and picture
        self._readings: Counter[str] = Counter()  # how often a run's record was found to have grown
        self._lock = threading.RLock()
        self._busy = False
        self._show()
        c = self.controls
        for control in (c.filter, c.runs, c.series, c.axis, c.panels, c.smooth, c.images, c.step):
            control.observe(self._take, "value")
        c.export.on_click(self._export)

    @property
    def chosen(self) -> list[RunRecord]:
        """The runs that are compared, oldest first."""
        return [record for record in self.matching if record.run_id in self.wanted_runs]

    def close(self) -> None:
        """Stop following; what is shown stays."""
        if self.following:
            self.following.cancel()

    def _ipython_display_(self) -> None:
        if not self.controls:
            self._show_static(*self._static)
            return
        display(self.controls.box)
        if self.following is None:
            cell = cell_id()  # where the front end doesn't tell, all cells count as one
            if cell in _of_cell:
                _of_cell[cell].close()
            _of_cell[cell] = self
            with contextlib.suppress(RuntimeError):  # a kernel without an event loop
                self.following = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        """Look for news on the kernel's own event loop, which waits while a cell is running."""
        while self.controls.box.comm:  # until the widget is closed
            await asyncio.sleep(FOLLOW_SECONDS)
            if self.controls.follow.value:
                self.refresh()

    def _newest(self) -> set[str]:
        return {record.run_id for record in self.matching[::-1][: self.most]}

    def _to_draw(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Those of the paths that are wanted, or else both losses, or the first two: a young run may have none yet."""
        choices = (self.wanted_series, (PATHS["loss_d"], PATHS["loss_g"]), paths[:2])
        return next(filter(None, (tuple(path for path in paths if path in choice) for choice in choices)), ())

    def _summary(self) -> str:
        """One line: what is compared, and what could not be read."""
        folder, chosen = self.folder.as_posix(), self.chosen
        if not self.records:
            return f"no runs in {folder}: train first, or give the folder that holds them"
        if not chosen:
            reason = "none chosen: click on some in the list" if self.matching else "none matches the filter"
            return f"{len(self.records)} runs in {folder}, {reason}"
        problems = [f"{record.name}: {problem}" for record in chosen for problem in record.problems]
        note = f"; {len(problems)} things could not be read, the first: {problems[0]}" if problems else ""
        return f"{len(chosen)} of {len(self.records)} runs in {folder} compared{note}"

    def _show_static(self, by: str, smooth: int) -> None:
        print(self._summary())
        chosen = self.chosen
        if not chosen:
            return
        paths = self._to_draw(number_series(chosen))
        figures = [comparison.overlay(chosen, paths, by, smooth, panels) for panels in (False, True)[: len(chosen)]]
        grids = [
            comparison.grids_side_by_side(chosen, path, comparison.common_step(chosen, path), width=8)
            for path in image_series(chosen)
        ]
        for shown in (_differences(chosen), *figures, _extremes(chosen, paths, smooth), *grids):
            display(HTML(shown) if isinstance(shown, str) else Picture(rendered(shown, form="jpeg"), format="jpeg"))

    @_answering
    def refresh(self) -> None:
        """Look for new runs and new points, and show what they change; choices and slider stay."""
        first = not self.records
        known = {record.run_id: record for record in self.records}
        self.records = [known.get(record.run_id, record) for record in load_runs(self.folder)]
        for record in self.records:
            if record.run_id in known:
                self._readings[record.run_id] += record.refresh()
        self._filter(choose=first)
        self._show()

    @_answering
    def _take(self, change: Any) -> None:
        """Take over what a person has set a control to."""
        control, value = change.owner, change.new
        if control is self.controls.filter:
            self._filter(choose=True)
        elif control is self.controls.runs:
            hidden = self.wanted_runs - {record.run_id for record in self.matching}
            self.wanted_runs = hidden | set(value)  # what the filter hides comes back with it
        elif control is self.controls.series:
            self.wanted_series = list(value)
        elif control is self.controls.step:
            self.wanted_step = value
        self._show()

    @_answering
    def _export(self, _: Any) -> None:
        answer = _line("choose a run first", "error")
        if self.chosen:
            home = self.folder.parent if self.folder.name == PLAIN else self.folder
            folder = home / EXPORTS / f"{datetime.now():%Y-%m-%d-%H%M%S}"
            files = export_csv(self.chosen, folder, self.controls.series.value)
            answer = _line(f"written to {folder.as_posix()}: {', '.join(file.name for file in files)}")
        self.controls.exported.value = answer

    def _filter(self, choose: bool) -> None:
        """Match the runs again; `choose` takes the newest where none of those wanted is left."""
        try:
            self.matching = select(self.records, self.controls.filter.value)
            self.controls.error.value = ""
        except ValueError as error:
            self.controls.error.value = _line(str(error), "error")
        if choose and not self.chosen:
            self.wanted_runs = self._newest()

    def _show(self) -> None:
        """Bring lists, pictures and tables up to date; each is made again only where something in it has changed."""
        c, chosen = self.controls, self.chosen
        labels = shortened(run_labels(self.matching))
        states = [f"{record.state}, {record.steps:,} steps" for record in self.matching]
        rows = [(f"{label} · {state}", r.run_id) for label, state, r in zip(labels, states, self.matching, strict=True)]
        offer(c.runs, rows, tuple(record.run_id for record in chosen))
        paths, images = number_series(chosen), image_series(chosen)
        drawn = self._to_draw(paths)
        offer(c.series, paths, drawn)
        image_path = c.images.value if c.images.value in images else next(iter(images), None)
        offer(c.images, images, image_path)
        c.images.layout.display = None if len(images) > 1 else "none"

        self._draw(c.curves, _curves, chosen, drawn, c.axis.value, c.smooth.value, c.panels.value)
        self._draw(c.extremes, _extremes, chosen, drawn, c.smooth.value)
        self._draw(c.table, _differences, chosen)
        self._show_grids(chosen, image_path)
        c.status.value = _line(self._summary())

    def _show_grids(self, chosen: list[RunRecord], path: str | None) -> None:
        c = self.controls
        steps = comparison.image_steps(chosen, path) if path else []
        c.pictures.layout.display = None if steps else "none"
        if not steps:
            return
        wanted = comparison.common_step(chosen, path) if self.wanted_step is None else self.wanted_step
        at = max((step for step in steps if step <= wanted), default=steps[0])
        c.play.max = len(steps) - 1
        offer(c.step, [(f"step {step:,}", step) for step in steps], at)
        for label, record in zip(run_labels(chosen), chosen, strict=True):
            if record.run_id not in self._cells:
                picture = ipywidgets.Image(format="jpeg", layout={"width": "100%"})
                self._cells[record.run_id] = ipywidgets.VBox([ipywidgets.HTML(), picture])
            title, picture = self._cells[record.run_id].children
            step = comparison.step_shown(record, path, at)
            title.value = _line(f"{label}, " + ("no picture yet" if step is None else f"step {step:,}"))
            self._draw(picture, _picture, [record], path, step)
        columns = comparison.columns_for(len(chosen))
        c.grids.layout.grid_template_columns = f"repeat({columns}, minmax(0, 530px))"
        c.grids.children = [self._cells[record.run_id] for record in chosen]

    def _draw(self, widget: ipywidgets.Widget, make: Callable, records: Sequence[RunRecord], *how: Hashable) -> None:
        """Set the widget's value, unless it was made from the same before."""
        key = (tuple((record.run_id, self._readings[record.run_id]) for record in records), how)
        if self._drawn.get(widget) != key:
            widget.value = make(records, *how)
            self._drawn[widget] = key


def _picture(records: Sequence[RunRecord], path: str, step: int | None) -> bytes:
    """One run's picture as a JPEG; nothing where there is no step, or it can't be read, which its problems say."""
    try:
        return b"" if step is None else jpeg(records[0].image(path, step))
    except ValueError:
        return b""


def _curves(records: Sequence[RunRecord], paths: Sequence[str], by: str, smooth: int, side_by_side: bool) -> bytes:
    return rendered(comparison.overlay(records, paths, by, smooth, side_by_side, width=7), 120)


def _extremes(records: Sequence[RunRecord], paths: Sequence[str], smooth: int) -> str:
    table = comparison.extremes(records, paths, smooth)
    hint = f"of the moving average over a half-life of {smooth} points" if smooth else "of the points themselves"
    return "" if table.empty else _titled("Last, lowest and highest values", hint, table)


def _differences(records: Sequence[RunRecord]) -> str:
    """What differs, as a table, or a line that says that nothing does; empty for a single run."""
    table = differing(records)
    if len(records) > 1 and table.empty:
        return _titled("What differs", "nothing in settings, data and environment")
    return "" if table.empty else _titled("What differs", "of settings, data and environment", table.reset_index())


def _titled(title: str, hint: str, table: pd.DataFrame | None = None) -> str:
    body = "" if table is None else table.to_html(index=False, float_format="{:.4g}".format, na_rep="–", border=0)
    return f'<h4>{title} <small>{hint}</small></h4><div class="scroll">{body}</div>'


def _line(text: str, kind: str = "plain") -> str:
    """A line of text; `kind` is its class in the view's style."""
    return f'<div class="{kind}">{html.escape(text)}</div>'
