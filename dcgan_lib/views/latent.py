"""Pictures of the latent space: rows of faces under one another, and a table as colours."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from dcgan_lib.images.grid import to_grid
from dcgan_lib.views.plots import COLOURS, wrapped

#: From -1, less of it, through 0 to 1, more of it.
MORE_OR_LESS = LinearSegmentedColormap.from_list("more or less", [COLOURS["G"], "#FFFFFF", COLOURS["D"]])


def face_rows(rows: Mapping[str, Tensor], columns: Sequence[str] = (), width: float = 11.0) -> Figure:
    """Rows of images, (T, C, S, S) each, under one another, with their names on the left and those of columns on top.

    All rows have as many images; `columns` are as many names, or none.
    """
    counts = {len(images) for images in rows.values()}
    if len(counts) != 1 or len(columns) not in (0, *counts):
        given = ", ".join(str(len(images)) for images in rows.values())
        raise ValueError(f"rows of {given} images under {len(columns)} names of columns: give as many of each")
    [count] = counts
    margin, head = 1.25, 0.3 if columns else 0.08
    side = (width - margin) / count
    figure = Figure(figsize=(width, len(rows) * side + head))
    for index, (name, images) in enumerate(rows.items()):
        bottom = (len(rows) - 1 - index) * side / (len(rows) * side + head)
        axes = figure.add_axes((margin / width, bottom, 1 - margin / width, side / (len(rows) * side + head)))
        axes.imshow(to_grid(images, count), aspect="auto")
        axes.axis("off")
        axes.text(-0.01, 0.5, wrapped(name, 17), transform=axes.transAxes, ha="right", va="center", fontsize=9)
        if index == 0:
            for place, text in enumerate(columns):
                axes.text((place + 0.5) / count, 1.02, text, transform=axes.transAxes, ha="center", fontsize=9)
    return figure


def heat_map(table: pd.DataFrame, outlined: bool = True, width: float = 10.5) -> Figure:
    """A table of shares from -1 to 1 as colours, with each number in hundredths.

    `outlined`: a frame around each cell whose row and column have one name.
    """
    rows, columns = table.shape
    figure = Figure(figsize=(width, 1.3 + 0.33 * width / 10.5 * rows), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(table.to_numpy(float), cmap=MORE_OR_LESS, vmin=-1, vmax=1, aspect="auto")
    for row, name in enumerate(table.index):
        for column, attribute in enumerate(table.columns):
            value = table.iloc[row, column]
            colour = "white" if abs(value) > 0.6 else "#333333"
            text = "" if np.isnan(value) else f"{100 * value:+.0f}".replace("+0", "0").replace("-0", "0")
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
            if outlined and name == attribute:
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec="black", lw=1.6))
    axes.set_xticks(range(columns), [name.replace("_", " ") for name in table.columns], rotation=60, ha="left")
    axes.set_yticks(range(rows), [str(name).replace("_", " ") for name in table.index])
    axes.tick_params(length=0, labelsize=8, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=30, pad=0.01, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels(["-100", "0", "+100"], fontsize=8)
    bar.outline.set_visible(False)
    return figure
