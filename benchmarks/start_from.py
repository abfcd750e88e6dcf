"""`python benchmarks/start_from.py --data ZIP --from SOURCE`: what it brings to begin with another's weights.

On so many images of the set (`--images`), from weights that are drawn and from each source's, the faces are scored
against the whole set's test split each time that so many images were seen (`--seen`). Settings are the first source's,
but for those given with `--set`. What is there already in `--home` is not trained again. On a CPU a process a core
trains with a thread each; on a GPU one after the other.
"""

import argparse
import dataclasses
import json
import statistics
import warnings
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

from dcgan_lib.compute.device import choose_device
from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, prepare
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_grid
from dcgan_lib.launch.notebook import overrides
from dcgan_lib.quality.attribute_classifier import load_classifier
from dcgan_lib.quality.evaluate import Evaluator
from dcgan_lib.sharing.folder import find, known_settings, read
from dcgan_lib.train import fit

HERE = Path(__file__).parent
NOTHING = ""  # as `start_from` has it
NEVER = {"log_every": 10, "sample_every": 10**9, "checkpoint_every": 10**9, "evaluate_every": 0, "epochs": 10**6}


def config_of(options: argparse.Namespace, source: str, seed: int) -> Config:
    theirs = known_settings(read(find(options.sources[0]))["config"]) | overrides(options.set)
    own = {"data": str(options.data), "start_from": source, "seed": seed, "device": options.device, "hold_out": False}
    return Config.from_dict(theirs | own | NEVER)


@cache
def judged_by(data: str, home: Path, size: int, channels: int) -> tuple[ImageSet, Evaluator]:
    """The images and what scores fakes of them, once a process."""
    images = prepare(data, size, channels, cache=home / "cache")
    return images, Evaluator(images, True, classifier=load_classifier(images, home / "cache"))


def first_images(images: ImageSet, count: int) -> ImageSet:
    """The first so many that are not held out; 0: all of those."""
    rows = images.rows(hold_out=True)[: count or None]
    names = [images.names[row] for row in rows]
    chosen = {"attributes": images.attributes[rows], "partition": images.partition[rows], "names": names}
    return dataclasses.replace(images, images=images.images[rows], **chosen)


def train(options: argparse.Namespace, source: str, count: int, seed: int) -> None:
    """One start, one number of images, one seed: scores each time that so many were seen, and a grid of each."""
    warnings.filterwarnings("ignore", "(?s).*D begins untrained")  # the table says so
    config = config_of(options, source, seed)
    if choose_device(config.device).type == "cpu":
        torch.set_num_threads(1)
    images, evaluator = judged_by(str(options.data), options.home, config.image_size, config.channels)
    gan, scores, due = GAN(config), {}, sorted(options.seen)
    out = result_of(options, source, count, seed)
    for report in fit(gan, first_images(images, count)):
        if report.step * config.images_per_step >= due[0]:
            seen = due.pop(0)
            scores[seen] = evaluator(gan, overfitting=False)
            Image.fromarray(to_grid(gan.sample()[:8], 8)).save(out.with_suffix(f".{seen}.png"))
            if not due:
                break
    out.write_text(json.dumps(scores))


def result_of(options: argparse.Namespace, source: str, count: int, seed: int) -> Path:
    changed = "".join(f"-{name}={value}" for name, value in sorted(options.set))
    name = f"{label(source)}{changed}-{count}-{seed}-seen-{'-'.join(map(str, sorted(options.seen)))}"
    return options.home / f"{name.replace(' ', '-')}.json"


def label(source: str) -> str:
    """How the table calls a start: by the name of its source, a file's after its folder's, and whether it has a D."""
    if source == NOTHING:
        return "nothing"
    path = find(source)
    name = f"{path.absolute().parent.name} {path.stem}" if path.is_file() else path.name
    return name if "discriminator" in read(path)["gan"] else f"{name} (G alone)"


def middle(values: list[float]) -> str:
    spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
    return f"{statistics.median(values):.3g}{spread}"


