"""`python benchmarks/options.py --data ZIP`: what each option of the game brings at equal time, in one table.

First a CPU's step of each variant is timed, in turn: nothing else may run meanwhile. A variant then sees so many images
as take it as long as `modern` takes for `--images`, and is scored against the test split at each of these marks. That
may be trained by several processes (`--jobs`), on a GPU too: no time is measured any more. What is there already is not
trained again, so that it can be stopped and called again, with more seeds or other marks.
"""

import argparse
import json
import math
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from joblib import cpu_count
from PIL import Image, ImageDraw
from results import machine, replace_part

from dcgan_lib.compute.device import tune
from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, prepare
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_grid
from dcgan_lib.quality.attribute_classifier import load_classifier
from dcgan_lib.quality.evaluate import Evaluator
from dcgan_lib.settings import PLAIN
from dcgan_lib.train import TrainingDiverged, fit, noise_per_step, train_step

HERE = Path(__file__).parent
SHOWN = ("swd", "frechet", "diversity", "contrast", "saturation", "overfitting")
FREE = {"r1_weight": 0.0, "r2_weight": 0.0, "penalty_every": 1}  # no penalties

#: What differs from the recipe `modern`, in fp32: one thing each, then other ways to hold D, and earlier recipes.
VARIANTS: dict[str, dict[str, Any]] = {
    "modern": {},
    "transposed convolutions": {"upsampling": "transposed"},
    "BatchNorm in D, no penalties": PLAIN | {"upsampling": "nearest"},
    "no norm, no penalties": FREE,
    "R1 alone": {"r1_weight": 0.6, "r2_weight": 0.0},
    "penalties at every step": {"penalty_every": 1},
    "relativistic": {"objective": "relativistic", "label_smoothing": 0.0},
    "least squares": {"objective": "least-squares"},
    "hinge": {"objective": "hinge", "label_smoothing": 0.0},
    "hinge, spectral norm": {"objective": "hinge", "spectral_norm": True, "label_smoothing": 0.0} | FREE,
    "Wasserstein, gradient penalty, rates of 3e-4": {"objective": "wasserstein", "gradient_penalty": 10.0}
    | {"label_smoothing": 0.0, "learning_rate_d": 3e-4, "learning_rate_g": 3e-4}
    | FREE,
    "no averaging": {"average_half_life": 0},
    "labels not smoothed": {"label_smoothing": 0.0},
    "the articles' rates": {"learning_rate_d": 2e-4, "learning_rate_g": 2e-4},
    "beta2 0.99": {"beta2": 0.99},
    "DiffAugment": {"augment": True},
    "batches of 32": {"batch_size": 32},
    "width 16": {"generator_width": 16, "discriminator_width": 16},
    "modern of 0.6": PLAIN,
    "paper": {"recipe": "paper", "flip": True, "hold_out": True},
}
# A report a step, so that one falls on each mark; it costs a wait for the device, and no time is measured in training.
NEVER = {"log_every": 1, "sample_every": 10**9, "checkpoint_every": 10**9, "epochs": 10**6, "precision": "fp32"}


def config_of(variant: str, data: str, seed: int, device: str = "cpu") -> Config:
    fixed = {"data": data, "seed": seed, "device": device, "cuda_graphs": device != "cpu"} | NEVER
    return Config.from_dict({"recipe": "modern"} | fixed | VARIANTS[variant])


def time_steps(variants: list[str], data: str, cores: int, rounds: int = 7) -> dict[str, float]:
    """Seconds of a step on so many cores: the median over rounds in which every variant has its turn."""
    tune(torch.device("cpu"))
    torch.set_num_threads(cores)
    gans = {variant: GAN(config_of(variant, data, 1)) for variant in variants}
    took: dict[str, list[float]] = {variant: [] for variant in variants}
    every = math.lcm(*(gan.config.penalty_every for gan in gans.values()))  # steps of both kinds, in their shares
    for turn in range(rounds + 1):  # one to warm up
        for variant, gan in gans.items():
            count = gan.config.images_per_step
            real = gan.sample(gan.noise(count)).contiguous(memory_format=torch.channels_last)
            began = time.perf_counter()
            for _ in range(every):
                train_step(gan, real, gan.noise(noise_per_step(gan.config, count)))
            if turn:
                took[variant].append((time.perf_counter() - began) / every)
    return {variant: statistics.median(values) for variant, values in took.items()}


@cache
def judged_by(data: str, home: Path) -> tuple[ImageSet, Evaluator]:
    """The images and what scores fakes of them, once a process."""
    images = prepare(data, cache=home / "cache")
    return images, Evaluator(images, True, classifier=load_classifier(images, home / "cache", "cpu"))


def train(variant: str, seed: int, counts: list[int], options: argparse.Namespace) -> None:
    """One variant, one seed; scores and a grid are kept after so many images, and after so many …"""
    torch.set_num_threads(1)
    images, evaluator = judged_by(options.data, options.home)
    gan, left = GAN(config_of(variant, options.data, seed, options.device)), sorted(set(counts))
    try:
        for report in fit(gan, images):
            if report.step * gan.config.images_per_step < left[0]:
                continue
            out = result_of(variant, seed, left.pop(0), options.home)
            Image.fromarray(to_grid(gan.sample()[:24], 6)).save(out.with_suffix(".png"))
            out.write_text(json.dumps(evaluator(gan)))
            if not left:
                break
    except TrainingDiverged as error:
        print(f"{variant}, seed {seed}: {error}", flush=True)


