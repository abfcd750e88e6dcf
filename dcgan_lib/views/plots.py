"""Pictures of images and of curves: matplotlib figures and files from plain data, none shown behind your back."""

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from dcgan_lib.images.grid import to_grid

#: One colour a meaning, all through the course (Okabe and Ito's, told apart by colour-blind readers too).
COLOURS = {"D": "#0072B2", "G": "#D55E00", "before": "#E69F00", "reference": "#666666"}

MOST_POINTS = 2000  # drawn of a curve: more than a screen has pixels would only cost time

Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def rendered(figure: Figure, dots_per_inch: int = 100, form: str = "png") -> bytes:
    """The PNG or JPEG file of a figure."""
    file = io.BytesIO()
    figure.savefig(file, dpi=dots_per_inch, format=form)
    return file.getvalue()


def show_side_by_side(groups: Mapping[str, Tensor], columns: int = 8, width: float = 12.0) -> Figure:
    """One figure of several grids of images, each (N, C, S, S), under its own title."""
    grids = [(title, to_grid(images, columns)) for title, images in groups.items()]
    return picture_row(grids, width, interpolation="nearest")  # pixels as they are


def picture_row(
    pictures: Sequence[tuple[str, np.ndarray | Image.Image]],
    width: float = 12.0,
    columns: int | None = None,
    interpolation: str = "auto",
) -> Figure:
    """Pictures side by side under their titles, (title, picture) each; in rows of `columns` where there are more."""
    arrays = [(title, np.asarray(p.convert("RGB") if isinstance(p, Image.Image) else p)) for title, p in pictures]
    columns = min(columns or len(arrays), len(arrays))
    rows = -(-len(arrays) // columns)
    height = max(picture.shape[0] / picture.shape[1] for _, picture in arrays) * width / columns
    figure = Figure(figsize=(width, rows * (height + 0.4)), layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in cells:
        axes.axis("off")
    for axes, (title, picture) in zip(cells, arrays, strict=False):  # the last row may have empty cells
        axes.imshow(picture, interpolation=interpolation)
        axes.set_title(title, fontsize=10)
    return figure


def smoothed(values: Sequence[float], steps: int) -> np.ndarray:
    """The exponential moving average in which a value counts half after `steps` more of them; the start is unbiased."""
    return pd.Series(values, dtype=float).ewm(halflife=steps).mean().to_numpy()


def can_be_smoothed(count: int, steps: int) -> bool:
    """Whether a curve of so many points has a moving average worth showing: twice its half-life at least."""
    return steps > 0 and count > 2 * steps


def draw_curve(
    axes: Axes, steps: Sequence[float], values: Sequence[float], smooth: int, label: str = "", **style: Any
) -> None:
    """Draw one curve, pale, and its moving average over it; thinned to `MOST_POINTS` points, the last among them.

    `smooth` is the average's half-life in points; 0, or too few points, draws the values alone. `style` is
    matplotlib's, such as `color` and `linestyle`.
    """
    shown = np.linspace(0, len(values) - 1, min(len(values), MOST_POINTS)).round().astype(int)
    steps, strong = np.asarray(steps)[shown], np.asarray(values)[shown]
    if can_be_smoothed(len(values), smooth):
        axes.plot(steps, strong, lw=0.8, alpha=0.25, color=style.get("color"), zorder=1.9)  # below every average
        strong = smoothed(values, smooth)[shown]
    axes.plot(steps, strong, lw=1.8, label=label, **style)


def tidy(axes: Axes) -> None:
    """A light grid and no frame at the top and right."""
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def plot_curves(
    curves: Curves,
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
        draw_curve(axes, steps, values, smooth, label, color=colours[index] if colours else f"C{index}")
    for label, height in (guides or {}).items():
        axes.axhline(height, color=COLOURS["reference"], ls="--", lw=1)
        axes.annotate(label, (1, height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title, loc="left")
    tidy(axes)
    figure.legend(loc="outside lower center", ncols=len(curves), frameon=False)  # beside the curves it would hide some
    return figure


def film_strip(frames: Sequence[tuple[int, Image.Image]], count: int = 6, width: float = 12.0) -> Figure:
    """Up to `count` frames, first and last among them, side by side under their steps: (step, picture) each."""
    picked = [
        frames[i] for i in np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    ]
    return picture_row([(f"step {step:,}", picture) for step, picture in picked], width)


def animate(frames: Sequence[tuple[int, Image.Image]], kilobytes: int = 400, seconds: float = 6.0) -> str:
    """A player in HTML with every frame in it, (step, picture) each, of at most `kilobytes`.

    matplotlib's own player leaves out the frames past its limit, and fetches its buttons from the network; here the
    frames are compressed more, then made smaller, then cut to their upper left quarter, until all of them fit: some
    300 frames in 400 KB. Raises `ValueError` where they can't.
    """
    if not frames:
        raise ValueError("there are no frames to animate: train with a smaller sample_every")
    whole = [picture.convert("RGB") for _, picture in frames]
    quarters = [picture.crop((0, 0, picture.width // 2, picture.height // 2)) for picture in whole]
    rungs = [
        (whole, side, quality) for side, quality in ((530, 75), (530, 50), (400, 50), (400, 30), (300, 40), (240, 30))
    ]
    rungs += [(quarters, side, quality) for side, quality in ((240, 40), (160, 30), (64, 20))]
    for shown, side, quality in rungs:
        some = shown[:: max(1, len(shown) // 8)]  # enough to tell that the rest won't fit either
        if sum(len(_webp_url(picture, side, quality)) for picture in some) / len(some) * len(shown) > 1200 * kilobytes:
            continue
        pictures = [_webp_url(picture, side, quality) for picture in shown]
        if sum(map(len, pictures)) + 2000 <= 1000 * kilobytes:
            steps = [step for step, _ in frames]
            values = {
                "pictures": json.dumps(pictures),
                "steps": json.dumps(steps),
                "last": len(frames) - 1,
                "pause": round(1000 * seconds / len(frames)),
                "id": "player" + hashlib.sha256(pictures[-1].encode()).hexdigest()[:12],  # same frames, same page
                "width": min(shown[0].width, 530),
            }
            return PLAYER.substitute(values)
    raise ValueError(f"{len(frames)} frames don't fit into {kilobytes} KB: animate every second one, say frames[::2]")


def _webp_url(picture: Image.Image, side: int, quality: int) -> str:
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=quality)  # half of a JPEG's size; every browser shows it
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


PLAYER = Template("""\
<div id="$id" style="width: ${width}px; font: 13px sans-serif">
  <img style="width: 100%; display: block" alt="what the generator draws from the same noise, step by step">
  <div style="display: flex; gap: 8px; align-items: center; margin-top: 4px">
    <button style="width: 70px">pause</button>
    <input type="range" min="0" max="$last" value="0" style="flex: 1" aria-label="frame">
    <span style="width: 90px"></span>
  </div>
</div>
<script>
(() => {
  const pictures = $pictures, steps = $steps;
  const [image, button, slider, label] = ["img", "button", "input", "span"].map(
    name => document.querySelector("#$id " + name));
  let timer = null;
  const show = frame => {
    image.src = pictures[frame]; slider.value = frame; label.textContent = "step " + steps[frame].toLocaleString("en");
  };
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "play"; };
  const play = () => {
    timer = setInterval(() => show((+slider.value + 1) % pictures.length), $pause); button.textContent = "pause";
  };
  button.onclick = () => timer === null ? play() : stop();
  slider.oninput = () => { stop(); show(+slider.value); };
  show(0); play();
})();
</script>
""")
