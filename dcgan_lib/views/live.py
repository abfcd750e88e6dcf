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
from dcgan_lib.quality.diagnosis import Finding, diagnose
from dcgan_lib.records.reading import RunRecord, load_run
from dcgan_lib.train import Report
from dcgan_lib.views.comparer import RunComparer
from dcgan_lib.views.front_end import has_front_end
from dcgan_lib.views.plots import COLOURS, plot_curves, rendered

__all__ = ["LiveView", "RunComparer", "has_front_end", "jpeg", "progress_bar", "show_grid"]

REDRAW_SECONDS = 5  # between drawings of the curves: drawing takes time from training
DIAGNOSIS_SHARE = 0.01  # of the time, at most, goes into looking for faults


def progress_bar(work: Iterable, **options: Any) -> Iterable:
    """A progress bar as `tqdm` makes it: a widget where someone is looking, nothing where no one is."""
    return notebook_tqdm(work, **options) if has_front_end() else tqdm(work, **{"disable": None, **options})


class LiveView:
    """A training as it goes: progress, statistics, curves and the newest grid, or a line of text a report.

    Call `update(report)` for each report of `fit`, with `grid` (H, W, 3) uint8 where there is a new one, and
    `close(grid)` at the end. `folder` is the run's: what `diagnose` finds in its record is shown as well.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.live = has_front_end()
        self.watch = Watch(folder) if folder is not None else None
        self.steps: list[int] = []
        self.losses: dict[str, list[float]] = {"loss_d": [], "loss_g": []}
        self.drawn = -float("inf")
        if self.live:
            self.bar = ipywidgets.FloatProgress(min=0, max=1, layout={"width": "100%"})
            self.line = ipywidgets.HTML("waiting for the first steps …")
            self.faults = ipywidgets.HTML()
            self.curves = ipywidgets.Image(format="png", layout={"width": "57%"})
            self.grid = ipywidgets.Image(format="jpeg", layout={"width": "41%"})
            pictures = ipywidgets.HBox(
                [self.grid, self.curves], layout={"align_items": "flex-start", "justify_content": "space-between"}
            )
            display(ipywidgets.VBox([self.bar, self.line, self.faults, pictures]))

    def update(self, report: Report, grid: np.ndarray | None = None) -> None:
        """Show a report; costs a few milliseconds, and the curves are drawn anew every few seconds at most."""
        findings = self.watch.look(done=report.step == report.total) if self.watch else None
        if not self.live:
            print(f"{_bar(report)}  {report}  ({report.images_per_second:,.0f} images/s)", flush=True)
            for finding in self.watch.new if findings is not None else ():
                print(f"! {finding}", flush=True)
            return
        if findings is not None:
            self.faults.value = "<br>".join(f"<b>⚠ {html.escape(str(finding))}</b>" for finding in findings)
        self.steps.extend(report.steps)
        for name, values in self.losses.items():
            values.extend(report.series[name])
        self.bar.value = report.step / report.total
        place = f"step {report.step:,} of {report.total:,}, {report.images_per_second:,.0f} images/s"
        self.line.value = f"<code>{report}</code><br>{place}"
        if grid is not None:
            self.grid.value = jpeg(grid)
        if time.monotonic() - self.drawn > REDRAW_SECONDS or report.step == report.total:
            self.curves.value = self._draw_curves()
            self.drawn = time.monotonic()

    def close(self, grid: np.ndarray) -> None:
        """End the view with the last grid as a plain picture, which stays when the notebook is opened again."""
        if self.live:
            self.bar.bar_style = "success" if self.bar.value == 1 else "warning"
            self.grid.layout.display = "none"  # the picture below takes its place
            self.curves.layout.width = "70%"
        display(Picture(data=jpeg(grid), format="jpeg"))

    def _draw_curves(self) -> bytes:
        shown = slice(None, None, max(1, len(self.steps) // 2000))  # so that the average grows with the training
        labels = {"Loss_D": "loss_d", "Loss_G": "loss_g"}
        curves = {label: (self.steps[shown], self.losses[name][shown]) for label, name in labels.items()}
        return rendered(plot_curves(curves, colours=[COLOURS["D"], COLOURS["G"]], ylabel="loss", size=(5.6, 3.6)))


class Watch:
    """Looks for faults in the record of a run as it is written, and takes little time for it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.run: RunRecord | None = None
        self.next = 0.0
        self.known: set[str] = set()
        self.new: list[Finding] = []  # those that the look before had not found

    def look(self, done: bool = False) -> list[Finding] | None:
        """The faults that the run has now; None where it isn't time to look again, unless it is `done`."""
        began = time.monotonic()
        if began < self.next and not done:
            return None
        try:
            self.run = self.run or load_run(self.folder)
            self.run.refresh()
            findings = diagnose(self.run)
        except Exception as error:  # whatever is wrong with the record, the training goes on
            warnings.warn(f"no diagnosis of {self.folder}: {type(error).__name__}: {error}", stacklevel=3)
            return None
        finally:
            spent = time.monotonic() - began
            self.next = began + max(REDRAW_SECONDS, spent / DIAGNOSIS_SHARE)
        self.new = [finding for finding in findings if finding.what not in self.known]
        self.known = {finding.what for finding in findings}
        return findings


def _bar(report: Report, length: int = 10) -> str:
    done = report.step / report.total
    return "█" * int(length * done) + "░" * (length - int(length * done)) + f" {done:4.0%}"


def show_grid(images: Any, columns: int = 8) -> Picture:
    """Images (N, C, S, S) as one small JPEG picture for a notebook."""
    return Picture(data=jpeg(to_grid(images, columns)), format="jpeg")
