"""Pictures of images and of curves: matplotlib figures and files from plain data, none shown behind your back."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import Image as Picture
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dcgan_lib.images.grid import to_grid

#: One colour a meaning, all through the course (Okabe and Ito's, told apart by colour-blind readers too).
COLOURS = {"D": "#0072B2", "G": "#D55E00", "before": "#E69F00", "reference": "#666666"}

LARGEST = 1e100  # that is plotted: an axis to twice 1e308 has no end
MOST_POINTS = 2000  # of a curve: more than a screen has pixels would only cost time


def rendered(figure: Figure, dots_per_inch: int = 100, form: str = "png") -> bytes:
    """The PNG or JPEG file of a figure."""
    file = io.BytesIO()
    figure.savefig(file, dpi=dots_per_inch, format=form)
    return file.getvalue()


def show_side_by_side(groups: Mapping[str, Tensor], columns: int = 8, width: float = 12.0) -> Figure:
    """One figure of several grids of images, each (N, C, S, S), under its own title."""
    return picture_row([(title, to_grid(images, columns)) for title, images in groups.items()], width)


def picture_row(pictures: Sequence[tuple[str, Any]], width: float = 12.0, columns: int | None = None) -> Figure:
    """Pictures, PIL's or arrays, side by side under their titles, (title, picture) each; in rows of `columns`."""
    columns = min(columns or len(pictures), len(pictures))
    rows = -(-len(pictures) // columns)
    arrays = [np.asarray(p.convert("RGB") if isinstance(p, Image.Image) else p) for _, p in pictures]
    height = max(array.shape[0] / array.shape[1] for array in arrays) * width / columns
    figure = Figure(figsize=(width, rows * (height + 0.4)), layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells:
        axes.axis("off")
    for axes, (title, _), array in zip(cells, pictures, arrays, strict=False):  # the last row may have empty cells
        axes.imshow(array)
        axes.set_title(wrapped(title, int(12 * width / columns)), fontsize=10)
    return figure


def wrapped(text: str, width: int = 30) -> str:
    """The text in lines for a figure, its dollar signs kept from matplotlib, which would read formulas between them."""
    return "\n".join(textwrap.fill(line, width) for line in text.splitlines()).replace("$", r"\$")


def smoothed(values: Sequence[float], steps: int) -> np.ndarray:
    """The exponential moving average in which a value counts half after `steps` more of them; the start is unbiased."""
    return pd.Series(values, dtype=float).ewm(halflife=steps).mean().to_numpy()


def can_be_smoothed(count: int, steps: int) -> bool:
    """Whether a curve of so many points has a moving average worth showing: twice its half-life at least."""
    return steps > 0 and count > 2 * steps


def add_curve(
    axes: Axes, steps: Sequence[float], values: Sequence[float], smooth: int, label: str = "", **style: Any
) -> None:
    """Plot one curve, pale, and its moving average over it; thinned to `MOST_POINTS` points, the last among them.

    `smooth` is the average's half-life in points; 0, or too few points, draws the values alone. `style` is
    matplotlib's, such as `color` and `linestyle`.
    """
    shown = np.linspace(0, len(values) - 1, min(len(values), MOST_POINTS)).round().astype(int)
    values = np.clip(np.asarray(values, float), -LARGEST, LARGEST)
    steps, strong = np.asarray(steps)[shown], values[shown]
    if can_be_smoothed(len(values), smooth):
        axes.plot(steps, strong, lw=0.8, alpha=0.25, color=style.get("color"), zorder=1.9)  # below every average
        strong = smoothed(values, smooth)[shown]
    axes.plot(steps, strong, lw=1.8, label=label, **style)


def tidy(axes: Axes) -> None:
    """A light grid and no frame at the top and right."""
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def plot_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    colours: Sequence[str] | None = None,
    xlabel: str = "step",
    ylabel: str = "",
    title: str = "",
    guides: Mapping[str, float] | None = None,
    smooth: int = 20,
    size: tuple[float, float] = (8.0, 3.4),
) -> Figure:
    """Curves over steps in one figure: label → (steps, values), each pale, and its moving average over it.

    `guides` are dashed horizontal lines, label → height, such as the value where D can't tell. `smooth` is the
    average's half-life in points; 0 draws the values alone.
    """
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    for index, (label, (steps, values)) in enumerate(curves.items()):
        add_curve(axes, steps, values, smooth, label, color=colours[index] if colours else f"C{index}")
    for label, height in (guides or {}).items():
        axes.axhline(height, color=COLOURS["reference"], ls="--", lw=1)
        beside = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 9, "annotation_clip": False}
        lines = label.replace(": ", ":\n") if len(label) > 20 else label
        axes.annotate(lines, (1.01, height), **beside)  # over the curves it would hide some
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title, loc="left")
    tidy(axes)
    figure.legend(loc="outside lower center", ncols=len(curves), frameon=False)  # beside the curves it would hide some
    return figure


