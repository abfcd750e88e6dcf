"""What moves in a notebook: ipywidgets where someone is looking, plain text and pictures where no one is."""

import io
import time
from collections.abc import Iterable
from typing import Any

import ipywidgets
import numpy as np
from IPython import get_ipython
from IPython.display import Image as Picture
from IPython.display import display
from PIL import Image
from tqdm import tqdm
from tqdm.notebook import tqdm as notebook_tqdm

from dcgan_lib.plots import COLOURS, plot_curves, to_grid
from dcgan_lib.train import Report

REDRAW_SECONDS = 5  # between drawings of the curves: drawing takes time from training


def has_front_end() -> bool:
    """Whether a person is at the notebook: JupyterLab, Notebook, VS Code and Colab can answer a prompt.

    papermill, nbval and nbconvert tell the kernel that they can't, and none of them would show a widget.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    return bool(kernel and kernel.get_parent().get("content", {}).get("allow_stdin"))


def progress_bar(work: Iterable, **options: Any) -> Iterable:
    """A progress bar as `tqdm` makes it: a widget where someone is looking, nothing where no one is."""
    return notebook_tqdm(work, **options) if has_front_end() else tqdm(work, **{"disable": None, **options})


def jpeg(pixels: np.ndarray, quality: int = 85) -> bytes:
    """The JPEG file of a picture (H, W, 3) uint8: a tenth of its PNG, so notebooks stay small."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


class LiveView:
    """A training as it goes: progress, statistics, curves and the newest grid, or a line of text a report.

    Call `update(report)` for each report of `fit`, with `grid` (H, W, 3) uint8 where there is a new one, and
    `close(grid)` at the end.
    """

    def __init__(self) -> None:
        self.live = has_front_end()
        self.steps: list[int] = []
        self.losses: dict[str, list[float]] = {"loss_d": [], "loss_g": []}
        self.drawn = -float("inf")
        if self.live:
            self.bar = ipywidgets.FloatProgress(min=0, max=1, layout={"width": "100%"})
            self.line = ipywidgets.HTML("waiting for the first steps …")
            self.curves = ipywidgets.Image(format="png", layout={"width": "57%"})
            self.grid = ipywidgets.Image(format="jpeg", layout={"width": "41%"})
            pictures = ipywidgets.HBox(
                [self.grid, self.curves], layout={"align_items": "flex-start", "justify_content": "space-between"}
            )
            display(ipywidgets.VBox([self.bar, self.line, pictures]))

    def update(self, report: Report, grid: np.ndarray | None = None) -> None:
        """Show a report; costs a few milliseconds, and the curves are drawn anew every few seconds at most."""
        if not self.live:
            print(f"{_bar(report)}  {report}  ({report.images_per_second:,.0f} images/s)", flush=True)
            return
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
        shown = slice(None, None, max(1, len(self.steps) // 2000))  # more points than pixels only cost time
        labels = {"Loss_D": "loss_d", "Loss_G": "loss_g"}
        curves = {label: (self.steps[shown], self.losses[name][shown]) for label, name in labels.items()}
        file = io.BytesIO()
        plot_curves(curves, colours=[COLOURS["D"], COLOURS["G"]], ylabel="loss", size=(5.6, 3.6)).savefig(file, dpi=100)
        return file.getvalue()


def _bar(report: Report, length: int = 10) -> str:
    done = report.step / report.total
    return "█" * int(length * done) + "░" * (length - int(length * done)) + f" {done:4.0%}"


def show_grid(images: Any, columns: int = 8) -> Picture:
    """Images (N, C, S, S) as one small JPEG picture for a notebook."""
    return Picture(data=jpeg(to_grid(images, columns)), format="jpeg")
