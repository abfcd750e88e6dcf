"""What moves in a notebook: ipywidgets where someone is looking, plain text and pictures where no one is."""

import html
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from IPython.display import Image as Picture
from IPython.display import display
from tqdm import tqdm
from tqdm.notebook import tqdm as notebook_tqdm

from dcgan_lib.images.grid import jpeg, to_grid
from dcgan_lib.quality.diagnosis import diagnose
from dcgan_lib.records.reading import RunRecord, load_run
from dcgan_lib.train import Report
from dcgan_lib.views.front_end import has_front_end
from dcgan_lib.views.plots import COLOURS, plot_curves, rendered

REDRAW_SECONDS = 5  # between drawings of the curves: drawing takes time from training
PATIENCE_SECONDS = 600  # of training, from which on it is said what would make it shorter
SHORTER = "for a first look set epochs or max_images lower, or both widths to 16"
DIAGNOSIS_SHARE = 0.01  # of the time, at most, goes into looking for faults


def progress_bar(work: Iterable, **options: Any) -> Iterable:
    """A progress bar as `tqdm` makes it: a widget where someone is looking, nothing where no one is."""
    return notebook_tqdm(work, **options) if has_front_end() else tqdm(work, **{"disable": None, **options})


def show_grid(images: Any, columns: int = 8) -> Picture:
    """Images (N, C, S, S) as one small JPEG picture for a notebook."""
    return Picture(data=jpeg(to_grid(images, columns)), format="jpeg")


class LiveView:
    """A training as it goes: progress, statistics, curves and the newest grid, or a line of text a report.

    Call `update(report)` for each report of `fit`, with `grid` (H, W, 3) uint8 where there is a new one, and
    `close(grid)` at the end. `folder` is the run's: what `diagnose` finds in its record is shown as well.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.live = has_front_end()
        self.folder = folder
        self.record: RunRecord | None = None
        self.faults: dict[str, str] = {}  # as the last look found them, by their name
        self.notice: list[str] = []
        self.began, self.seconds_left = time.monotonic(), 0.0
        self.next_look = self.next_drawing = 0.0
        self.steps: list[int] = []
        self.losses: dict[str, list[float]] = {"loss_d": [], "loss_g": []}
        if self.live:
            self.bar = ipywidgets.FloatProgress(min=0, max=1, layout={"width": "100%"})
            self.line = ipywidgets.HTML("waiting for the first steps …")
            self.warning = ipywidgets.HTML()
            self.curves = ipywidgets.Image(format="png", layout={"width": "57%"})
            self.grid = ipywidgets.Image(format="jpeg", layout={"width": "41%"})
            beside = {"align_items": "flex-start", "justify_content": "space-between"}
            pictures = ipywidgets.HBox([self.grid, self.curves], layout=beside)
            display(ipywidgets.VBox([self.bar, self.line, self.warning, pictures]))

    def update(self, report: Report, grid: np.ndarray | None = None) -> None:
        """Show a report; costs a few milliseconds, and the curves are drawn again every few seconds at most."""
        done = report.step == report.total
        new = [*self._time_it(report), *self._look(done)]
        share, speed = report.step / report.total, f"{report.images_per_second:,.0f} images/s"
        if not done:
            speed += f", {_minutes(self.seconds_left)} left"
        if not self.live:
            bar = "█" * int(10 * share) + "░" * (10 - int(10 * share))
            print(f"{bar} {share:4.0%}  {report}  ({speed})", *new, sep="\n! ", flush=True)
            return
        self.bar.value = share
        self.line.value = f"<code>{report}</code><br>step {report.step:,} of {report.total:,}, {speed}"
        told = [*self.notice, *self.faults.values()]
        self.warning.value = "<br>".join(f"<b>⚠ {html.escape(text)}</b>" for text in told)
        if grid is not None:
            self.grid.value = jpeg(grid)
        for name, values in self.losses.items():
            values.extend(report.series[name])
        if time.monotonic() > self.next_drawing or done:
            self.curves.value = self._draw_curves()
            self.next_drawing = time.monotonic() + REDRAW_SECONDS

    def close(self, grid: np.ndarray) -> None:
        """End the view with the last grid as a plain picture, which stays when the notebook is opened again."""
        if self.live:
            self.bar.bar_style = "success" if self.bar.value == 1 else "warning"
            self.grid.layout.display = "none"  # the picture below takes its place
            self.curves.layout.width = "70%"
        display(Picture(data=jpeg(grid), format="jpeg"))

    def _time_it(self, report: Report) -> list[str]:
        """Say at the first report how long it takes, where that is long; count down from then on."""
        first = not self.steps
        self.steps.extend(report.steps)
        a_step = (time.monotonic() - self.began) / len(self.steps)  # with all that is done beside it
        self.seconds_left = a_step * (report.total - report.step)
        if first and self.seconds_left > PATIENCE_SECONDS:
            self.notice = [f"this takes about {_minutes(self.seconds_left)} here; {SHORTER}"]
            return self.notice
        return []

    def _draw_curves(self) -> bytes:
        shown = slice(None, None, max(1, len(self.steps) // 2000))  # so that the average grows with the training
        curves = {label: (self.steps[shown], self.losses[label.lower()][shown]) for label in ("Loss_D", "Loss_G")}
        return rendered(plot_curves(curves, colours=[COLOURS["D"], COLOURS["G"]], ylabel="loss", size=(5.6, 3.6)))

    def _look(self, done: bool) -> list[str]:
        """Look for faults in the run's record, unless that would take too much of the time; returns the new ones."""
        began = time.monotonic()
        if self.folder is None or (began < self.next_look and not done):
            return []
        try:
            self.record = self.record or load_run(self.folder)
            self.record.refresh()
            known, self.faults = self.faults, {finding.what: str(finding) for finding in diagnose(self.record)}
        except Exception as error:  # whatever is wrong with the record, the training goes on
            warnings.warn(f"no diagnosis of {self.folder}: {type(error).__name__}: {error}", stacklevel=3)
            return []
        finally:
            spent = time.monotonic() - began
            self.next_look = began + max(REDRAW_SECONDS, spent / DIAGNOSIS_SHARE)
        return [text for what, text in self.faults.items() if what not in known]


def _minutes(seconds: float) -> str:
    """A duration, as exactly as a guess may be: "40 s", "12 min", "1 h 20 min"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
