"""Runs written by the real client, for tests of what compares them."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.records import writing

LOSS_D, LOSS_G, GRIDS = "training/batch/Dloss", "training/batch/Gloss", "images/fixed_noise"


class TwentyImages:
    """As much of an `ImageSet` as a record keeps."""

    source = "memory"
    fingerprint = "of twenty images"

    def rows(self, hold_out: bool = False) -> range:
        return range(18 if hold_out else 20)


def write_run(
    folder: Path,
    points: int = 10,
    *,
    grids: Sequence[int] = (),
    tags: Sequence[str] = (),
    state: str = "finished",
    level: float = 0.0,
    **settings,
) -> None:
    """A run whose D loss at a step is `level` and the step itself; G's is 100 higher; its grids are grey: the step."""
    config = Config(batch_size=8, **settings)
    with writing.open_run(config, folder, images=TwentyImages(), tags=tags) as run:
        add_points(run, range(1, points + 1), level)
        for step in grids:
            writing.log_images(run, Image.new("RGB", (16, 16), (step, step, step)), step)
        run["training/state"] = state


def add_points(run, steps: range, level: float = 0.0) -> None:
    if steps:
        run[LOSS_D].extend([level + step for step in steps], steps=list(steps))
        run[LOSS_G].extend([level + step + 100 for step in steps], steps=list(steps))