def result_of(variant: str, seed: int, count: int, home: Path) -> Path:
    return home / f"{variant.replace(' ', '-')}-{seed}-{count}.json"


def row(variant: str, count: int, options: argparse.Namespace, steps: dict[str, float]) -> list[str]:
    """The cells of a variant after so many images: medians, and ranges over seeds; [] where no seed is there."""
    files = [result_of(variant, seed, count, options.home) for seed in options.seeds]
    scores = [json.loads(file.read_text()) for file in files if file.exists()]
    if not scores:
        return []
    cells = [variant, str(len(scores)), f"{1000 * steps[variant]:.0f} ms", f"{count:,}"]
    for name in SHOWN:
        values = [score[name] for score in scores]
        spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
        cells.append(f"{statistics.median(values):.3g}{spread}")
    return cells


def table(counts: dict[str, int], options: argparse.Namespace, steps: dict[str, float]) -> str:
    """A row for each variant that has results, the best Fréchet distance first, above real faces."""
    head = ["variant", "seeds", "a step", "images", *SHOWN]
    frechet = head.index("frechet")
    rows = filter(None, (row(variant, count, options, steps) for variant, count in counts.items()))
    floor = judged_by(options.data, options.home)[1].floor()
    last = ["real faces, the noise floor", "", "", "", *(f"{floor[name]:.3g}" for name in SHOWN)]
    ordered = sorted(rows, key=lambda cells: float(cells[frechet].split()[0]))
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *ordered, last]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def draw_picture(variants: list[str], options: argparse.Namespace, counts: dict[str, int]) -> None:
    """A grid of each variant's first seed under its name."""
    columns, gap, title = 3, 16, 24
    grids = {}
    for variant in variants:
        file = result_of(variant, options.seeds[0], counts[variant], options.home).with_suffix(".png")
        if file.exists():
            grids[variant] = Image.open(file)
    wide, high = next(iter(grids.values())).size
    rows = -(-len(grids) // columns)
    picture = Image.new("RGB", (columns * (wide + gap) - gap, rows * (title + high + gap) - gap), "white")
    for place, (variant, grid) in enumerate(grids.items()):
        left, top = place % columns * (wide + gap), place // columns * (title + high + gap)
        ImageDraw.Draw(picture).text((left, top + 4), variant, fill="black", font_size=15)
        picture.paste(grid, (left, top + title))
    picture.save(HERE / "options.jpg", quality=80)


def train_missing(counts: dict[str, list[int]], options: argparse.Namespace) -> None:
    """Train what lacks results, several at a time."""
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        running = [
            pool.submit(train, variant, seed, counts[variant], options)
            for seed in options.seeds
            for variant in counts
            if not all(result_of(variant, seed, count, options.home).exists() for count in counts[variant])
        ]
        for job in running:
            job.result()


def main() -> None:
    """Time the steps, train what is missing, write the tables and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a zip or folder of images with CelebA's lists")
    parser.add_argument("--home", type=Path, default=Path("build/options"), help="folder for what is trained")
    parser.add_argument("--images", type=int, nargs="+", default=[17_000], help="that `modern` sees until it is scored")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--device", default="cpu", help="that trains: cpu or cuda")
    parser.add_argument("--cores", type=int, default=cpu_count(), help="that a step is timed on")
    parser.add_argument("--jobs", type=int, default=cpu_count(), help="runs at a time, of a CPU thread each")
    parser.add_argument("--only", choices=["time", "train", "write"], help="do no more than this")
    options = parser.parse_args()
    judged_by(options.data, options.home)  # prepared once, before the processes
    timed = options.home / "steps.json"
    steps = json.loads(timed.read_text()) if timed.exists() else {}
    if missing := [variant for variant in options.variants if variant not in steps]:
        took = time_steps(["modern", *(each for each in missing if each != "modern")], options.data, options.cores)
        share = steps.get("modern", took["modern"]) / took["modern"]  # another day's, in the first day's seconds
        steps |= {variant: share * each for variant, each in took.items()}
        timed.write_text(json.dumps(steps))
    if options.only == "time":
        return
    counts = {}
    for variant in options.variants:
        batch = config_of(variant, options.data, 1).images_per_step
        each = steps["modern"] / config_of("modern", options.data, 1).images_per_step  # seconds an image
        counts[variant] = [max(1, round(images * each / steps[variant])) * batch for images in options.images]
    if options.only != "write":
        train_missing(counts, options)
    if options.only == "train":
        return
    text = [
        f"{date.today()}, `python benchmarks/options.py --images {' '.join(map(str, options.images))}`, {machine()}; "
        f"64 pixels, fp32; steps timed on {options.cores} cores; median and range over seeds."
    ]
    for place, images in enumerate(options.images):
        at = {variant: marks[place] for variant, marks in counts.items()}
        text += [f"As long as `modern` takes for {images:,} images:", table(at, options, steps)]
    replace_part("options", "\n\n".join(text))
    draw_picture(options.variants, options, {variant: marks[-1] for variant, marks in counts.items()})


if __name__ == "__main__":
    main()
