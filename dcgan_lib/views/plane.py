"""A GAN whose data are points in the plane: D as a field of colour, G's points, and where D's gradient sends them."""

import io
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from dcgan_lib.views.plots import COLOURS, rendered, wrapped

#: From 'fake' through 'can't tell' to 'real'.
FIELD = LinearSegmentedColormap.from_list("field", ["#F2B48A", "#FFFFFF", "#8CC0E3"])


class Plane(NamedTuple):
    """What is drawn: a discriminator of points (N, 2) → logits, real and fake points, and an arrow (N, 2) a fake."""

    discriminator: Callable[[Tensor], Tensor]
    real: Tensor
    fake: Tensor
    arrows: Tensor | None = None


def plot_planes(planes: Mapping[str, Plane], reach: float = 3.0, side: float = 4.4) -> Figure:
    """One figure of several planes, each under its title, from −reach to reach; `side` in inches."""
    figure = Figure(figsize=(side * len(planes) + 0.9, side), layout="constrained")
    row = figure.subplots(1, len(planes), squeeze=False)[0]
    for axes, (title, plane) in zip(row, planes.items(), strict=True):
        field = _draw(axes, plane, reach)
        axes.set_title(wrapped(title, 52), fontsize=10)
    bar = figure.colorbar(field, ax=list(row), shrink=0.8, ticks=[0, 0.5, 1])
    bar.set_label("D: probability of 'real'")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def plane_frame(plane: Plane, reach: float = 3.0, pixels: int = 264) -> Image.Image:
    """One plane as a square picture without a frame, for an animation."""
    figure = Figure(figsize=(pixels / 100, pixels / 100))
    axes = figure.add_axes((0, 0, 1, 1))
    _draw(axes, plane, reach, size=7)
    axes.axis("off")
    return Image.open(io.BytesIO(rendered(figure)))


@torch.no_grad()
def _draw(axes: Axes, plane: Plane, reach: float, size: float = 12) -> object:
    """Draw it and return the field of colour."""
    ticks = torch.linspace(-reach, reach, 81)
    places = torch.cartesian_prod(ticks, ticks).flip(1)  # a row of the picture after another
    judged = plane.discriminator(places).sigmoid().reshape(81, 81)
    levels = [level / 16 for level in range(17)]  # flat areas make small files
    field = axes.contourf(ticks, ticks, judged, levels, cmap=FIELD, antialiased=False)
    axes.scatter(*plane.real.T, s=size / 2, color=COLOURS["D"], label="real points", linewidths=0)
    if plane.arrows is not None:
        style = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.004, "color": "#444444"}
        axes.quiver(*plane.fake.T, *plane.arrows.T, **style)
    axes.scatter(*plane.fake.T, s=size, color=COLOURS["G"], label="G's points", linewidths=0)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return field