def evenly(items: Sequence, count: int) -> list:
    """At most `count` of the items, at even distances, the first and the last among them."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))]


def film_strip(frames: Sequence[tuple[int, Image.Image]], count: int = 6, width: float = 12.0) -> Figure:
    """Up to `count` frames, first and last among them, side by side under their steps: (step, picture) each."""
    return picture_row([(f"step {step:,}", picture) for step, picture in evenly(frames, count)], width)


def animate(
    frames: Sequence[tuple[int, Image.Image]], count: int = 40, kilobytes: int = 400, seconds: float = 6.0
) -> Picture:
    """One animated PNG of frames, (step, picture) each: it plays wherever a page shows pictures, without a script.

    Each frame is the upper left quarter of its picture (all of one under 300 pixels wide) over its step; all of them
    take `seconds`, then it begins again. Of more than `count` frames so many are taken at even distances, the first and
    the last among them. They are made smaller, and of fewer colours, until they take at most `kilobytes` as text in a
    notebook; `ValueError` where that isn't enough, or without frames.
    """
    if not frames:
        raise ValueError("there are no frames to animate: train with a smaller sample_every")
    chosen = evenly(frames, count)
    some = evenly(chosen, 4)  # enough to tell that all of them won't fit
    for width, colours in ((265, 128), (265, 64), (200, 64), (160, 64), (132, 64), (132, 32), (100, 32), (80, 16)):
        room = 750 * kilobytes  # bytes: four letters hold three
        if len(_animated(some, width, colours, seconds)) * len(chosen) / len(some) < 1.2 * room:
            file = _animated(chosen, width, colours, seconds)
            if len(file) <= room:
                return Picture(data=file, format="png", width=320, alt="the same noise, drawn again and again")
    raise ValueError(f"{len(chosen)} frames don't fit into {kilobytes} KB: give a smaller count")


def _animated(frames: Sequence[tuple[int, Image.Image]], width: int, colours: int, seconds: float) -> bytes:
    """The animated PNG file: one palette for all frames, as the format wants it; the first and last frame stay."""
    pictures = []
    for step, picture in frames:
        side = picture.width // 2 if picture.width > 300 else picture.width
        shown = picture.convert("RGB").crop((0, 0, side, min(side, picture.height)))
        shown.thumbnail((width, width), Image.Resampling.LANCZOS)
        labelled = Image.new("RGB", (shown.width, shown.height + 18), "white")
        labelled.paste(shown)
        draw = ImageDraw.Draw(labelled)
        draw.text((3, shown.height), f"step {step:,}", "black", ImageFont.load_default(11))
        done = step / max(frames[-1][0], 1)
        draw.rectangle((0, labelled.height - 2, done * labelled.width, labelled.height), COLOURS["G"])
        pictures.append(labelled)
    palette = Image.fromarray(np.concatenate(pictures)).quantize(colours)
    first, *others = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    pause = 1000 * seconds / len(frames)
    file = io.BytesIO()
    durations = [max(pause, 1000), *(pause for _ in others[:-1]), max(pause, 2000)][: len(frames)]
    first.save(file, "PNG", save_all=True, append_images=others, duration=durations, loop=0, optimize=True)
    return file.getvalue()
