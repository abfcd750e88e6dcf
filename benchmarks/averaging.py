"""`python benchmarks/averaging.py --data ZIP`: how far back the averaged generator should look while a run is young.

Each seed is one training of the recipe `modern`, with several averages beside it that differ in their share alone: an
average learns nothing itself, so all of them are of the same weights. Each is scored against the test split after so
many images (`--images`). What is there already in `--home` is not trained again; a seed takes a CPU thread.
"""

import argparse
import copy
import json
import statistics
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from joblib import cpu_count
from options import config_of, judged_by
from results import machine, replace_part

from dcgan_lib.gan import GAN
from dcgan_lib.models.averaging import move_towards
from dcgan_lib.train import fit

SHARES = (0.02, 0.05, 0.1, 0.2, 0.4)  # of the images seen: the longest half-life that an average may have
SHOWN = ("swd", "frechet")


def train(seed: int, options: argparse.Namespace) -> None:
    """One seed: the scores of every average after so many images, a line each."""
    torch.set_num_threads(1)
    images, evaluator = judged_by(options.data, options.home)
    gan = GAN(config_of("modern", options.data, seed))
    averages = {share: copy.deepcopy(gan.averaged) for share in SHARES}

    def update(count: int) -> None:
        seen = gan.step * gan.config.images_per_step
        for share, averaged in averages.items():
            move_towards(averaged, gan.generator, count, gan.config.average_half_life, seen, share)

    gan.update_average = update
    lines, due = [], sorted(options.images)
    for report in fit(gan, images):
        seen = report.step * gan.config.images_per_step
        if seen < due[0]:
            continue
        for share, averaged in averages.items():
            gan.averaged, gan.measured_at = averaged, None
            scores = evaluator(gan, overfitting=False)
            lines.append({"seen": seen, "share": share} | {name: scores[name] for name in SHOWN})
        due.pop(0)
        if not due:
            break
    result_of(seed, options).write_text("\n".join(map(json.dumps, lines)))


def result_of(seed: int, options: argparse.Namespace) -> Path:
    return options.home / f"averaging-{seed}-{'-'.join(map(str, sorted(options.images)))}.jsonl"


def table(options: argparse.Namespace) -> str:
    """A row for each share, a column for each score at each number of images: medians, and ranges over seeds."""
    files = [result_of(seed, options) for seed in options.seeds]
    found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    seen = sorted({each["seen"] for each in found})
    head = ["share", *(f"{name} at {count:,}" for count in seen for name in SHOWN)]
    lines = [head, ["---:"] * len(head)]
    for share in SHARES:
        cells = [f"{share:g}"]
        for count in seen:
            for name in SHOWN:
                values = [each[name] for each in found if each["share"] == share and each["seen"] == count]
                cells.append(f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})")
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Train what is missing, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a zip or folder of images with CelebA's lists")
    parser.add_argument("--home", type=Path, default=Path("build/averaging"), help="folder for what is measured")
    parser.add_argument("--images", type=int, nargs="+", default=[18_000, 36_000, 46_500, 92_000, 184_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    judged_by(options.data, options.home)  # prepared once, before the processes
    missing = [seed for seed in options.seeds if not result_of(seed, options).exists()]
    with ProcessPoolExecutor(cpu_count(), mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(train, options=options), missing))
    what = f"{date.today()}, {machine()}; 64 pixels, width 32, fp32, a thread a run; seeds {options.seeds}"
    replace_part("averaging", f"{what}; medians and ranges.\n\n{table(options)}")


if __name__ == "__main__":
    main()
