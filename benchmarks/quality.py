"""`python benchmarks/quality.py --data FOLDER`: how good faces are after equal time, by the articles' loop and ours.

Trains each method with each seed for `--minutes`, on all but the test split; keeps the generators of several moments,
evaluates each against the test split, writes the table into RESULTS.md and a picture beside it. What is there already
is not trained again, so that it can be stopped and called again. Nothing else may run meanwhile: time is measured.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import plain_loop
import torch
from PIL import Image, ImageDraw
from results import machine, replace_part

from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, prepare
from dcgan_lib.gan import GAN
from dcgan_lib.images.files import find_images
from dcgan_lib.images.grid import to_grid
from dcgan_lib.quality.attribute_classifier import load_classifier
from dcgan_lib.quality.evaluate import Evaluator
from dcgan_lib.train import fit

HERE = Path(__file__).parent
METHODS = ("plain", "paper", "modern")
COUNT = 2000
ALIKE = 50_000  # images seen, of the generators that are shown beside each other for as many images


def moments(minutes: float) -> list[float]:
    """The seconds of training after which a generator is kept."""
    return [60 * minutes / part for part in (8, 4, 2, 1)]


def train_plain(data: str, images: ImageSet, out: Path, seed: int, minutes: float) -> None:
    """The articles' loop in a process of its own, until the epoch in which the time is up."""
    folder = out.parent / "jpegs"
    if not folder.exists():
        found = find_images(data)
        kept = {images.names[row] for row in images.rows(hold_out=True)}
        (folder / "faces").mkdir(parents=True)
        with found.reading() as read:
            for index, name in enumerate(found.names):
                if name in kept:
                    (folder / "faces" / name.rpartition("/")[2]).write_bytes(read(index))
    command = [sys.executable, HERE / "plain_loop.py", folder, "--out", out, "--epochs", "1000", "--seed", str(seed)]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    try:
        while not (out / "times.json").exists() or json.loads((out / "times.json").read_text())[-1] < 60 * minutes:
            if process.poll() is not None:
                raise RuntimeError("the plain loop ended early")
            time.sleep(0.5)
    finally:
        process.terminate()
        process.wait()


def train_ours(recipe: str, images: ImageSet, out: Path, seed: int, minutes: float) -> None:
    """`fit`, counting the time of training alone; the averaged generator where there is one."""
    every = {"log_every": 10, "sample_every": 10**9, "checkpoint_every": 10**9, "epochs": 10**6}
    gan = GAN(Config.from_dict({"recipe": recipe, "hold_out": True, "seed": seed, "data": images.source} | every))
    waiting, spent, kept = moments(minutes), 0.0, {}
    for report in fit(gan, images):
        spent += len(report.steps) * gan.config.batch_size / report.images_per_second
        if spent >= waiting[0]:
            name = f"{waiting.pop(0):.0f}.pt"
            network = gan.averaged or gan.generator
            torch.save(network.state_dict(), out / name)
            kept[name] = {"seconds": spent, "images": report.step * gan.config.batch_size}
            (out / "kept.json").write_text(json.dumps(kept))
            if not waiting:
                return


def train(method: str, data: str, images: ImageSet, home: Path, seed: int, minutes: float) -> None:
    """One method, one seed; nothing where that was done before."""
    out = home / f"{method}-{seed}"
    if (out / "done").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    if method == "plain":
        train_plain(data, images, out, seed, minutes)
        times = json.loads((out / "times.json").read_text())
        count = len(images.rows(hold_out=True))
        kept = {f"epoch-{i}.pt": {"seconds": s, "images": i * count} for i, s in enumerate(times, start=1)}
        (out / "kept.json").write_text(json.dumps(kept))
    else:
        train_ours(method, images, out, seed, minutes)
    (out / "done").touch()


@torch.no_grad()
def fakes(path: Path, method: str, count: int = COUNT) -> torch.Tensor:
    """Images of a kept generator, from one noise for all: the plain loop's in training mode, as its reader draws."""
    weights = torch.load(path, weights_only=True)
    noise = torch.randn(count, plain_loop.nz, generator=torch.Generator().manual_seed(0))
    if method == "plain":
        network = plain_loop.Generator(64)
        network.load_state_dict(weights)
        return torch.cat([network(z[:, :, None, None]) for z in noise.split(128)])
    gan = GAN(Config.from_dict({"recipe": method, "device": "cpu"}))
    (gan.averaged or gan.generator).load_state_dict(weights)
    return gan.sample(noise)


