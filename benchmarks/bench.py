"""`make bench`: how fast everything is on this machine, beside the articles' own loop; prints a table, and rewrites
the part of RESULTS.md that is this machine's.

Takes under 15 minutes on 2 cores. What is compared runs in turn, several times; a row has the median and the range.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import plain_loop
import torch
from results import machine, replace_part
from torch.utils.flop_counter import FlopCounterMode

from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, prepare
from dcgan_lib.faces import draw_faces
from dcgan_lib.gan import GAN
from dcgan_lib.images.files import find_images
from dcgan_lib.images.grid import to_grid
from dcgan_lib.quality.evaluate import Evaluator
from dcgan_lib.records.writing import log_images, log_report, open_run
from dcgan_lib.train import fit, train_step

REPEATS = 3
NEVER = 10**9  # steps


def quiet(config: Config) -> Config:
    """The same training, reporting as seldom as the measurement allows."""
    return config.replace(log_every=10, sample_every=NEVER, checkpoint_every=NEVER)


def seconds(work: Callable[[], Any]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare(*_: Any, **__: Any) -> Any:
    """A progress bar that shows nothing."""
    return _[0]


def number(value: float) -> str:
    """Four digits, without an exponent where it is large."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


class Table:
    """Rows of (what, median, range), printed as they come."""

    def __init__(self) -> None:
        self.lines = ["| what | median (range) |", "| --- | --- |"]
        print("\n".join(self.lines))

    def row(self, what: str, values: list[float] | str, unit: str = "") -> float:
        """Add numbers with their unit, or a text in their place; gives the median."""
        if isinstance(values, str):
            shown, middle = values, float("nan")
        else:
            middle = statistics.median(values)
            spread = f" ({number(min(values))} to {number(max(values))})" if len(values) > 1 else ""
            shown = f"{number(middle)}{unit and ' ' + unit}{spread}"
        self.lines.append(f"| {what} | {shown} |")
        print(self.lines[-1], flush=True)
        return middle


def loose_files(data: str, count: int, folder: Path) -> Path:
    """The first so many images of a zip or folder as loose files, as `ImageFolder` wants them."""
    found = find_images(data, count)
    (folder / "faces").mkdir(parents=True)
    with found.reading() as read:
        for index, name in enumerate(found.names):
            (folder / "faces" / name.rpartition("/")[2]).write_bytes(read(index))
    return folder


def from_files(folder: str, settings: dict[str, Any]) -> float:
    """Images per second from files on disk to trained weights: decoded, cached, and one epoch of training."""
    config = Config(data=folder, epochs=1, **settings)
    with tempfile.TemporaryDirectory() as cache:
        began = time.perf_counter()
        images = prepare(folder, cache=cache, progress=bare)
        for _ in fit(GAN(quiet(config)), images):
            pass
        return len(images) / (time.perf_counter() - began)


def plain_from_files(folder: str, count: int, batch_size: int, device: str) -> float:
    """The same with the articles' loop."""
    return count / seconds(lambda: plain_loop.main(folder, None, 1, batch_size, device=device))


def steady(config: Config, images: ImageSet, steps: int, every: int = 10) -> list[float]:
    """Images per second in each report of a training, of `every` steps; the first is left out."""
    speeds = []
    for report in fit(GAN(quiet(config).replace(epochs=1000, log_every=every)), images):
        speeds.append(report.images_per_second)
        if report.step >= steps:
            break
    return speeds[1:]


def compare_with_plain(table: Table, data: str, temporary: Path, device: str) -> None:
    """The two in turn, at the articles' width."""
    count = 1280 if device == "cpu" else 12_800
    folder = str(loose_files(data, count, temporary / "loose"))
    for batch_size in (64, 128):
        settings = {"batch_size": batch_size, "device": device}
        plain, ours, exact = [], [], []
        for _ in range(REPEATS):
            plain.append(alone("plain_from_files", folder, count, batch_size, device))
            ours.append(alone("from_files", folder, settings | {"precision": "auto"}))
            exact.append(alone("from_files", folder, settings))
        where = f"width 64, batch {batch_size}, files to weights, {count:,} images"
        table.row(f"plain loop, {where}", plain, "images/s")
        table.row(f"`precision: auto`, {where}", ours, "images/s")
        table.row(f"`precision: fp32`, {where}", exact, "images/s")
        table.row("… times the plain loop, `auto`", [a / b for a, b in zip(ours, plain, strict=True)])
        table.row("… times the plain loop, `fp32`", [a / b for a, b in zip(exact, plain, strict=True)])


def ceiling(table: Table, images: ImageSet) -> None:
    """How near a step comes to what this machine multiplies at best."""
    gan = GAN(Config(precision="auto"))
    dtype = torch.bfloat16 if gan.half_precision else torch.float32
    a, b = (torch.randn(2048, 2048, device=gan.device).to(dtype) for _ in range(2))
    for _ in range(3):
        a @ b

    def multiply() -> None:
        for _ in range(10):
            (a @ b)[0, 0].item()

    def products() -> list[float]:
        return [10 * 2 * 2048**3 / seconds(multiply) / 1e9 for _ in range(5)]

    found = products()
    real = images.batch(np.arange(128), gan.device)
    with FlopCounterMode(display=False) as counter:
        train_step(gan, real, gan.noise(128))
    work = counter.get_total_flops() / 128 / 1e9
    table.row("one image through a step at width 64", [work], "GFLOP")
    speeds = steady(gan.config, images, 60)
    found += products()
    table.row("width 64, batch 128, training alone", speeds, "images/s")
    table.row(f"products of matrices, {str(dtype)[6:]}, before and after it", found, "GFLOP/s")
    shares = [100 * speed * work / max(found) for speed in speeds]
    table.row("… the step's speed as a share of the fastest", shares, "%")


