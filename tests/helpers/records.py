"""Records for the tests to read: written by the real client, or a line at a time."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
    scores: Mapping[int, float] | None = None,
    **settings: Any,
) -> None:
    """A run whose D loss at a step is `level` and the step itself; G's is 100 higher; its grids are grey: the step.

    `scores`: its SWD, by step.
    """
    config = Config(**{"batch_size": 8} | settings)
    with writing.open_run(config, folder, images=TwentyImages(), tags=tags) as run:
        add_points(run, range(1, points + 1), level)
        for step in grids:
            writing.log_images(run, Image.new("RGB", (16, 16), (step, step, step)), step)
        for step, score in (scores or {}).items():
            writing.log_scores(run, {"swd": score}, step)
        run["training/state"] = state


def add_points(run: Any, steps: range, level: float = 0.0) -> None:
    """Log these steps of both losses, as `write_run` does."""
    if steps:
        run[LOSS_D].extend([level + step for step in steps], steps=list(steps))
        run[LOSS_G].extend([level + step + 100 for step in steps], steps=list(steps))


def append(file: Path, *lines: str | bytes) -> None:
    """Add these lines to a log, as the client does."""
    with file.open("ab") as log:
        for line in lines:
            log.write(line if isinstance(line, bytes) else line.encode())


def operation(version: int, at: float = 0.0, **content: Any) -> str:
    """A line of a log."""
    return json.dumps({"obj": content, "version": version, "at": at}) + "\n"


def point(version: int, value: Any, step: Any, at: float = 0.0, path: str = LOSS_G) -> str:
    """A line with one point of a series of numbers."""
    values = [{"value": value, "step": step, "ts": at}]
    return operation(version, at, type="LogFloats", path=path.split("/"), values=values)


def picture(step: int, version: int, pixels: Any = None) -> str:
    """A line with one picture (H, W, 3), or without one, a picture that can't be read."""
    file = io.BytesIO(b"no image")
    if pixels is not None:
        Image.fromarray(pixels).save(file, "PNG")
    value = {"data": base64.b64encode(file.getvalue()).decode(), "name": None, "description": None}
    values = [{"value": value, "step": step, "ts": 0.0}]
    return operation(version, type="LogImages", path=GRIDS.split("/"), values=values)


def write_process(record: Path, name: str, *lines: str | bytes, created: float = 0.0, uuid: str = "1111-2222") -> Path:
    """What one process wrote, begun at `created` seconds since 1970, into the folder `neptune` or `.neptune`."""
    folder = record / "offline" / name
    folder.mkdir(parents=True)
    metadata = {"containerId": uuid, "createdAt": datetime.fromtimestamp(created, UTC).isoformat()}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    append(folder / "data-1.log", *lines)
    return folder / "data-1.log"
