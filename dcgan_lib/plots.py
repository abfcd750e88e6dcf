"""Pictures of images and of curves: matplotlib figures and files from plain data, none shown behind your back."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.animation import FuncAnimation, HTMLWriter
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

#: One colour a meaning, all through the course (Okabe and Ito's, told apart by colour-blind readers too).
COLOURS = {"D": "#0072B2", "G": "#D55E00", "before": "#E69F00", "reference": "#666666"}

Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def to_grid(images: Tensor, columns: int = 8) -> np.ndarray:
    """Tile images into one picture: (N, C, S, S), float in [-1, 1] or uint8 → (H, W, 3) uint8.

    The same value always gives the same brightness: nothing is stretched to the darkest and lightest pixel of a batch,
    which would give each frame of a training its own contrast.
    """
    if images.dtype == torch.uint8:
        images = images.float() / 127.5 - 1
    grid = make_grid(images.detach().cpu().clamp(-1, 1), nrow=columns, padding=2, pad_value=1.0)
    return ((grid + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def show_images(images: Tensor, columns: int = 8, title: str = "", width: float = 6.0) -> Figure:
    """A figure of images (N, C, S, S) in a grid, `width` inches wide."""
    return show_side_by_side({title: images}, columns, width)


def show_side_by_side(groups: Mapping[str, Tensor], columns: int = 8, width: float = 12.0) -> Figure:
    """One figure of several grids of images, each (N, C, S, S), under its own title."""
    grids = {title: to_grid(images, columns) for title, images in groups.items()}
    height = max(grid.shape[0] / grid.shape[1] for grid in grids.values()) * width / len(grids)
    figure = Figure(figsize=(width, height + 0.4), layout="constrained")
    for axes, (title, grid) in zip(figure.subplots(1, len(grids), squeeze=False)[0], grids.items(), strict=True):
        axes.imshow(grid, interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.axis("off")
    return figure


def smoothed(values: Sequence[float], steps: int) -> np.ndarray:
    """The exponential moving average in which a value counts half after `steps` more of them; the start is unbiased."""
    decay = 0.5 ** (1 / steps)
    total, weight, out = 0.0, 0.0, []
    for value in values:
        total, weight = decay * total + (1 - decay) * value, decay * weight + (1 - decay)
        out.append(total / weight)
    return np.array(out)


def plot_curves(
    curves: Curves,
    *,
    colours: Sequence[str] | None = None,
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
        colour = colours[index] if colours else f"C{index}"
        average = bool(smooth) and len(values) > 2 * smooth
        axes.plot(steps, values, color=colour, alpha=0.25 if average else 1, lw=0.8, label=None if average else label)
        if average:
            axes.plot(steps, smoothed(values, smooth), color=colour, lw=1.8, label=label)
    for label, height in (guides or {}).items():
        axes.axhline(height, color=COLOURS["reference"], ls="--", lw=1)
        axes.annotate(label, (1, height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
    axes.set_xlabel("step")
    axes.set_ylabel(ylabel)
    axes.set_title(title)
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def film_strip(frames: Sequence[tuple[int, Image.Image]], count: int = 6, width: float = 12.0) -> Figure:
    """Up to `count` frames, first and last among them, side by side under their steps: (step, picture) each."""
    picked = [
        frames[i] for i in np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int))
    ]
    figure = Figure(figsize=(width, width / len(picked) + 0.4), layout="constrained")
    for axes, (step, picture) in zip(figure.subplots(1, len(picked), squeeze=False)[0], picked, strict=True):
        axes.imshow(picture)
        axes.set_title(f"step {step:,}", fontsize=10)
        axes.axis("off")
    return figure


def animate(frames: Sequence[tuple[int, Image.Image]], kilobytes: int = 400, seconds: float = 6.0) -> str:
    """A player in HTML with every frame in it, (step, picture) each, smaller than `kilobytes`.

    Play it, step through it, drag its slider. matplotlib leaves out the frames past its embed limit; here none is: the
    frames are compressed more, then made smaller, until all of them fit. `ValueError` if they can't.
    """
    if not frames:
        raise ValueError("there are no frames to animate: train with a smaller sample_every")
    for width, quality in ((4.2, 80), (4.2, 60), (4.2, 40), (3.4, 40), (2.6, 40), (2.0, 35), (1.5, 30)):
        html = _player(frames, width, quality, 1000 * seconds / len(frames))
        if len(html) <= 1000 * kilobytes:
            return html
    raise ValueError(f"{len(frames)} frames don't fit into {kilobytes} KB: animate every second one, say frames[::2]")


def _player(frames: Sequence[tuple[int, Image.Image]], width: float, quality: int, interval: float) -> str:
    aspect = frames[0][1].height / frames[0][1].width
    figure = Figure(figsize=(width, width * aspect + 0.3))
    axes = figure.add_axes((0, 0, 1, width * aspect / (width * aspect + 0.3)))
    axes.axis("off")
    picture = axes.imshow(frames[0][1])

    def draw(frame: tuple[int, Image.Image]) -> list:
        picture.set_data(np.asarray(frame[1]))
        axes.set_title(f"step {frame[0]:,}", fontsize=9, pad=3)
        return [picture]

    with tempfile.TemporaryDirectory() as folder, mpl.rc_context({"animation.frame_format": "jpeg"}):
        path = Path(folder) / "animation.html"
        # Without `embed_limit` matplotlib drops the frames past 20 MB in silence.
        writer = HTMLWriter(fps=1000 / interval, embed_frames=True, default_mode="loop", embed_limit=1000)
        animation = FuncAnimation(figure, draw, frames=list(frames), interval=interval, blit=False)
        animation.save(path, writer=writer, dpi=100, savefig_kwargs={"pil_kwargs": {"quality": quality}})
        return path.read_text(encoding="utf-8")