def overheads(table: Table, images: ImageSet, temporary: Path) -> None:
    """What notebook 3's loop does besides training, as a share of the time."""
    config = Config.from_file(Path(__file__).parents[1] / "configs/cpu.yaml").replace(epochs=3, evaluate_every=0)
    gan, spent, trained = GAN(config), 0.0, 0.0
    folder = temporary / "run"
    folder.mkdir()
    with open_run(config, folder, gan=gan, images=images) as run:
        for report in fit(gan, images):
            began = time.perf_counter()
            log_report(run, report)
            if report.sample_due:
                log_images(run, to_grid(gan.sample()), report.step)
            if report.checkpoint_due:
                run.wait()
                gan.save(folder / "checkpoint.pt", images)
            spent += time.perf_counter() - began
            trained += len(report.steps) * config.batch_size / report.images_per_second
    table.row(f"record, grids and checkpoints as in configs/cpu.yaml, {gan.step} steps", [100 * spent / trained], "%")


def memory(table: Table, temporary: Path) -> None:
    """Private memory and speed of 10,000 images and of 200,000; Linux tells it."""
    if sys.platform != "linux":
        return
    for count in (10_000, 200_000):
        path = temporary / f"{count}.npy"
        pixels = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 3, 64, 64))
        random = np.random.default_rng(0)
        for start in range(0, count, 10_000):
            pixels[start : start + 10_000] = random.integers(0, 256, (10_000, 3, 64, 64), dtype=np.uint8)
        pixels.flush()
        del pixels
        megabytes, speeds = alone("memory_of", str(path))
        table.row(f"private memory, training on {count:,} images", [megabytes], "MB")
        table.row(f"modern, {count:,} images", speeds, "images/s")
        path.unlink()


def alone(function: str, *arguments: Any) -> Any:
    """What a function of this file gives in a process of its own: nothing that ran before makes it fast or slow."""
    command = [sys.executable, __file__, "--call", function, json.dumps(arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def memory_of(path: str) -> tuple[float, list[float]]:
    """For `memory`: megabytes that training on a .npy of images keeps to itself, and its images per second.

    Pages of the file are not counted: the system takes those back when it needs them.
    """
    pixels = np.load(path, mmap_mode="c")
    none = np.zeros((len(pixels), 0), np.int8)
    images = ImageSet(pixels, [], [], none, np.full(len(pixels), -1, np.int8), [], "", path)
    speeds = steady(Config.from_dict({"recipe": "modern"}), images, 80)
    [line] = [x for x in Path("/proc/self/smaps_rollup").read_text().splitlines() if x.startswith("Private_Dirty")]
    return int(line.split()[1]) / 1000, speeds


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="data/faces", help="a zip or folder of images (painted, if it is not there)")
    parser.add_argument("--call", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if options.call:
        function, arguments = options.call
        print(json.dumps(globals()[function](*json.loads(arguments))))
        return
    if options.data == "data/faces":
        draw_faces(options.data)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        table = Table()
        table.row("machine", machine())
        images = prepare(options.data, cache=temporary / "cache")
        for workers in (1, None):
            speeds = []
            for number in range(REPEATS):
                again = partial(prepare, options.data, cache=temporary / f"{workers}-{number}", workers=workers)
                took = seconds(lambda again=again: again(progress=bare))
                speeds.append(len(images) / took)
            table.row(f"`prepare`, {len(images):,} JPEGs, {'1 worker' if workers else 'all cores'}", speeds, "images/s")
        compare_with_plain(table, options.data, temporary, "cuda" if torch.cuda.is_available() else "cpu")
        ceiling(table, images)
        modern = Config.from_dict({"recipe": "modern", "data": options.data})
        table.row("modern, training alone", steady(modern, images, 200), "images/s")
        table.row("… in fp32", steady(modern.replace(precision="fp32"), images, 100), "images/s")
        overheads(table, images, temporary)
        evaluator = Evaluator(images, hold_out=True)
        gan = GAN(modern)
        took = [seconds(lambda: evaluator(gan)) for _ in range(3)]
        table.row("evaluation of 2,000 images without the attribute classifier", took, "s")
        memory(table, temporary)
    what = (
        f"`python benchmarks/bench.py --data …`, {len(images):,} images"
        if options.data != "data/faces"
        else "`make bench`"
    )
    text = "\n".join(table.lines)
    minutes = (time.perf_counter() - began) / 60
    replace_part(
        "bench on a GPU" if torch.cuda.is_available() else "CPU",
        f"{date.today()}, {what}, {minutes:.0f} minutes.\n\n{text}",
    )


if __name__ == "__main__":
    main()
