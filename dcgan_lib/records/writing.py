"""A run's record, kept with the real Neptune client in offline mode: what is logged, and under which names.

The record is complete on this machine: no account, no network; `dcgan_lib.runs` reads it back.
"""

import contextlib
import json
import logging
import math
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.records.environment import describe

if TYPE_CHECKING:
    import neptune
    import torch

#: Where each of a report's series goes in Neptune: under the articles' names what they log, and below `health` what
#: they don't.
PATHS = {
    "loss_d": "training/batch/Dloss",
    "loss_g": "training/batch/Gloss",
    "d_real": "training/batch/D_x",
    "d_fake_before": "training/batch/D_G_z1",
    "d_fake_after": "training/batch/D_G_z2",
    "accuracy_real": "training/health/accuracy_real",
    "accuracy_fake": "training/health/accuracy_fake",
    "gradient_d": "training/health/gradient_D",
    "gradient_g": "training/health/gradient_G",
    "saturation": "training/health/saturation",
    "variety": "training/health/variety",
    "real_low": "training/health/real_low",
    "real_high": "training/health/real_high",
}


def open_run(
    config: Config,
    folder: str | Path,
    *,
    gan: Any = None,
    images: Any = None,
    tags: Iterable[str] = (),
) -> "neptune.Run":
    """Open a Neptune run whose record lies in `<folder>/neptune`, and log once what the run is made of.

    `gan` gives the architectures, the device and the step that it goes on from; `images`, an `ImageSet`, the data set.
    A folder that has a record gets a second one beside it, and `dcgan_lib.runs` joins them. Use it in a `with` block:
    an exception then marks the run as failed and leaves its traceback in `monitoring/traceback`. Global random states
    stay as they are.
    """
    folder = Path(folder).resolve()
    has_record = any(folder.glob("neptune/*/*"))
    with _record_in(folder / "neptune"), _random_state_kept():
        import neptune  # takes over a second, so only those wait who log

        # Neptune's own lines name a page of its web app, which is gone; its warnings still come through.
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

    run["config/hyperparameters"] = _loggable(config.to_dict())
    run["environment"] = _loggable(describe(config, gan.device if gan is not None else config.device))
    if images is not None:
        run["config/dataset/path"] = str(images.source)
        run["config/dataset/size"] = trained_on = len(images.rows(config.hold_out))
        run["config/dataset/fingerprint"] = images.fingerprint
        run["config/dataset/transforms"] = _transforms(config)
    if gan is not None:
        for name, network in (("Generator", gan.generator), ("Discriminator", gan.discriminator)):
            # The text itself: an upload by path would store the path alone.
            text = neptune.types.File.from_content(str(network), extension="txt")
            run[f"io_files/artifacts/{name}_arch"].upload(text)
        if gan.step or has_record:  # what an earlier process logged beyond this step is given up
            run["training/resumed_at"] = gan.step
        if images is not None and gan.step < config.steps_per_epoch(trained_on) * config.epochs:
            run["training/state"] = "running"  # no longer what the process before has reached
    return run


def log_report(run: "neptune.Run", report: Any) -> None:
    """Log a `train.Report`: each step of each series, and how the training stands.

    `training/state` becomes "running", "finished", "interrupted" or "diverged"; `training/diverged_at` is the first
    step whose loss is not finite. NaN and infinity are left out of a series, since Neptune takes none.
    """
    for name, values in report.series.items():
        points = [(value, step) for value, step in zip(values, report.steps, strict=True) if math.isfinite(value)]
        if points:
            finite, steps = zip(*points, strict=True)
            run[PATHS[name]].extend(list(finite), steps=list(steps))  # 9 times as fast as one append a value

    if report.diverged_at is not None:
        run["training/diverged_at"] = report.diverged_at
        run["training/state"] = "diverged"
    elif report.interrupted:
        run["training/state"] = "interrupted"
    else:
        run["training/state"] = "finished" if report.step == report.total else "running"


def log_images(run: "neptune.Run", grid: np.ndarray | Image.Image, step: int, name: str = "images/fixed_noise") -> None:
    """Append one picture to the series `name`: a PIL image, or an array (H, W, C) of uint8, C being 1 or 3.

    Raises `ValueError` for another shape or type: Neptune would only warn of pixels in [-1, 1], and store noise.
    """
    if not isinstance(grid, Image.Image):
        grid = np.asarray(grid)
        if grid.dtype != np.uint8:
            raise ValueError(f"the picture is of type {grid.dtype}: give uint8, 0 to 255, as plots.to_grid does")
        if grid.ndim != 3 or grid.shape[2] not in (1, 3):
            raise ValueError(f"the picture has shape {grid.shape}: give (height, width, 1 or 3), channels last")
        grid = Image.fromarray(grid.squeeze(2) if grid.shape[2] == 1 else grid)

    from neptune.types import File

    # As a PIL image: Neptune would stretch an array that has no pixel above 1.
    run[name].append(File.as_image(grid), step=step, name=f"step {step}", description=f"{name} after {step} steps")


def log_scores(run: "neptune.Run", scores: dict[str, float], step: int) -> None:
    """Append what `evaluate.Evaluator` measured at a step, each score to the series `metrics/<its name>`."""
    for name, value in scores.items():
        if math.isfinite(value):
            run[f"metrics/{name}"].append(value, step=step)


def write_config(config: Config, folder: str | Path, device: "torch.device | str") -> Path:
    """Write `<folder>/config.json`, {"config": …, "environment": …}, whole or not at all; gives its path."""
    path = Path(folder) / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    content = {"config": config.to_dict(), "environment": describe(config, device)}
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


@contextlib.contextmanager
def _record_in(folder: Path) -> Iterator[None]:
    """Have Neptune keep a record in this folder; it asks the environment once, when a run is opened."""
    name = "NEPTUNE_DATA_DIRECTORY"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextlib.contextmanager
def _random_state_kept() -> Iterator[None]:
    """Put Python's global random state back, from which Neptune draws its folders' names."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def _loggable(values: dict[str, Any]) -> dict[str, Any]:
    """The same values, whole numbers beyond 32 bits as text: Neptune leaves those out."""
    return {k: str(v) if isinstance(v, int) and abs(v) >= 2**31 else v for k, v in values.items()}


def _transforms(config: Config) -> str:
    size = config.image_size
    steps = (
        f"resize the short side to {size} pixels, bilinear and antialiased",
        f"crop the centre to {size} x {size}",
        "three colour channels" if config.channels == 3 else "one grey channel",
        *(["mirror with probability 1/2"] if config.flip else []),
        "scale to [-1, 1]",
    )
    return ", ".join(steps)
