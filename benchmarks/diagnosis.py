"""`make diagnosis CELEBA=FOLDER`: the faults that `diagnose` names, in runs that fail and that don't.

Trains every set-up below with each seed, on painted faces and, where it is given, on CelebA: 32 pixels, width 16, a
thread a run, as many side by side as there are cores. Each is diagnosed as it stood after every 100 steps, and at its
end. A run that is there already, with the same settings, is not trained again. Prints the table, and writes it into
RESULTS.md where it has both data sets. `--recipe` trains the recipe's own set-ups alone, which have a table there too.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
import os
import shutil
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import torch
from results import machine, replace_part
from torch import Tensor

from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, prepare
from dcgan_lib.faces import draw_faces
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_grid
from dcgan_lib.losses import OBJECTIVES
from dcgan_lib.quality.diagnosis import diagnose
from dcgan_lib.quality.evaluate import Evaluator
from dcgan_lib.records.reading import RunRecord, load_run
from dcgan_lib.records.writing import log_images, log_report, log_scores, open_run
from dcgan_lib.settings import PLAIN, RECIPES
from dcgan_lib.train import Step, TrainingDiverged, fit, train_step

SMALL = {"image_size": 32, "generator_width": 16, "discriminator_width": 16, "batch_size": 64}
REPORTS = {"sample_every": 100, "log_every": 20, "evaluate_every": 100, "checkpoint_every": 10**9, "epochs": 10**6}
#: `PLAIN`, since the set-ups differ from what `modern` was until 0.6: the rules were chosen by runs of that.
BASE = RECIPES["modern"] | PLAIN | SMALL | REPORTS | {"precision": "fp32", "average_half_life": 0}
TUNED_ON = (1, 2, 3, 4)  # the seeds by whose runs rules and thresholds were chosen: none of them is reported


def half_range(images: ImageSet) -> ImageSet:
    """The same images in the upper half of the range: what scaling to [0, 1] gives."""
    return dataclasses.replace(images, images=images.images // 2 + 128)


def only(count: int) -> Callable[[ImageSet], ImageSet]:
    """The first `count` training images alone, beside the whole test split."""

    def reduced(images: ImageSet) -> ImageSet:
        test = images.test_rows()
        kept = [*images.rows(hold_out=True)[:count], *test]
        partition = images.partition.copy()
        partition[:] = 0
        partition[test] = 2
        return dataclasses.replace(images, images=images.images[kept], partition=partition[kept])

    return reduced


def mixed_step(gan: GAN, real: Tensor, z: Tensor) -> Step:
    """A step whose D sees real images and fakes in one batch: BatchNorm normalises them together, as notebook 6 shows.

    For a D with one update a step and without penalties.
    """
    objective, fake = OBJECTIVES[gan.config.objective], gan.generate(z)
    real_logits, fake_logits = gan.discriminate(torch.cat([real, fake.detach()])).chunk(2)
    loss_d = objective.discriminator(real_logits, fake_logits, gan.config.label_smoothing)
    gan.optimizer_d.zero_grad()
    loss_d.backward()
    gan.optimizer_d.step()
    _, fake_logits_after = gan.discriminate(torch.cat([real, fake])).chunk(2)
    loss_g = objective.generator(fake_logits_after)
    gan.optimizer_g.zero_grad()
    loss_g.backward(inputs=list(gan.generator.parameters()))
    gan.optimizer_g.step()
    gan.step += 1
    return Step(*(each.detach() for each in (loss_d, loss_g, real_logits, fake_logits, fake_logits_after, real, fake)))


class Setup(NamedTuple):
    """What is changed of `BASE`, for how many steps, and the fault that it makes; none for a healthy one."""

    fault: str | None
    settings: dict[str, Any]
    images: Callable[[ImageSet], ImageSet] | None = None
    steps: int = 600
    step: Callable[[GAN, Tensor, Tensor], Step] = train_step


LABELS = {"label_smoothing": 0.0}
NO_NORM = LABELS | {"discriminator_norm": "none"}
CRITIC = NO_NORM | {"objective": "wasserstein", "gradient_penalty": 10.0, "beta1": 0.0, "beta2": 0.9, "d_updates": 2}

SETUPS = {
    "D learns 100 times as fast": Setup("D has won", {"learning_rate_d": 2e-3, "learning_rate_g": 2e-5}),
    "both rates at 3e-3, beta1 0.9": Setup(
        "D has won", LABELS | {"learning_rate_d": 3e-3, "learning_rate_g": 3e-3, "beta1": 0.9}
    ),
    "saturating loss, fast D": Setup(
        "vanishing gradients",
        LABELS | {"objective": "saturating", "learning_rate_d": 2e-3, "learning_rate_g": 2e-4},
    ),
    "G learns 100 times as fast": Setup("mode collapse", {"learning_rate_d": 5e-5, "learning_rate_g": 5e-3}),
    "2 numbers of noise, no BatchNorm in D, rates 2e-3, beta1 0.9": Setup(
        "oscillation",
        NO_NORM | {"latent_dim": 2, "learning_rate_d": 2e-3, "learning_rate_g": 2e-3, "beta1": 0.9},
    ),
    "rates of 0.5, no BatchNorm in D": Setup(
        "divergence", NO_NORM | {"objective": "hinge", "learning_rate_d": 0.5, "learning_rate_g": 0.5}
    ),
    "images in [0, 1]": Setup("wrong value range", {}, half_range),
    "30 images": Setup("too few images", {"batch_size": 15}, only(30), 1500),
    "8 images, R1": Setup("memorisation", NO_NORM | {"r1_weight": 5.0, "batch_size": 8, "flip": False}, only(8), 2000),
    "beta1 0.95": Setup("checkerboard", {"beta1": 0.95}),
    "modern recipe of 0.6 without averaging": Setup(None, {}),
    "modern recipe": Setup(None, RECIPES["modern"] | SMALL | {"precision": "fp32"}),
    "modern recipe, 5,000 steps": Setup(None, RECIPES["modern"] | SMALL | {"precision": "fp32"}, steps=5000),
    "modern recipe, 64 pixels, width 32": Setup(None, RECIPES["modern"] | {"image_size": 64, "precision": "fp32"}),
    "paper recipe": Setup(None, RECIPES["paper"] | SMALL | {"hold_out": True}),
    "least squares": Setup(None, LABELS | {"objective": "least-squares"}),
    "Wasserstein with gradient penalty": Setup(None, CRITIC | {"learning_rate_d": 3e-4, "learning_rate_g": 3e-4}),
    "uniform noise": Setup(None, {"noise": "uniform"}),
    "DiffAugment": Setup(None, {"augment": True}),
    "batch 32": Setup(None, {"batch_size": 32}),
    "ReLU in D": Setup(None, {"discriminator_slope": 0.0}),
    "D half as fast": Setup(None, {"learning_rate_d": 3e-4}),
    "real and fake in one batch": Setup(None, {}, step=mixed_step),
    "labels not smoothed": Setup(None, LABELS),
}

RECIPE = [name for name in SETUPS if name.startswith("modern recipe") and "0.6" not in name]  # as it is now


def config_of(name: str, data: str, seed: int) -> Config:
    """The settings of a run."""
    return Config(**BASE | SETUPS[name].settings | {"data": data, "seed": seed})


def is_done(name: str, data: str, seed: int, folder: Path) -> bool:
    """Whether the run is there whole, and of these settings."""
    if not (folder / "done").exists():
        return False
    trained = load_run(folder).settings
    return all(trained.get(key) == value for key, value in config_of(name, data, seed).to_dict().items())


def train(name: str, data: str, seed: int, folder: Path, cache: Path) -> None:
    """One set-up with one seed: its record."""
    torch.set_num_threads(1)
    shutil.rmtree(folder, ignore_errors=True)
    setup, config = SETUPS[name], config_of(name, data, seed)
    images = prepare(data, config.image_size, cache=cache, progress=lambda work, **_: work)
    images = setup.images(images) if setup.images else images
    evaluator, gan = Evaluator(images, True, 300), GAN(config)
    evaluated = (setup.steps // 200 * 100, setup.steps)
    with open_run(config, folder, gan=gan, images=images) as run, contextlib.suppress(TrainingDiverged):
        for report in fit(gan, images, setup.step):
            log_report(run, report)
            if report.sample_due:
                log_images(run, to_grid(gan.sample()), report.step)
            if report.evaluation_due and report.step in evaluated:
                log_scores(run, evaluator(gan, overfitting=setup.step is train_step), report.step)
            if report.step >= setup.steps:
                break
    (folder / "done").touch()


def found(run: RunRecord) -> tuple[set[str], set[str]]:
    """The names of what is found at the end, and of what would have been found at the end or after any 100 steps."""
    last = {finding.what for finding in diagnose(run)}
    return last, last.union(*({f.what for f in diagnose(run, until)} for until in range(100, run.steps, 100)))


def write(home: Path, sets: dict[str, str], seeds: list[int], names: list[str]) -> None:
    """The table, printed: for each set-up what was found at the end of how many runs, or at any time in healthy ones.

    It goes into RESULTS.md if no data set and no set-up of its part is missing: half a table doesn't replace a whole.
    """
    lines = ["| set-up | it makes | " + " | ".join(sets) + " |", "| --- | --- |" + " --- |" * len(sets)]
    hits = failing = alarms = healthy = 0
    for name in names:
        setup, cells = SETUPS[name], []
        for data in sets:
            last, ever = zip(*(found(load_run(home / data / f"{name}-{seed}")) for seed in seeds), strict=True)
            if setup.fault:
                hit = sum(setup.fault in names for names in last)
                hits, failing = hits + hit, failing + len(seeds)
                others = sorted(set().union(*last) - {setup.fault})
                cells.append(f"{hit} of {len(seeds)}" + (f"; also {', '.join(others)}" if others else ""))
            else:
                alarm = sum(bool(names) for names in ever)
                alarms, healthy = alarms + alarm, healthy + len(seeds)
                cells.append(
                    "nothing" if not alarm else f"{', '.join(sorted(set().union(*ever)))} in {alarm} of {len(seeds)}"
                )
        lines.append(f"| {name} | {setup.fault or 'healthy'} | {' | '.join(cells)} |")
    told = [f"{hits} of {failing} failing runs named"] if failing else []
    told.append(f"a finding at any time in {alarms} of {healthy} healthy ones")
    chosen_by = ", ".join(map(str, TUNED_ON))
    what = f"{date.today()}, {machine()}; seeds {', '.join(map(str, seeds))}; rules chosen by the seeds {chosen_by}."
    text = "\n".join([what, "", f"**{'; '.join(told)}.**", "", *lines, "", *distances(home, sets, seeds, names)])
    print(text)
    if len(sets) == 2 and names == list(SETUPS):
        replace_part("diagnosis", text)
    elif len(sets) == 2 and names == RECIPE:
        replace_part("diagnosis of the recipe", text)
    else:
        print("\nnot written into RESULTS.md, whose tables have CelebA, and all set-ups or all of the recipe's")


def distances(home: Path, sets: dict[str, str], seeds: list[int], names: list[str]) -> list[str]:
    """A table of the healthy runs' faces: their distance from held-out ones after equal steps."""
    lines = ["| healthy set-up: SWD at the end | " + " | ".join(sets) + " |", "| --- |" + " ---: |" * len(sets)]
    for name in names:
        if not SETUPS[name].fault:
            cells = []
            for data in sets:
                runs = [load_run(home / data / f"{name}-{seed}") for seed in seeds]
                values = [run.last("metrics/swd")[1] for run in runs if run.state != "diverged"]
                measured = f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})" if values else ""
                lost = f"{len(runs) - len(values)} diverged" if len(values) < len(runs) else ""
                cells.append(", ".join(filter(None, (measured, lost))))
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Train what is missing, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--celeba", help="a zip or folder of CelebA's images")
    parser.add_argument("--faces", default="data/faces", help="the painted faces; painted where they aren't")
    parser.add_argument("--home", type=Path, default=Path("build/diagnosis"), help="folder for what is trained")
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 6, 7])
    parser.add_argument("--only", nargs="+", default=list(SETUPS), help="set-ups to train and to print")
    parser.add_argument("--recipe", action="store_true", help="no other set-ups than the recipe `modern`'s own")
    options = parser.parse_args()
    options.only = RECIPE if options.recipe else options.only
    if set(TUNED_ON) & set(options.seeds) and options.only == list(SETUPS):
        parser.error(f"the rules were chosen by the seeds {TUNED_ON}: report others, or name set-ups by --only")
    draw_faces(options.faces)
    sets = {"painted faces": options.faces} | ({"CelebA": options.celeba} if options.celeba else {})
    for data in sets.values():
        prepare(data, SMALL["image_size"], cache=options.home / "cache")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        waiting = {}
        for seed in options.seeds:
            for name in options.only:
                for data, path in sets.items():
                    folder = options.home / data / f"{name}-{seed}"
                    if not is_done(name, path, seed, folder):
                        job = pool.submit(train, name, path, seed, folder, options.home / "cache")
                        waiting[job] = f"{name}, {data}, seed {seed}"
        for done, job in enumerate(as_completed(waiting), start=1):
            job.result()
            print(f"{done} of {len(waiting)}: {waiting[job]}", flush=True)
    write(options.home, sets, options.seeds, options.only)


if __name__ == "__main__":
    main()
