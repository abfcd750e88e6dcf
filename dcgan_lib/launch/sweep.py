"""`dcgan sweep`: the training notebook once for each of many settings, several at a time."""

import argparse
import sys
import time
from pathlib import Path
from threading import Event
from typing import Any

import joblib

from dcgan_lib.compute.interrupts import stop_like_ctrl_c, stop_requests
from dcgan_lib.compute.torchrun import rank, ranks
from dcgan_lib.data import ImageSet, load_images
from dcgan_lib.launch.folders import LAUNCHER, TRAINER, check_folder, is_finished, is_taken
from dcgan_lib.launch.gpus import check_device, default_jobs
from dcgan_lib.launch.notebook import add_run_options, find_notebook, overrides, warn_in_one_line
from dcgan_lib.launch.sweep_file import SweepRun, read_sweep
from dcgan_lib.launch.worker import ELSEWHERE, Outcome, say, train_in_process
from dcgan_lib.records.reading import RECORD, load_run
from dcgan_lib.records.table import runs_as_text


def run_sweep(sweep: list[SweepRun], runs: str | Path = "runs", jobs: int | None = None) -> dict[str, Outcome]:
    """Train every run that isn't finished, each in a process and a folder of its own; returns how each ended, by name.

    What is half done goes on, what failed is tried again, and what another process trains is waited for at the end.
    `jobs`: how many at a time; by default one a GPU, or without GPUs one a core, as far as memory goes. They share the
    cores, and the last bits of a run on a CPU depend on its number of threads: the same `jobs` give the same bits.

    Ctrl-C or SIGTERM lets every run finish its step and save, and then raises `KeyboardInterrupt`. Raises `ValueError`
    before anything starts, with a line for all images, devices and folders that can't be used, and
    `FileNotFoundError` where the training notebook is not here.
    """
    folders = {run.name: Path(runs) / run.name for run in sweep}
    find_notebook()
    jobs = jobs or default_jobs([run.config for run in sweep])
    threads = max(1, joblib.cpu_count() // jobs) if jobs > 1 else 0
    outcomes = {run.name: Outcome("finished") for run in sweep if is_finished(folders[run.name], run.config)}
    left = [run for run in sweep if run.name not in outcomes]
    steps = _prepare(left, folders)
    say(f"{len(sweep)} runs in {runs}, {len(outcomes)} finished already; {jobs} at a time")

    stop, told = Event(), False
    train, parallel = joblib.delayed(train_in_process), joblib.Parallel(jobs, backend="threading", batch_size=1)
    try:
        with stop_requests(stop):
            while left and not stop.is_set():
                each = (train(run, folders[run.name], steps[run.name], threads, stop) for run in left)
                outcomes |= zip([run.name for run in left], parallel(each), strict=True)
                left = [run for run in left if outcomes[run.name].state == ELSEWHERE]
                if left and not told:
                    say(f"waiting for the end of {', '.join(run.name for run in left)}")
                    told = True
                while left and all(is_taken(folders[run.name], LAUNCHER, TRAINER) for run in left) and not stop.wait(1):
                    pass
    except KeyboardInterrupt:
        raise KeyboardInterrupt("left while the runs save; the same command waits for that, and goes on") from None
    records = [load_run(folder) for folder in folders.values() if (folder / RECORD).is_dir()]
    say(runs_as_text(records) if records else "no run has begun")
    for name, outcome in outcomes.items():
        if outcome.state not in ("finished", "interrupted"):
            say(f"{folders[name]} {outcome.state}" + (f": {outcome.said}" if outcome.said else ""))
    if stop.is_set():
        raise KeyboardInterrupt("stopped, and what was running is saved; the same command goes on from there")
    return outcomes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `dcgan sweep`."""
    parser.add_argument("sweep", type=Path, help="a YAML file, such as configs/sweeps/epochs.yaml")
    parser.add_argument("--jobs", type=int, help="runs at a time (default: one a GPU, or without GPUs one a core)")
    add_run_options(parser)


def main(given: argparse.Namespace) -> int:
    """Train all runs of a sweep's file; 0 where all are finished, 1 where one failed, 130 where it was stopped."""
    stop_like_ctrl_c()
    warn_in_one_line()
    if ranks() > 1:
        time.sleep(5 * rank())  # so that the first rank alone tells it
        raise ValueError("dcgan sweep shares the GPUs out by itself, one a run: call it without torchrun")
    if given.jobs is not None and given.jobs < 1:
        raise ValueError(f"--jobs is {given.jobs}: give 1 or more")
    try:
        outcomes = run_sweep(read_sweep(given.sweep, **overrides(given.set)), given.runs, given.jobs)
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "stopped before the training began; the same command begins again", file=sys.stderr)
        return 130
    finished = all(outcome.state == "finished" for outcome in outcomes.values())
    if not finished:
        say("the same command tries again what is not finished")
    say(f'compare: notebooks/05_compare_runs.ipynb with sweep = "{given.sweep.as_posix()}", runs = "{given.runs}"')
    return 0 if finished else 1


def _prepare(sweep: list[SweepRun], folders: dict[str, Path]) -> dict[str, int]:
    """Prepare all images, once each, before several runs would at a time; returns how many steps each run has.

    Raises `ValueError` with a line for each thing that would make runs fail, and the first of these runs.
    """
    sets: dict[tuple[Any, ...], ImageSet] = {}
    steps: dict[str, int] = {}
    problems: dict[str, str] = {}
    for run in sweep:
        config = run.config
        which = (config.data, config.image_size, config.channels, config.max_images)
        try:
            check_device(config.device)
            sets[which] = images = sets.get(which) or load_images(config)
            check_folder(folders[run.name], config, images)
            steps[run.name] = config.steps_per_epoch(len(images.rows(config.hold_out))) * config.epochs
        except (OSError, ValueError) as error:
            problems.setdefault(str(error), run.name)
    if problems:
        raise ValueError("\n".join(f"{name}: {problem}" for problem, name in problems.items()))
    return steps
