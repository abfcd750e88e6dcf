"""How the players of some runs are, beside each other: one row of panels a run, what to hold a new run against."""

import contextlib
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dcgan_lib.records.paths import FIXED_NOISE, PATHS
from dcgan_lib.records.reading import RunRecord
from dcgan_lib.views.plots import COLOURS, add_curve, tidy, wrapped

#: Panels from left to right: their title, and name → (series, colour). D's curves are blue, G's are red everywhere.
PANELS = {
    "loss": {"Loss_D": ("loss_d", "D"), "Loss_G": ("loss_g", "G")},
    "how often D is right": {"real": ("accuracy_real", "D"), "fake": ("accuracy_fake", "before")},
    "length of the gradient": {"of D": ("gradient_d", "D"), "of G": ("gradient_g", "G")},
    "the fakes": {"variety": ("variety", "G"), "saturation": ("saturation", "reference")},
}
BOUNDED = ("how often D is right", "the fakes")  # from 0 to about 1


def plot_health(runs: Mapping[str, RunRecord], rows: int = 4, smooth: int = 10, width: float = 11.0) -> Figure:
    """A row a run under its label: its newest faces, the losses, D's accuracy, both gradients, the fakes' variety.

    A column has one scale for all runs, so that they can be held against each other, and its legend at the top. The
    faces are the first `rows` by `rows` of the grid; `smooth` is the half-life of the moving average, in steps. Panels
    of what a run didn't record stay empty.
    """
    figure = Figure(figsize=(width, 0.218 * width * len(runs) + 0.65), layout="constrained")
    places = figure.add_gridspec(len(runs), 1 + len(PANELS), width_ratios=[1.3] + [1] * len(PANELS))
    tops: dict[str, Axes] = {}  # a column's first panel, with which the others share their scale
    for row, (label, run) in enumerate(runs.items()):
        panel = figure.add_subplot(places[row, 0])
        panel.axis("off")
        panel.set_title(wrapped(label, 24), fontsize=10, loc="left", fontweight="bold")
        if FIXED_NOISE in run.image_names:
            size = run.settings.get("image_size")
            side = rows * ((size if isinstance(size, int) and size > 0 else 64) + 2) + 2
            with contextlib.suppress(ValueError):  # it can't be read, which the run's problems say
                grid = run.image(FIXED_NOISE, run.image_steps(FIXED_NOISE)[-1])
                panel.imshow(grid.crop((0, 0, min(grid.width, side), min(grid.height, side))))
        for column, (title, curves) in enumerate(PANELS.items(), start=1):
            panel = figure.add_subplot(places[row, column], sharex=tops.get("loss"), sharey=tops.get(title))
            tops.setdefault(title, panel)
            for name, (series, colour) in curves.items():
                if PATHS[series] in run.series_names:
                    frame = run.series(PATHS[series])
                    add_curve(panel, frame["step"], frame["value"], smooth, name, color=COLOURS[colour])
            tidy(panel)
            panel.tick_params(labelsize=10)
            panel.locator_params(axis="x", nbins=3)
            if "gradient" in title:
                panel.set_yscale("log")
            if row == 0:
                panel.set_title(title, fontsize=10, pad=20)
                keys = [Line2D([], [], color=COLOURS[colour], label=name) for name, (_, colour) in curves.items()]
                above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "borderaxespad": 0.2, "ncols": 2}
                panel.legend(handles=keys, fontsize=10, frameon=False, handlelength=1, columnspacing=1, **above)
            if row == len(runs) - 1:
                panel.set_xlabel("step", fontsize=10)
    for title in BOUNDED:
        tops[title].set_ylim(-0.05, max(1.05, tops[title].get_ylim()[1]))
    return figure
