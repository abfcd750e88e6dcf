"""A run's record, kept with the real Neptune client in offline mode: what is logged, and under which names.

The record is complete on this machine: no account, no network; `records.reading` reads it back.
"""

import json
import logging
import math
import os
import random
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dcgan_lib import checkpoint
from dcgan_lib.config import Config
from dcgan_lib.records.environment import describe
from dcgan_lib.records.log_files import NUMBER
from dcgan_lib.records.paths import (
    DATASET,
    DIVERGED,
    FIXED_NOISE,
    METRICS,
    PATHS,
    RECORD,
    RESUMED,
    SETTINGS,
    STARTED,
    STATE,
)

if TYPE_CHECKING:
    import neptune
    import torch

DIRECTORY = "NEPTUNE_DATA_DIRECTORY"  # the variable that says where Neptune keeps records
FIRST_LOG = "data-1.log"  # the file that a process's record begins with


class FolderGone(RuntimeError):
    """A run's folder was deleted or moved while the run was written there."""

    def __init__(self, folder: Path | str) -> None:
        told = f"{folder} was deleted or moved while the run trained, so that nothing more of it can be kept"
        super().__init__(f"{told}: the same command begins again, or goes on once the folder is back")


def open_run(
    config: Config, folder: str | Path, *, gan: Any = None, images: Any = None, tags: Iterable[str] = ()
) -> "neptune.Run":
    """Open a Neptune run whose record lies in `<folder>/neptune`, and log once what the run is made of.

    The architectures, the device and the step to go on from are those of `gan`; the data set is `images`, an
    `ImageSet`. A folder that has a record gets a second one beside it, and `records.reading` joins them. Use it in a
    `with` block: an exception then marks the run as failed and leaves its traceback in `monitoring/traceback`. Global
    random states stay as they are. Warns where `gan` has trained further than the record in the folder says.

    Where the folder is deleted or moved meanwhile, `log_report`, `log_images`, `log_scores` and `run.wait()` raise
    `FolderGone`, and nothing is put back into it.
    """
    folder = Path(folder).resolve()
    before = set(folder.glob(f"{RECORD}/*/*"))
    has_record = bool(before)
    directory, state = os.environ.get(DIRECTORY), random.getstate()
    os.environ[DIRECTORY] = str(folder / RECORD)  # which Neptune asks for once, when a run is opened
    try:
        import neptune  # takes over a second, so only those wait who log

        # Neptune's own lines name a page of a service that has ended; its warnings still come through.
        logging.getLogger("neptune").setLevel(logging.WARNING)
        run = neptune.init_run(
            mode="offline",
            name=folder.name,
            tags=list(tags) or None,
            monitoring_namespace="monitoring",
            capture_stdout=False,  # each printed fragment would become a record
            capture_stderr=False,
            capture_hardware_metrics=False,
            capture_traceback=True,
            git_ref=False,  # would store a patch of uncommitted work; the commit is logged below
            source_files=[],
        )
    finally:
        random.setstate(state)  # from which Neptune has drawn the record's name
        if directory is None:
            del os.environ[DIRECTORY]
        else:
            os.environ[DIRECTORY] = directory

    for own in set(folder.glob(f"{RECORD}/*/*")) - before:  # one
        (own / NUMBER).write_text(str(len(before)))
    _leave_deleted(run)
    run[SETTINGS] = _loggable(config.to_dict())
    run["environment"] = _loggable(describe(config, gan.device if gan is not None else config.device))
    if images is not None:
        trained_on = len(images.rows(config.hold_out))
        about = {"path": str(images.source), "size": trained_on, "fingerprint": images.fingerprint}
        run[DATASET] = about | {"transforms": _transforms(config)}
    if gan is not None:
        for name, network in (("Generator", gan.generator), ("Discriminator", gan.discriminator)):
            # The text itself: an upload by path would store the path alone.
            text = neptune.types.File.from_content(str(network), extension="txt")
            run[f"io_files/artifacts/{name}_arch"].upload(text)
        if gan.start.source and gan.step == 0:
            run[STARTED] = gan.start.source
        if gan.step > (recorded := _recorded(folder) if gan.step and has_record else 0):
            told = f"its record ends at step {recorded:,}: the run will be incomplete"
            warnings.warn(f"{folder} goes on after step {gan.step:,}, but {told}", stacklevel=2)
        if gan.step or has_record:  # what an earlier process logged beyond this step is given up
            run[RESUMED] = gan.step
        if images is not None and gan.step < config.steps_per_epoch(trained_on) * config.epochs:
            run[STATE] = "running"  # no longer what the process before has reached
    return run