def scores(home: Path, method: str, seed: int, evaluator: Evaluator) -> list[dict]:
    """For each kept generator its seconds, images and scores; measured once."""
    folder = home / f"{method}-{seed}"
    found = []
    for name, when in json.loads((folder / "kept.json").read_text()).items():
        known = folder / f"{name}.json"
        if not known.exists():
            known.write_text(json.dumps(evaluator.compare(fakes(folder / name, method))))
        found.append(when | {"file": folder / name} | json.loads(known.read_text()))
    return found


def at(rows: list[dict], seconds: float) -> dict | None:
    """The newest generator that there was after so many seconds, or a tenth more: an epoch ends when it ends."""
    return next((row for row in reversed(rows) if row["seconds"] <= 1.1 * seconds), None)


def write(home: Path, results: dict[str, list[list[dict]]], evaluator: Evaluator, minutes: float) -> None:
    """The table into RESULTS.md, and the picture."""
    shown = ("swd", "frechet", "diversity", "combinations")
    lines = [
        f"| after | method | images | {' | '.join(shown)} |",
        f"| --- | --- | ---: |{' ---: |' * len(shown)}",
    ]
    for seconds in moments(minutes):
        for method, runs in results.items():
            rows = [row for row in (at(run, seconds) for run in runs) if row]
            if rows:
                values = [f"{statistics.median(row['images'] for row in rows):,.0f}"]
                for name in shown:
                    numbers = [row[name] for row in rows if name in row]
                    spread = f" ({min(numbers):.3g} to {max(numbers):.3g})" if len(numbers) > 1 else ""
                    values.append(f"{statistics.median(numbers):.3g}{spread}")
                seeds = f"{len(rows)} seed{'s' * (len(rows) > 1)}"
                lines.append(f"| {seconds:.0f} s | {method}, {seeds} | {' | '.join(values)} |")
    floor = evaluator.floor()
    lines.append(f"| | real faces, the noise floor | | {' | '.join(f'{floor[name]:.3g}' for name in shown)} |")
    text = (
        f"{date.today()}, `python benchmarks/quality.py --minutes {minutes:g}`, {machine()}; {COUNT:,} fakes against "
        f"{len(evaluator.real):,} images of the test split; median and range over seeds."
    )
    replace_part("quality", text + "\n\n" + "\n".join(lines))

    first, *_, last = moments(minutes)
    picked = {}
    for method, (run, *_) in results.items():  # of the first seed
        alike = min(run, key=lambda row: abs(row["images"] - ALIKE))
        picked[method] = [at(run, first), at(run, last), alike]
    draw_picture(picked)


def draw_picture(picked: dict[str, list[dict | None]]) -> None:
    """A row for each method, a grid for each of its generators, under what it is."""
    columns, rows, gap, title = 6, 4, 20, 24
    wide, high = columns * 66 + 2, rows * 66 + 2
    picture = Image.new("RGB", (3 * (wide + gap) - gap, len(picked) * (title + high + 8)), "white")
    draw = ImageDraw.Draw(picture)
    for down, (method, generators) in enumerate(picked.items()):
        for across, row in enumerate(generators):
            left, top = across * (wide + gap), down * (title + high + 8)
            if row is None:
                draw.text((left, top + 4), f"{method}: no generator yet", fill="black", font_size=15)
                continue
            text = f"{method}: {row['seconds']:,.0f} s, {row['images']:,} images, SWD {row['swd']:.0f}"
            draw.text((left, top + 4), text, fill="black", font_size=15)
            grid = to_grid(fakes(row["file"], method, 128)[: rows * columns], columns)
            picture.paste(Image.fromarray(grid), (left, top + title))
    picture.save(HERE / "equal-time.jpg", quality=80)


def main() -> None:
    """Train what is missing, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a zip or folder of images with CelebA's lists")
    parser.add_argument("--home", type=Path, default=Path("build/quality"), help="folder for what is trained")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    options = parser.parse_args()
    images = prepare(options.data, cache=options.home / "cache")
    evaluator = Evaluator(images, True, COUNT, load_classifier(images, options.home / "cache"))
    for seed in options.seeds:
        for method in options.methods:
            print(f"{method}, seed {seed}", flush=True)
            train(method, options.data, images, options.home, seed, options.minutes)
    results = {}
    for method in METHODS:
        done = sorted(options.home.glob(f"{method}-*/done"))
        seeds = [int(path.parent.name.rpartition("-")[2]) for path in done]
        if seeds:
            results[method] = [scores(options.home, method, seed, evaluator) for seed in seeds]
    write(options.home, results, evaluator, options.minutes)


if __name__ == "__main__":
    main()
