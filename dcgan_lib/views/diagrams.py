"""Diagrams of the course: the game of two networks, and two distances in one dimension."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from dcgan_lib.views.plots import COLOURS, tidy

INK = "#333333"
PALE = {"D": "#DCEBF5", "G": "#FBE6D6", "image": "#F2F2F2"}


def game_picture() -> Figure:
    """The game: noise z → G → fake → D ← real image, and the way that each player's gradient takes back."""
    figure = Figure(figsize=(10, 3.7), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 21), ylim=(0, 7.6), aspect="equal")
    axes.axis("off")
    _box(axes, 1.5, 2.4, "noise z", "100 numbers", PALE["image"], 2.6)
    _box(axes, 5.6, 2.4, "generator G", "makes an image of z", PALE["G"], 3.8)
    _box(axes, 10.0, 2.4, "fake G(z)", "an image", PALE["image"], 2.8)
    _box(axes, 10.0, 6.2, "real x", "from the data", PALE["image"], 2.8)
    _box(axes, 15.0, 4.3, "discriminator D", "real or fake?", PALE["D"], 4.0)
    _box(axes, 19.4, 4.3, "D(x)", "1 real, 0 fake", PALE["image"], 2.8)
    for tail, head in (
        ((2.9, 2.4), (3.6, 2.4)),
        ((7.6, 2.4), (8.5, 2.4)),
        ((11.5, 2.7), (12.9, 3.6)),
        ((11.5, 5.9), (12.9, 5.0)),
        ((17.1, 4.3), (17.9, 4.3)),
    ):
        axes.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.6, "shrinkA": 0})
    _gradient(axes, "D", (19.0, 5.25), (15.4, 5.25), 0.3)
    axes.text(17.2, 6.35, "D's gradient changes D", color=COLOURS["D"], ha="center", fontsize=10)
    axes.text(12.15, 3.15, "✂", color=COLOURS["D"], ha="center", va="center", fontsize=22, rotation=120)
    axes.text(11.7, 3.95, "detach: D's gradient\nstops here", color=COLOURS["D"], ha="right", va="center", fontsize=10)
    _gradient(axes, "G", (19.0, 3.35), (15.7, 3.35), -0.3)
    _gradient(axes, "G", (14.6, 3.35), (11.5, 2.0), -0.25)
    _gradient(axes, "G", (9.7, 1.45), (6.0, 1.45), -0.3)
    note = "G's gradient goes through D into the image,\nand on into G: it changes G alone"
    axes.text(14.4, 1.2, note, color=COLOURS["G"], va="center", fontsize=10)
    return figure


def _box(axes: Axes, x: float, y: float, title: str, hint: str, colour: str, width: float) -> None:
    """A rounded box around a point, with a title and a hint."""
    style = {"boxstyle": "round,pad=0,rounding_size=0.25", "fc": colour, "ec": INK, "lw": 1.2}
    axes.add_patch(FancyBboxPatch((x - width / 2, y - 0.85), width, 1.7, **style))
    axes.text(x, y + 0.3, title, ha="center", va="center", fontsize=11, weight="bold", color=INK)
    axes.text(x, y - 0.4, hint, ha="center", va="center", fontsize=9, color=INK)


def _gradient(axes: Axes, player: str, tail: tuple[float, float], head: tuple[float, float], bend: float) -> None:
    """A dashed arrow in the player's colour."""
    style = {"arrowstyle": "-|>", "lw": 1.8, "ls": "--", "color": COLOURS[player], "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", head, tail, arrowprops=style | {"connectionstyle": f"arc3,rad={bend}"})


def distance_pictures(real: Sequence[float], fake: Sequence[float]) -> Figure:
    """The Wasserstein and the Fréchet distance of two small sets of numbers, each as a picture of how it is computed.

    Left: both sets sorted, n-th to n-th; the mean length of the lines is the Wasserstein distance. Right: both sets
    as bell curves; the Fréchet distance is (difference of means)² + (difference of standard deviations)².
    """
    real, fake = np.sort(np.asarray(real, float)), np.sort(np.asarray(fake, float))
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    for x, y in zip(real, fake, strict=True):
        left.plot([x, y], [1, 0], color=COLOURS["reference"], lw=1, zorder=1)
    left.scatter(real, np.ones_like(real), color=COLOURS["D"], s=45)
    left.scatter(fake, np.zeros_like(fake), color=COLOURS["G"], s=45)
    left.set(ylim=(-0.5, 1.5), yticks=[0, 1], yticklabels=["fake", "real"], xlabel="value")
    left.set_title(f"Wasserstein: mean length of the lines, sideways: {abs(real - fake).mean():.2f}", fontsize=10)

    x = np.linspace(min(real[0], fake[0]) - 2, max(real[-1], fake[-1]) + 2, 300)
    for values, colour, label in ((real, COLOURS["D"], "real"), (fake, COLOURS["G"], "fake")):
        mean, deviation = values.mean(), values.std()
        curve = np.exp(-(((x - mean) / deviation) ** 2) / 2) / deviation
        right.plot(x, curve, color=colour, lw=2, label=f"{label}: mean {mean:.2f}, deviation {deviation:.2f}")
        right.axvline(mean, color=colour, lw=1, ls="--")
    squared = (real.mean() - fake.mean()) ** 2 + (real.std() - fake.std()) ** 2
    right.set(yticks=[], xlabel="value", ylim=(0, right.get_ylim()[1] * 1.4))
    right.set_title(f"Fréchet: (means apart)² + (deviations apart)² = {squared:.2f}", fontsize=10)
    right.legend(fontsize=9, frameon=False, loc="upper right")
    for axes in (left, right):
        tidy(axes)
    return figure
