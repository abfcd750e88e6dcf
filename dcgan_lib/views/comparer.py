"""The run comparer of a notebook: curves overlaid, what differs, and one slider that moves all the grids."""

import bisect
import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets
from IPython.display import HTML, display

from dcgan_lib.records.reading import RunRecord, load_runs
from dcgan_lib.records.table import image_series, number_series, run_labels, select, shortened
from dcgan_lib.views import comparison, fragments
from dcgan_lib.views.controls import Controls, move, offer
from dcgan_lib.views.front_end import Repeater, has_front_end

FOLLOW_SECONDS = 3  # between two looks at the runs' folder
EXPORTS = "exports"  # the folder within it where comparisons are written


class RunComparer:
    """The runs in a folder side by side, as the last expression of a cell.

    Where someone is looking: lists of runs and series to choose from, curves, tables, one slider over the steps of all
    grids, an export; runs that are still going on are followed until the cell is run again, or `close()`. Elsewhere
    (papermill, nbval, a web page) the same as plain tables and pictures, the grids at the last step that all have.

    `query` picks runs as `compare.select` does; the newest `most` of them are chosen to begin with. `series` are the
    paths to draw, or one path, without it both losses; `by`, `smooth`, `side_by_side` as in `compare.overlay`, `goal`
    as in `compare.best`. Raises `ValueError` with one line for a query, or a choice, that can't be understood.
    """

    def __init__(
        self,
        folder: str | Path = "runs",
        query: str = "",
        *,
        series: str | Sequence[str] = (),
        by: str = "step",
        smooth: int = 20,
        goal: str = "min",
        side_by_side: bool = False,
        most: int = 4,
    ) -> None:
        comparison.check_choices(by, goal, smooth, most)
        self.folder = Path(folder)
        self.most = most
        self.records = load_runs(self.folder)
        self.matching = select(self.records, query)
        self.wanted_runs = self._newest()
        self.wanted_series = comparison.listed(series)
        comparison.check_paths(self.matching, self.wanted_series)
        self.wanted_step: int | None = None  # None until someone moves the slider: the newest that all runs have
        self.controls: Controls | None = None
        if not has_front_end():
            self._static = (by, smooth, goal)
            return
        self.controls = Controls(query, by, smooth, goal, side_by_side)
        self.steps: list[int] = []  # at which any chosen run has a picture: what the slider moves over
        self._drawn: dict[ipywidgets.Widget, Hashable] = {}  # what each part was last made from
        self._cells: dict[str, ipywidgets.VBox] = {}  # a run's title and picture
        self._readings: dict[str, int] = {}  # how often a run's record was found to have grown
        self._lock = threading.RLock()
        self._busy = False
        self._repeater = Repeater(self._look_again, FOLLOW_SECONDS)
        self._answer(self._show)
        self._listen()

    @property
    def chosen(self) -> list[RunRecord]:
        """The runs that are compared, oldest first."""
        return [record for record in self.matching if record.run_id in self.wanted_runs]

    def refresh(self) -> None:
        """Look for new runs and new points, and draw anew what they change; choices and slider stay.

        Plain tables and pictures stay as they are: run their cell again.
        """
        if self.controls:
            self._answer(self._read_on)

    def _read_on(self) -> None:
        first = not self.records
        known = {record.run_id: record for record in self.records}
        self.records = [known.get(record.run_id, record) for record in load_runs(self.folder)]
        for record in self.records:
            if record.run_id in known and record.refresh():
                self._readings[record.run_id] = self._readings.get(record.run_id, 0) + 1
        self._filter(choose=first)
        self._show()

    def close(self) -> None:
        """Stop following; what is shown stays."""
        if self.controls:
            self._repeater.stop()

    def _ipython_display_(self) -> None:
        if self.controls:
            display(self.controls.box)
            self._repeater.start()
        else:
            self._show_static()

    def _newest(self) -> set[str]:
        return {record.run_id for record in self.matching[-self.most :]}

    def _to_draw(self, paths: Sequence[str]) -> list[str]:
        """Those of the paths that are wanted, or else the usual ones: runs that are young may have none of them yet."""
        return [path for path in paths if path in self.wanted_series] or fragments.usual(paths)

    def _summary(self) -> str:
        """One line: what is compared, and what could not be read."""
        folder, chosen = self.folder.as_posix(), self.chosen
        if not self.records:
            return f"no runs in {folder}: train first, or give the folder that holds them"
        if not chosen:
            return f"{len(self.records)} runs in {folder}, " + (
                "none chosen: click on some in the list" if self.matching else "none matches the filter"
            )
        problems = [f"{record.name}: {problem}" for record in chosen for problem in record.problems]
        note = f"; {len(problems)} things could not be read, the first: {problems[0]}" if problems else ""
        return f"{len(chosen)} of {len(self.records)} runs in {folder} compared{note}"

    def _show_static(self) -> None:
        print(self._summary())
        chosen, (by, smooth, goal) = self.chosen, self._static
        if not chosen:
            return
        paths = self._to_draw(number_series(chosen))
        display(HTML(fragments.differences(chosen)))
        for side_by_side in (False, True) if len(chosen) > 1 else (False,):
            display(fragments.figure_shown(comparison.overlay(chosen, paths, by, smooth, side_by_side)))
        display(HTML(fragments.best(chosen, paths, goal, smooth)))
        for path in image_series(chosen):
            grids = comparison.grids_side_by_side(chosen, path, comparison.common_step(chosen, path), width=8)
            display(fragments.figure_shown(grids))

    # What a person does

    def _listen(self) -> None:
        controls = self.controls
        for control, act in (
            (controls.filter, self._on_filter),
            (controls.runs, self._on_runs),
            (controls.series, self._on_series),
            (controls.step, self._on_step),
            (controls.play, self._on_step),
            *((c, lambda _: self._show()) for c in (controls.axis, controls.smooth, controls.panels, controls.goal)),
            (controls.images, lambda _: self._show()),
        ):
            control.observe(lambda change, act=act: self._answer(act, change.new), "value")
        controls.export.on_click(lambda _: self._answer(self._on_export))

    def _answer(self, act: Callable[..., None], *news: Any) -> None:
        """Answer an event; what goes wrong is shown, for a widget's exceptions end in a log that no one reads."""
        with self._lock:  # JupyterLab's events come in a thread of their own, while `refresh` may be at work
            if self._busy:  # the event is of our own making
                return
            self._busy = True
            try:
                act(*news)
            except Exception as error:
                self.controls.status.value = fragments.line(f"{type(error).__name__}: {error}", "error")
            finally:
                self._busy = False

    def _look_again(self) -> None:
        if self.controls.box.comm is None:  # the widget has been closed
            self.close()
        elif self.controls.follow.value:
            self.refresh()

    def _on_filter(self, _: str) -> None:
        self._filter(choose=True)
        self._show()

    def _on_runs(self, run_ids: tuple[str, ...]) -> None:
        hidden = self.wanted_runs - {record.run_id for record in self.matching}
        self.wanted_runs = hidden | set(run_ids)  # what the filter hides comes back with it
        self._show()

    def _on_series(self, paths: tuple[str, ...]) -> None:
        self.wanted_series = list(paths)
        self._show()

    def _on_step(self, index: int) -> None:
        self.wanted_step = self.steps[index]
        self.controls.step.value = self.controls.play.value = index
        self._show_grids(self.chosen)

    def _on_export(self) -> None:
        controls, chosen = self.controls, self.chosen
        if not chosen:
            controls.exported.value = fragments.line("choose a run first", "error")
            return
        from dcgan_lib.records.export import export

        home = self.folder.parent if self.folder.name == ".neptune" else self.folder
        options = (controls.axis.value, controls.smooth.value, controls.goal.value, controls.panels.value)
        step = self.steps[controls.step.value] if self.steps else None
        files = export(
            chosen, home / EXPORTS, controls.series.value, *options, image_path=controls.images.value, step=step
        )
        names = ", ".join(file.name for file in files)
        controls.exported.value = fragments.line(f"written to {files[0].parent.as_posix()}: {names}")

    def _filter(self, choose: bool) -> None:
        """Match the runs anew; `choose` takes the newest where none of those wanted is left."""
        try:
            self.matching = select(self.records, self.controls.filter.value)
            self.controls.error.value = ""
        except ValueError as error:
            self.controls.error.value = fragments.line(str(error), "error")
        if choose and not self.chosen:
            self.wanted_runs = self._newest()

    # What is shown

    def _show(self) -> None:
        """Bring lists, pictures and tables up to date; each is made anew only where something in it has changed."""
        controls, chosen = self.controls, self.chosen
        rows = [
            (f"{label} · {record.state}, {record.steps:,} steps", record.run_id)
            for label, record in zip(shortened(run_labels(self.matching)), self.matching, strict=True)
        ]
        offer(controls.runs, rows, tuple(record.run_id for record in chosen))
        paths = number_series(chosen)
        drawn = self._to_draw(paths)
        offer(controls.series, [(path, path) for path in paths], tuple(drawn))
        images = image_series(chosen)
        path = controls.images.value if controls.images.value in images else next(iter(images), None)
        offer(controls.images, [(path, path) for path in images], path)
        controls.images.layout.display = None if len(images) > 1 else "none"

        runs = tuple((record.run_id, self._readings.get(record.run_id)) for record in chosen)
        smooth, goal = controls.smooth.value, controls.goal.value
        look = (controls.axis.value, smooth, controls.panels.value)
        self._draw(controls.curves, (runs, *drawn, *look), lambda: fragments.curves(chosen, drawn, *look))
        self._draw(controls.best, (runs, *drawn, smooth, goal), lambda: fragments.best(chosen, drawn, goal, smooth))
        self._draw(controls.table, runs, lambda: fragments.differences(chosen))
        self._show_steps(chosen)
        self._show_grids(chosen)
        controls.status.value = fragments.line(self._summary())

    def _show_steps(self, chosen: list[RunRecord]) -> None:
        controls, path = self.controls, self.controls.images.value
        self.steps = comparison.image_steps(chosen, path) if path else []
        controls.pictures.layout.display = None if self.steps else "none"
        if self.steps:
            wanted = comparison.common_step(chosen, path) if self.wanted_step is None else self.wanted_step
            index = max(bisect.bisect_right(self.steps, wanted) - 1, 0)  # the newest before it
            for control in (controls.step, controls.play):
                move(control, len(self.steps) - 1, index)

    def _show_grids(self, chosen: list[RunRecord]) -> None:
        controls, path = self.controls, self.controls.images.value
        cells = []
        for label, record in zip(run_labels(chosen), chosen, strict=True) if self.steps else ():
            if record.run_id not in self._cells:
                picture = ipywidgets.Image(format="jpeg", layout={"width": "100%"})
                self._cells[record.run_id] = ipywidgets.VBox([ipywidgets.HTML(), picture])
            cells.append(self._cells[record.run_id])
            title, picture = cells[-1].children
            step = comparison.step_shown(record, path, self.steps[controls.step.value])
            key = (path, step, self._readings.get(record.run_id))
            title.value = fragments.line(f"{label}, " + ("no picture yet" if step is None else f"step {step:,}"))
            self._draw(picture, key, lambda shown=(record, path, step): fragments.picture(*shown))
        if self.steps:
            controls.shown.value = fragments.line(f"step {self.steps[controls.step.value]:,}")
        columns = comparison.columns_for(len(cells))
        controls.grids.layout.grid_template_columns = f"repeat({columns}, minmax(0, 530px))"
        if controls.grids.children != tuple(cells):
            controls.grids.children = cells

    def _draw(self, widget: ipywidgets.Widget, key: Hashable, make: Callable[[], Any]) -> None:
        """Set the widget's value, unless it was made from the same before."""
        if self._drawn.get(widget) != key:
            widget.value = make()
            self._drawn[widget] = key
