"""`python benchmarks/options.py --data ZIP`: what each option of the game brings at equal time, in one table.

First the step of each variant is timed, in turn, on all cores: nothing else may run meanwhile. From that follows how
many images it sees in `--seconds` of training. That many are then trained on, by a process a core with a thread each,
which others may disturb: no time is measured any more. Each run is scored against the test split. What is there
already is not trained again, so that it can be stopped and called again, with more seeds or other seconds.
"""

import argparse
import json
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
from dcgan_lib.train import fit, noise_per_step, train_step

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
NEVER = {"log_every": 50, "sample_every": 10**9, "checkpoint_every": 10**9, "epochs": 10**6, "precision": "fp32"}


def config_of(variant: str, data: str, seed: int) -> Config:
    return Config.from_dict(
        {"recipe": "modern", "data": data, "seed": seed, "device": "cpu"} | NEVER | VARIANTS[variant]
    )


def time_steps(variants: list[str], data: str, rounds: int = 7) -> dict[str, float]:
    """Seconds of a step: the median over rounds in which every variant has its turn."""
    tune(torch.device("cpu"))
    gans = {variant: GAN(config_of(variant, data, 1)) for variant in variants}
    took: dict[str, list[float]] = {variant: [] for variant in variants}
    for turn in range(rounds + 2):  # two to warm up
        for variant, gan in gans.items():
            count = gan.config.images_per_step
            real = gan.sample(gan.noise(count)).contiguous(memory_format=torch.channels_last)
            began = time.perf_counter()
            train_step(gan, real, gan.noise(noise_per_step(gan.config, count)))
            if turn >= 2:
                took[variant].append(time.perf_counter() - began)
    return {variant: statistics.median(values) for variant, values in took.items()}


@cache
def judged_by(data: str, home: Path) -> tuple[ImageSet, Evaluator]:
    """The images and what scores fakes of them, once a process."""
    images = prepare(data, cache=home / "cache")
    return images, Evaluator(images, True, classifier=load_classifier(images, home / "cache"))


def train(variant: str, seed: int, count: int, data: str, home: Path) -> None:
    """One variant, one seed, so many images; scores and a grid are kept."""
    torch.set_num_threads(1)
    images, evaluator = judged_by(data, home)
    gan = GAN(config_of(variant, data, seed))
    for report in fit(gan, images):
        if report.step * gan.config.images_per_step >= count:
            break
    out = result_of(variant, seed, count, home)
    Image.fromarray(to_grid(gan.sample()[:24], 6)).save(out.with_suffix(".png"))
    out.write_text(json.dumps(evaluator(gan)))


def result_of(variant: str, seed: int, count: int, home: Path) -> Path:
    return home / f"{variant.replace(' ', '-')}-{seed}-{count}.json"


def table(variants: list[str], options: argparse.Namespace, steps: dict[str, float], counts: dict[str, int]) -> str:
    """A row for each variant, the best Fréchet distance first: medians, and ranges over seeds."""
    rows = []
    for variant in variants:
        files = [result_of(variant, seed, counts[variant], options.home) for seed in options.seeds]
        scores = [json.loads(file.read_text()) for file in files if file.exists()]
        if scores:
            cells = [f"{1000 * steps[variant]:.0f} ms", f"{counts[variant]:,}"]
            for name in SHOWN:
                values = [score[name] for score in scores]
                spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
                cells.append(f"{statistics.median(values):.3g}{spread}")
            middle = statistics.median(score["frechet"] for score in scores)
            rows.append((middle, f"| {variant} | {len(scores)} | {' | '.join(cells)} |"))
    head = ["variant", "seeds", "a step", "images", *SHOWN]
    floor = judged_by(options.data, options.home)[1].floor()
    last = ["real faces, the noise floor", "", "", "", *(f"{floor[name]:.3g}" for name in SHOWN)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], last]
    first, ruler, last = (f"| {' | '.join(cells)} |" for cells in lines)
    return "\n".join([first, ruler, *(row for _, row in sorted(rows)), last])


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


def main() -> None:
    """Time the steps, train what is missing, write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a zip or folder of images with CelebA's lists")
    parser.add_argument("--home", type=Path, default=Path("build/options"), help="folder for what is trained")
    parser.add_argument("--seconds", type=float, default=75.0, help="of training on all cores")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    options = parser.parse_args()
    judged_by(options.data, options.home)  # prepared once, before the processes
    timed = options.home / "steps.json"
    steps = json.loads(timed.read_text()) if timed.exists() else {}
    if missing := [variant for variant in options.variants if variant not in steps]:
        steps |= time_steps(["modern", *(variant for variant in missing if variant != "modern")], options.data)
        timed.write_text(json.dumps(steps))
    counts = {}
    for variant in options.variants:
        batch = config_of(variant, options.data, 1).images_per_step
        counts[variant] = round(options.seconds / steps[variant]) * batch
    with ProcessPoolExecutor(cpu_count(), mp_context=get_context("spawn")) as pool:
        running = [
            pool.submit(train, variant, seed, counts[variant], options.data, options.home)
            for seed in options.seeds
            for variant in options.variants
            if not result_of(variant, seed, counts[variant], options.home).exists()
        ]
        for job in running:
            job.result()
    text = (
        f"{date.today()}, `python benchmarks/options.py --seconds {options.seconds:g}`, {machine()}, fp32; 64 pixels; "
        "median and range over seeds."
    )
    replace_part("options", f"{text}\n\n{table(options.variants, options, steps, counts)}")
    draw_picture(options.variants, options, counts)


if __name__ == "__main__":
    main()
