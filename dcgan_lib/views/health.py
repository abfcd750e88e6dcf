"""How the players of some runs are, beside each other: one row of panels a run, what to hold a new run against."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dcgan_lib.records.reading import RunRecord
from dcgan_lib.records.writing import PATHS
from dcgan_lib.views.plots import COLOURS, draw_curve, tidy

#: Panels from left to right: their title, and name → (series, colour). D's curves are blue, G's are red everywhere.
PANELS = {
    "loss": {"Loss_D": ("loss_d", "D"), "Loss_G": ("loss_g", "G")},
    "how often D is right": {"real": ("accuracy_real", "D"), "fake": ("accuracy_fake", "before")},
    "length of the gradient": {"of D": ("gradient_d", "D"), "of G": ("gradient_g", "G")},
    "the fakes": {"variety": ("variety", "G"), "saturation": ("saturation", "reference")},
}
BOUNDED = ("how often D is right", "the fakes")  # from 0 to about 1


def plot_health(runs: Mapping[str, RunRecord], rows: int = 4, smooth: int = 10, width: float = 11.0) -> Figure:
    """A row a run under its label: its newest grid, the losses, D's accuracy, both gradients, the fakes' variety.

    A column has one scale for all runs, so that they can be held against each other. `rows` are those of the grid that
    are shown; `smooth` is the half-life of the moving average, in steps. Panels of what a run didn't record stay empty.
    """
    figure = Figure(figsize=(width, 0.19 * width * len(runs) + 0.3), layout="constrained")
    axes = figure.subplots(len(runs), 1 + len(PANELS), squeeze=False, width_ratios=[1.1, 1, 1, 1, 1])
    for panels, (label, run) in zip(axes, runs.items(), strict=True):
        _show_grid(panels[0], label, run, rows)
        for panel, (title, curves) in zip(panels[1:], PANELS.items(), strict=True):
            for name, (series, colour) in curves.items():
                if PATHS[series] in run.series_names:
                    frame = run.series(PATHS[series])
                    draw_curve(panel, frame["step"], frame["value"], smooth, name, color=COLOURS[colour])
            tidy(panel)
            panel.set_title(title, fontsize=9)
            panel.tick_params(labelsize=7)
            if "gradient" in title:
                panel.set_yscale("log")
            if panel.get_legend_handles_labels()[0]:
                panel.legend(fontsize=7, frameon=False, loc="best")
    for column, title in enumerate(PANELS, start=1):
        drawn = [panel for panel in axes[:, column] if panel.lines]
        for limits, setter in ((Axes.get_xlim, Axes.set_xlim), (Axes.get_ylim, Axes.set_ylim)):
            both = np.array([limits(panel) for panel in drawn or axes[:, column]])
            for panel in axes[:, column]:
                setter(panel, both.min(), both.max())
        if title in BOUNDED:
            for panel in axes[:, column]:
                panel.set_ylim(-0.05, max(1.05, panel.get_ylim()[1]))
    for panel in axes[-1, 1:]:
        panel.set_xlabel("step", fontsize=8)
    return figure


def _show_grid(panel: Axes, label: str, run: RunRecord, rows: int) -> None:
    """The upper rows of the run's newest grid."""
    panel.axis("off")
    panel.set_title(label, fontsize=10, loc="left", fontweight="bold")
    path = "images/fixed_noise"
    if path in run.image_names:
        grid = run.image(path, run.image_steps(path)[-1])
        size = int(run.settings.get("image_size", 64))
        panel.imshow(
            grid.crop((0, 0, grid.width, min(grid.height, rows * (size + 2) + 2))), interpolation="antialiased"
        )