def table(options: argparse.Namespace, floor: dict[str, float]) -> str:
    """A row for each number of images and each start: medians, and ranges over seeds, at each number seen."""
    seen = sorted(options.seen)
    shown = [name for name in ("swd", "frechet") if name in floor]
    head = ["images", "begins with", "seeds", *(f"{name} at {count:,}" for name in shown for count in seen)]
    lines = [head, ["---:", "---", *["---:"] * (len(head) - 2)]]
    for count in options.images:
        for source in (NOTHING, *options.sources):
            files = [result_of(options, source, count, seed) for seed in options.seeds]
            scores = [json.loads(file.read_text()) for file in files if file.exists()]
            cells = [middle([each[str(s)][name] for each in scores]) for name in shown for s in seen if scores]
            lines.append([f"{count:,}" if count else "all", label(source), str(len(scores)), *cells])
    last = [f"{floor[name]:.3g}" for name in shown for _ in seen]
    lines.append(["", "real faces, the noise floor", "", *last])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def draw_picture(options: argparse.Namespace) -> None:
    """A row of faces of each start's first seed, at each number seen, on the first number of images."""
    title, gap, rows = 24, 12, []
    for source in (NOTHING, *options.sources):
        file = result_of(options, source, options.images[0], options.seeds[0])
        grids = [Image.open(file.with_suffix(f".{seen}.png")) for seen in sorted(options.seen)]
        rows.append((f"begins with {label(source)}, after {', '.join(f'{s:,}' for s in sorted(options.seen))}", grids))
    wide, high = rows[0][1][0].size
    tall = title + len(options.seen) * high + gap
    picture = Image.new("RGB", (wide, tall * len(rows) - gap), "white")
    for place, (told, grids) in enumerate(rows):
        ImageDraw.Draw(picture).text((0, place * tall + 4), told, fill="black", font_size=14)
        for row, grid in enumerate(grids):
            picture.paste(grid, (0, place * tall + title + row * high))
    picture.save(HERE / "start_from.jpg", quality=80)


def main() -> None:
    """Train what is missing, write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a zip or folder of images")
    parser.add_argument("--from", nargs="+", required=True, dest="sources", help="runs, checkpoints or folders")
    parser.add_argument("--images", type=int, nargs="+", default=[500, 0], help="images to train on; 0: all")
    parser.add_argument("--seen", type=int, nargs="+", default=[6_400, 25_600, 102_400], help="when to score")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--home", type=Path, default=Path("build/start_from"), help="folder for what is trained")
    told = "a setting instead of the source's, as in --set augment true; repeatable"
    parser.add_argument("-s", "--set", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help=told)
    options = parser.parse_args()
    options.home.mkdir(parents=True, exist_ok=True)
    config = config_of(options, NOTHING, 1)
    evaluator = judged_by(str(options.data), options.home, config.image_size, config.channels)[1]  # prepared once
    missing: list[tuple[Any, ...]] = [
        (options, source, count, seed)
        for seed in options.seeds
        for count in options.images
        for source in (NOTHING, *options.sources)
        if not result_of(options, source, count, seed).exists()
    ]
    if choose_device(options.device).type == "cpu":
        with ProcessPoolExecutor(cpu_count(), mp_context=get_context("spawn")) as pool:
            for job in [pool.submit(train, *each) for each in missing]:
                job.result()
    else:
        for each in missing:
            train(*each)
    changed = "".join(f" --set {name} {value}" for name, value in options.set)
    text = (
        f"{date.today()}, {machine()}; `--from {' '.join(map(str, options.sources))}{changed}`; {config.image_size} "
        f"pixels, width {config.generator_width}, {evaluator.count:,} fakes against {len(evaluator.real):,} images of "
        "the test split; median and range over seeds."
    )
    replace_part("start from", f"{text}\n\n{table(options, evaluator.floor())}")
    draw_picture(options)


if __name__ == "__main__":
    main()