def log_report(run: "neptune.Run", report: Any) -> None:
    """Log a `train.Report`: each step of each series, and how the training stands.

    `training/state` becomes "running", "finished", "interrupted" or "diverged"; `training/diverged_at` is the first
    step with a value that is not finite. NaN and infinity are left out of a series, since Neptune takes none.
    Raises `FolderGone` where the run's folder was deleted or moved.
    """
    _check_there(run)
    for name, values in report.series.items():
        points = [(value, step) for value, step in zip(values, report.steps, strict=True) if math.isfinite(value)]
        if points:
            finite, steps = zip(*points, strict=True)
            run[PATHS[name]].extend(list(finite), steps=list(steps))  # 9 times as fast as one append a value

    if report.diverged_at is not None:
        run[DIVERGED] = report.diverged_at
        run[STATE] = "diverged"
    elif report.interrupted:
        run[STATE] = "interrupted"
    else:
        run[STATE] = "finished" if report.step == report.total else "running"


def log_images(run: "neptune.Run", grid: np.ndarray | Image.Image, step: int, name: str = FIXED_NOISE) -> None:
    """Append one picture to the series `name`: a PIL image, or an array (H, W, C) of uint8, C being 1 or 3.

    Raises `ValueError` for another shape or type: Neptune would only warn of pixels in [-1, 1], and store noise; and
    `FolderGone` where the run's folder was deleted or moved.
    """
    if not isinstance(grid, Image.Image):
        grid = np.asarray(grid)
        if grid.dtype != np.uint8 or grid.ndim != 3 or grid.shape[2] not in (1, 3):
            wrong = f"the picture is an array of {grid.dtype} of shape {grid.shape}"
            raise ValueError(f"{wrong}: give uint8, (height, width, 1 or 3), as images.grid.to_grid does")
        grid = Image.fromarray(grid.squeeze(2) if grid.shape[2] == 1 else grid)

    _check_there(run)
    from neptune.types import File

    # As a PIL image: Neptune would stretch an array that has no pixel above 1.
    run[name].append(File.as_image(grid), step=step, name=f"step {step}", description=f"{name} after {step} steps")


def log_scores(run: "neptune.Run", scores: dict[str, float], step: int) -> None:
    """Append what `quality.evaluate.Evaluator` measured at a step, each score to the series `metrics/<its name>`.

    Raises `FolderGone` where the run's folder was deleted or moved.
    """
    _check_there(run)
    for name, value in scores.items():
        if math.isfinite(value):
            run[METRICS + name].append(value, step=step)


def write_config(config: Config, folder: str | Path, device: "torch.device | str") -> Path:
    """Write `<folder>/config.json`, {"config": …, "environment": …}, whole or not at all; returns its path."""
    path = Path(folder) / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"config": config.to_dict(), "environment": describe(config, device)}
    checkpoint.write_whole(path, json.dumps(content, indent=2) + "\n")
    return path


def _recorded(folder: Path) -> int:
    """The newest step in the folder's record."""
    from dcgan_lib.records.reading import load_run  # pandas takes a while to import

    return load_run(folder).steps


def _check_there(run: "neptune.Run") -> None:
    """`FolderGone` where the record of this process is gone; a record that isn't kept offline is not looked at."""
    record = getattr(run._op_processor, "data_path", None)
    if record is not None and not (record / FIRST_LOG).exists():  # open still, so that writing to it would not fail
        raise FolderGone(record.parents[2])


def _leave_deleted(run: "neptune.Run") -> None:
    """Have Neptune write the record's metadata only where the record is: they would put a part of it back.

    What is half there would be taken for a run. Asked for by `run.wait()`, it raises `FolderGone`; where the run is
    being closed, it is quiet, since Neptune would wait for ever in the next fork after an error there.
    """
    metadata = run._op_processor._metadata_file
    flush = metadata.flush

    def flush_if_there() -> None:
        try:
            _check_there(run)
        except FolderGone:
            if run.get_state() == "started":
                raise
        else:
            flush()

    metadata.flush = flush_if_there


def _loggable(values: dict[str, Any]) -> dict[str, Any]:
    """The same values, whole numbers beyond 32 bits as text: Neptune leaves those out."""
    return {k: str(v) if isinstance(v, int) and abs(v) >= 2**31 else v for k, v in values.items()}


def _transforms(config: Config) -> str:
    size, flip = config.image_size, ", mirror with probability 1/2" if config.flip else ""
    crop = f"resize the short side to {size} pixels, bilinear and antialiased, crop the centre to {size} x {size}"
    channels = "three colour channels" if config.channels == 3 else "one grey channel"
    return f"{crop}, {channels}{flip}, scale to [-1, 1]"
