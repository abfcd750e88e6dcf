"""A whole run as a function: what notebook 3 does in the open, recorded, drawn, measured and saved."""

import contextlib
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from dcgan_lib.compute.ranks import join
from dcgan_lib.compute.torchrun import rank
from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, load_images
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_grid
from dcgan_lib.launch.folders import check_folder, claim
from dcgan_lib.quality.evaluate import Evaluator, keep_best
from dcgan_lib.records.reading import RunRecord, load_run
from dcgan_lib.records.writing import log_images, log_report, log_scores, open_run, write_config
from dcgan_lib.train import Step, fit, train_step

SECONDS = "training/seconds"  # the record's field that says how long the run has trained


def train_run(
    config: Config,
    folder: str | Path,
    images: ImageSet | None = None,
    *,
    step: Callable[[GAN, Tensor, Tensor], Step] = train_step,
    steps: int | None = None,
    seconds: float | None = None,
    tags: Iterable[str] = (),
    evaluator: Evaluator | None = None,
    view: Any = None,
) -> RunRecord | None:
    """Train a run in a folder of its own, or go on with the one that is there; returns its record.

    images: by default those that the Config names. step: what `fit` repeats. tags: words to find the run by.
    steps, seconds: end at the first report after so many steps, or so many seconds of training, of the run in all;
    the record's state is then "interrupted", and a later call with higher limits goes on from there exactly.
    evaluator: measures the faces every `evaluate_every` steps, and at the end. view: a `LiveView`, or the like.
    Under torchrun each rank calls it: the first does all this, the others train along and return None.

    Raises `ValueError` where the folder holds a run of other settings or images, `FolderTaken` where another process
    trains in it, and what `fit` raises.
    """
    folder = Path(folder)
    images = load_images(config) if images is None else images
    if rank() > 0:
        for _ in fit(GAN(config), images, step):
            pass
        return None
    check_folder(folder, config, images)
    with claim(folder):
        gan, trained = GAN(config), 0.0  # seconds
        if (folder / "checkpoint.pt").exists():
            gan.resume(folder / "checkpoint.pt", images)
            with contextlib.suppress(FileNotFoundError):  # no record
                trained = load_run(folder).fields.get(SECONDS, 0.0)

        def enough() -> bool:
            return gan.step >= (steps or math.inf) or trained >= (seconds or math.inf)

        if enough():
            with join(gan, images):  # where other ranks wait to be told so
                return load_run(folder)
        write_config(config, folder, gan.device)
        (folder / "samples").mkdir(exist_ok=True)
        with open_run(config, folder, gan=gan, images=images, tags=tags) as run:
            if gan.step == 0:
                log_images(run, to_grid(gan.sample()), step=0)  # untrained: the first frame of the animation
            for report in fit(gan, images, step):
                log_report(run, report)
                trained += len(report.steps) * config.images_per_step / report.images_per_second
                ends = (enough() or report.step == report.total) and report.diverged_at is None and gan.is_finite()
                grid = None
                if report.sample_due:
                    grid = to_grid(gan.sample())
                    log_images(run, grid, report.step)
                    Image.fromarray(grid).save(folder / "samples" / f"{report.step:06d}.png")
                if evaluator and (report.evaluation_due or ends):
                    scores = evaluator(gan, overfitting=step is train_step)
                    log_scores(run, scores, report.step)
                    keep_best(gan, folder, scores, images)
                if report.checkpoint_due or ends:
                    run[SECONDS] = trained
                    if ends and report.step < report.total:
                        run["training/state"] = "interrupted"
                    run.wait()  # the record first: a step that the checkpoint has is then never missing from it
                    gan.save(folder / "checkpoint.pt", images)
                if view:
                    view.update(report, grid)
                if ends and not report.interrupted:  # an interrupted one `fit` ends itself, by KeyboardInterrupt
                    break
    if view:
        view.close(to_grid(gan.sample()))
    return load_run(folder)
