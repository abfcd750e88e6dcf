"""`python benchmarks/records.py`: what logging costs a training step, and how fast records are read back.

Writes real records with the real client into a temporary folder, about 3 GB, and prints a table; takes some minutes.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.health import STATISTICS
from dcgan_lib.records.paths import PATHS
from dcgan_lib.records.reading import load_run, load_runs
from dcgan_lib.records.writing import log_images, log_report, open_run
from dcgan_lib.train import Report

REPEATS = 5
POINTS = 200_000


def report_of(first: int, last: int, random: np.random.Generator, names: Iterable[str] = PATHS) -> Report:
    """A report of the steps from first to last, as `fit` yields it, or of some of its series alone."""
    steps = range(first, last + 1)
    series = {name: random.random(len(steps)).tolist() for name in names}
    place = {"step": last, "total": last + 1, "epoch": 1, "epochs": 1, "steps": steps, "series": series}
    due = {"sample_due": False, "checkpoint_due": False, "evaluation_due": False}
    flags = due | {"diverged_at": None, "interrupted": False}
    return Report(**place, **flags, images_per_second=1.0)


def logging(folder: Path, every: int) -> list[float]:
    """Microseconds that `log_report` takes for a step, where a report comes after every so many of them."""
    random, times = np.random.default_rng(0), []
    with open_run(Config(), folder) as run:
        for first in range(1, 200 * every, every):
            report = report_of(first, first + every - 1, random)
            began = time.perf_counter()
            log_report(run, report)
            times.append((time.perf_counter() - began) / every * 1e6)
    return times


def write_points(folder: Path, every: int) -> None:
    """A run of 200,000 points in the tutorial's five series; with `every` 1 each is an append, as plain code has it."""
    random, steps = np.random.default_rng(0), POINTS // len(STATISTICS)
    with open_run(Config(), folder) as run:
        for first in range(1, steps + 1, every):
            if every > 1:
                log_report(run, report_of(first, first + every - 1, random, STATISTICS))
            else:
                for name in STATISTICS:
                    run[PATHS[name]].append(random.random(), step=first)


def write_many(folder: Path, count: int = 100) -> None:
    """Runs of 10,000 steps and 30 grids each: ten written, the others copies of them under names of their own."""
    random = np.random.default_rng(0)
    grid = Image.fromarray(random.integers(0, 256, (530, 530, 3), dtype=np.uint8) // 8 * 8)
    for number in range(10):
        with open_run(Config(seed=number), folder / f"run-{number:03}") as run:
            for first in range(1, 10_001, 50):
                log_report(run, report_of(first, first + 49, random))
                if first % 350 == 1:
                    log_images(run, grid, first)
    for number in range(10, count):
        shutil.copytree(folder / f"run-{number % 10:03}", folder / f"run-{number:03}")


def peak() -> float:
    """The most memory that this process has had, in megabytes; Linux tells it."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def read(folder: Path) -> None:
    """In a process of its own: every point of a run; prints seconds, and megabytes above what was there before."""
    before = peak()
    began = time.perf_counter()
    record = load_run(folder)
    assert sum(len(record.series(name)) for name in record.series_names) == POINTS
    seconds = time.perf_counter() - began
    print(seconds, peak() - before)


def list_runs(folder: Path) -> None:
    """In a process of its own: what a table of runs needs; prints seconds."""
    began = time.perf_counter()
    for record in load_runs(folder):
        assert record.settings
        assert record.state == "unfinished"
        assert record.steps == record.last(PATHS["loss_d"])[0] == 10_000
    print(time.perf_counter() - began)


def measured(function: str, folder: Path) -> list[list[float]]:
    """What a function of this file prints, in fresh processes, a row a figure."""
    command = [sys.executable, __file__, function, str(folder)]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(REPEATS)]
    return list(zip(*([float(word) for word in run.split()] for run in runs), strict=True))


def row(what: str, values: list[float], unit: str) -> None:
    """A line of the table: median, and the range."""
    print(f"| {what} | {statistics.median(values):.3g} {unit} ({min(values):.3g} to {max(values):.3g}) |", flush=True)


def main() -> None:
    """Write, measure, print."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        print("| records | median (range) |\n| --- | --- |")
        for every in (50, 1):
            row(f"`log_report`, a report every {every} steps, a step", logging(home / f"log-{every}", every), "µs")
        for every in (50, 1):
            write_points(home / f"points-{every}", every)
            seconds, megabytes = measured("read", home / f"points-{every}")
            row(f"200,000 points read, {every} a line", seconds, "s")
            row("memory for it", megabytes, "MB")
        write_many(home / "many")
        row("100 runs listed", measured("list_runs", home / "many")[0], "s")
        size = sum(file.stat().st_size for file in (home / "many").rglob("*.log"))
        print(f"| size of those runs | {size / 1e6:,.0f} MB |")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        {"read": read, "list_runs": list_runs}[sys.argv[1]](Path(sys.argv[2]))
    else:
        main()
