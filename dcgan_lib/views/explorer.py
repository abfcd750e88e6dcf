"""The explorer of a notebook: a face with a slider for each direction, faces kept and mixed, all of it saved."""

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import anywidget
import numpy as np
import torch
import traitlets
from IPython.display import Image as Picture
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from dcgan_lib import checkpoint
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import gif, to_grid
from dcgan_lib.latent.directions import Direction, closed_form_directions, load_directions
from dcgan_lib.latent.walks import loop
from dcgan_lib.sharing.folder import DIRECTIONS, find
from dcgan_lib.views.exploration import Exploration, read_state, write_state
from dcgan_lib.views.front_end import has_front_end
from dcgan_lib.views.plots import picture_row, rendered

RANGE, STEP = 3.0, 0.1  # of a slider, in deviations of the noise
LEG = 12  # frames of a GIF from one kept face to the next
SECONDS = 1.0  # that such a leg takes
GIF_SIDE = 256  # pixels, or what a whole number of times the image's own comes to below it


class Panel(anywidget.AnyWidget):
    """What a person sees and touches, panel.js: sliders, buttons and labels are the browser's own."""

    _esm = Path(__file__).with_name("panel.js")
    _css = Path(__file__).with_name("panel.css")
    about = traitlets.Dict().tag(sync=True)
    kept = traitlets.List().tag(sync=True)
    place = traitlets.Dict().tag(sync=True)


