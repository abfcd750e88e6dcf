"""How a notebook begins, and whether anyone is looking at it."""

import os
from pathlib import Path

from IPython import get_ipython


def begin(dpi: int = 100, quality: int = 75) -> None:
    """Begin a notebook: go to the project's folder, and show figures as JPEGs of this resolution and quality.

    The project is the nearest folder, from here upwards, that holds `notebooks/` and `configs/`; without one this stays
    where it is. Outside a notebook nothing but the folder changes.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "configs").is_dir():
            os.chdir(folder)
            break
    shell = get_ipython()
    if hasattr(shell, "kernel"):
        from matplotlib_inline.config import InlineBackend

        shell.run_line_magic("matplotlib", "inline")
        backend = InlineBackend.instance(parent=shell)
        # Figures have a layout of their own: cut to what is drawn, as by default, each would have another width.
        backend.print_figure_kwargs = {
            "dpi": dpi,
            "bbox_inches": None,
            "pil_kwargs": {"quality": quality, "optimize": True, "progressive": True},
        }
        backend.figure_formats = {"jpeg"}


def has_front_end() -> bool:
    """Whether a person is at the notebook: JupyterLab, Notebook, VS Code and Colab can answer a prompt.

    papermill, nbval and nbconvert tell the kernel that they can't, and none of them would show a widget.
    """
    return bool(_request().get("content", {}).get("allow_stdin"))


def cell_id() -> str | None:
    """The cell that is being run; None where the front end doesn't tell."""
    return _request().get("metadata", {}).get("cellId")


def _request() -> dict:
    """The message by which the front end has a cell run; empty outside a notebook."""
    kernel = getattr(get_ipython(), "kernel", None)
    return kernel.get_parent() if kernel else {}