class LatentExplorer:
    """A generator's faces to look for, as the last expression of a cell.

    Where someone is looking: a face, a slider for each direction, another face, those that are kept, mixtures of two,
    undo, and files of them. Elsewhere (papermill, nbval, a web page) a picture of the face along each direction.

    `source` is a `GAN`, or what `GAN.from_pretrained` takes: a run's folder, a checkpoint, a pretrained folder, or
    None for the generator that comes with the package. `directions` are by default those of a `directions.json` beside
    it, or else the closed-form ones. Files go to `folder`. The same `seed` gives the same faces in the same order.
    """

    def __init__(
        self,
        source: GAN | str | Path | None = None,
        directions: Sequence[Direction] | None = None,
        *,
        seed: int | None = 0,
        folder: str | Path = "runs/exports",
    ) -> None:
        gan = source if isinstance(source, GAN) else GAN.from_pretrained(source)
        if directions is None:
            directions = default_directions(source, gan)
        self._begin(Exploration(gan, directions, seed), source, folder)

    def _begin(self, exploration: Exploration, source: GAN | str | Path | None, folder: str | Path) -> None:
        self.exploration, self.source, self.folder = exploration, source, Path(folder)
        self.panel: Panel | None = None
        self._kept_shown: dict[int, Tensor] = {}
        self._lock = threading.Lock()  # JupyterLab's events may come in a thread of their own
        if has_front_end():
            names = [direction.name for direction in exploration.directions]
            size, saves = exploration.gan.config.image_size, ["PNG", "z", "GIF"]
            about = {"size": size, "names": names, "range": RANGE, "step": STEP, "saves": saves}
            self.panel = Panel(about=about)
            self._show("")
            self.panel.on_msg(self._answer)

    @property
    def z(self) -> Tensor:
        """The face that is shown, as z (latent_dim,)."""
        return self.exploration.z

    @property
    def kept(self) -> Tensor:
        """The kept faces as z (N, latent_dim), in the order in which they were kept."""
        kept = self.exploration.place.kept.values()
        return torch.stack([*kept]) if kept else torch.empty(0, len(self.z))

    def state(self) -> dict[str, Any]:
        """The face, the sliders and the kept faces as plain values: what `write` writes."""
        known = {} if isinstance(self.source, GAN) else {"source": self.source and str(self.source)}
        return self.exploration.state() | known

    def write(self, path: str | Path) -> None:
        """Write the state as a JSON file, from which `read` brings the same faces back, number for number."""
        write_state(path, self.state())

    @classmethod
    def read(
        cls, path: str | Path, source: GAN | str | Path | None = None, *, folder: str | Path = "runs/exports"
    ) -> Self:
        """The explorer as it was when `path` was written; `source` where it isn't at its old place.

        Raises `FileNotFoundError`, or `ValueError` with one line for a file that is damaged or of other weights.
        """
        state = read_state(path)
        source = state.get("source") if source is None else source
        explorer = cls.__new__(cls)
        gan = source if isinstance(source, GAN) else GAN.from_pretrained(source)
        explorer._begin(Exploration.from_state(state, gan, path), source, folder)
        return explorer

    def _ipython_display_(self) -> None:
        if self.panel:
            display(self.panel)
            return
        count = len(self.exploration.directions)
        print(f"a face along {count} directions, from −{RANGE:g} to +{RANGE:g}; in JupyterLab each has a slider")
        display(Picture(rendered(self.rows(), form="jpeg"), format="jpeg", alt="a face along each direction"))

    def rows(self, columns: int = 2) -> Figure:
        """The face along each direction, five steps from one end of its slider to the other; then the kept faces."""
        e, strips = self.exploration, []
        for i, direction in enumerate(e.directions):
            places = [[*e.place.amounts[:i], a, *e.place.amounts[i + 1 :]] for a in np.linspace(-RANGE, RANGE, 5)]
            strips.append(
                (direction.name.replace("_", " "), to_grid(e.gan.sample(torch.stack([e.along(a) for a in places])), 5))
            )
        if len(self.kept):
            strips.append(("kept", to_grid(e.gan.sample(self.kept), max(5, len(self.kept)))))
        return picture_row(strips or [("a face", e.draw(self.z))], width=9, columns=columns)

    def _answer(self, _: Any, question: dict[str, Any], buffers: list[Any]) -> None:
        """Do what the panel asks; what goes wrong is shown, for a widget's errors end in a log that no one reads."""
        with self._lock:
            try:
                message = self._act(**question)
            except Exception as error:
                message = f"{type(error).__name__}: {error}"
            self._show(message)

    def _act(
        self,
        act: str,
        amounts: Sequence[float] = (),
        picked: Sequence[int] = (),
        share: float = 0.5,
        form: str = "",
        drag: str | None = None,
    ) -> str:
        """Do one thing; returns the line that says so, empty where the face says it."""
        e = self.exploration
        if act == "another":
            e.another()
        elif act == "slide":
            e.slide(amounts)
        elif act == "keep":
            return f"kept as face {e.keep()}"
        elif act == "undo":
            return "undone" if e.undo() else "nothing to undo"
        elif act == "show":
            if len(picked) != 1:
                return "tick one of the kept faces first"
            e.show(*picked)
        elif act == "mix":
            if len(picked) != 2:
                return "tick two of the kept faces first"
            e.mix(*picked, share)
        elif act == "drop":
            if not picked:
                return "tick the kept faces that may go first"
            e.drop(picked)
        elif act == "save":
            return self._save(form)
        return ""

    def _show(self, message: str) -> None:
        """Bring the panel up to date; its kept faces only where they have changed."""
        e, panel = self.exploration, self.panel
        with panel.hold_sync():
            if e.place.kept is not self._kept_shown:
                self._kept_shown = e.place.kept
                panel.kept = [{"number": n, "pixels": e.draw(z).tobytes()} for n, z in e.place.kept.items()]
            panel.place = {
                "answer": panel.place.get("answer", 0) + 1,  # two answers are never the same: each is heard of
                "pixels": e.draw(e.z).tobytes(),
                "amounts": list(e.place.amounts),
                "message": message,
            }

    def _save(self, form: str) -> str:
        """Write a file of the face (PNG), of the state (z) or of a way through the kept faces (GIF)."""
        path = self.folder / f"face-{datetime.now():%Y-%m-%d-%H%M%S-%f}.{'json' if form == 'z' else form.lower()}"
        if form == "GIF" and len(self.kept) < 2:
            return "keep two faces first: a GIF goes from one to the next, and back to the first"
        path.parent.mkdir(parents=True, exist_ok=True)
        if form == "z":
            self.write(path)
        elif form == "PNG":
            checkpoint.write_whole(path, lambda file: Image.fromarray(self.exploration.draw(self.z)).save(file, "PNG"))
        else:
            frames = [self.exploration.draw(z) for z in loop(self.kept, LEG)]
            checkpoint.write_whole(path, gif(frames, 1000 * SECONDS / LEG, GIF_SIDE))
        return f"written to {path.as_posix()}"


def default_directions(source: GAN | str | Path | None, gan: GAN) -> list[Direction]:
    """The directions of `directions.json` in the source's folder, or else the closed-form ones."""
    if not isinstance(source, GAN):
        path = find(source)
        saved = (path if path.is_dir() else path.parent) / DIRECTIONS
        if saved.is_file():
            return load_directions(saved)
    return closed_form_directions(gan)
