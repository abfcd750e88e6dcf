"""`dcgan sweep`: the training notebook once for each of many settings, several at a time."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import joblib

from dcgan_lib.compute.interrupts import stop_like_ctrl_c, stop_requests
from dcgan_lib.compute.torchrun import rank, ranks
from dcgan_lib.data import ImageSet, load_images
from dcgan_lib.launch.cluster import BACKENDS, connect, train_on_cluster
from dcgan_lib.launch.folders import check_folder, is_finished, is_taken
from dcgan_lib.launch.gpus import check_device, default_jobs
from dcgan_lib.launch.notebook import add_run_options, find_notebook, overrides, warn_in_one_line
from dcgan_lib.launch.sweep_file import SweepRun, is_search, read_search, read_sweep
from dcgan_lib.launch.worker import ELSEWHERE, Outcome, say, train_in_process
from dcgan_lib.records.reading import RECORD, load_run
from dcgan_lib.records.table import runs_as_text


def run_sweep(
    sweep: list[SweepRun],
    runs: str | Path = "runs",
    jobs: int | None = None,
    backend: str | None = None,
    address: str | None = None,
) -> dict[str, Outcome]:
    """Train every run that isn't finished, each in a process and a folder of its own; returns how each ended, by name.

    What is half done goes on, what failed is tried again, and what another process trains is waited for at the end.
    `jobs`: how many at a time; by default one a GPU, or without GPUs one a core, as far as memory goes. They share the
    cores, and the last bits of a run on a CPU depend on its number of threads: the same `jobs` give the same bits.
    `backend`: "ray" or "dask", to train on the machines of the cluster at this `address`, or without one of a cluster
    that is started here; as many at a time as it has room for, each on a GPU if it has any. All machines need the
    project's folder at the same place.

    Ctrl-C or SIGTERM lets every run finish its step and save, and then raises `KeyboardInterrupt`. Raises `ValueError`
    before anything starts, with a line for all images, devices and folders that can't be used, `FileNotFoundError`
    where the training notebook is not here, and what `cluster.connect` raises.
    """
    folders = {run.name: Path(runs) / run.name for run in sweep}
    find_notebook()
    outcomes = {run.name: Outcome("finished") for run in sweep if is_finished(folders[run.name], run.config)}
    left = [run for run in sweep if run.name not in outcomes]
    steps = _prepare(left, folders, here=not backend)
    stop, told = Event(), False
    try:
        with _trainer(backend, address, jobs, sweep) as (train, room), stop_requests(stop):
            say(f"{len(sweep)} runs in {runs}, {len(outcomes)} finished already; {room}")
            while left and not stop.is_set():
                outcomes |= train(left, Path(runs), steps, stop)
                others = [run for run in sweep if outcomes[run.name].state == ELSEWHERE]
                if others and not (told or stop.is_set()):
                    say(f"waiting for the end of {', '.join(run.name for run in others)}")
                    told = True
                while not (left := [r for r in others if not is_taken(folders[r.name])]) and others:
                    if stop.wait(1):
                        break
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


Trainer = Callable[[list[SweepRun], Path, dict[str, int], Event], dict[str, Outcome]]


@contextlib.contextmanager
def _trainer(
    backend: str | None, address: str | None, jobs: int | None, sweep: list[SweepRun]
) -> Iterator[tuple[Trainer, str]]:
    """What trains runs side by side, here or on a cluster, and how many at a time, in words."""
    if backend:
        with connect(backend, address) as engine:
            room = f"{jobs} at a time" if jobs else "as many at a time as there is room for"
            gpus = f", {engine.gpus} GPUs" if engine.gpus else ""
            yield partial(train_on_cluster, engine, backend, jobs or len(sweep)), f"{room} on {backend.title()}{gpus}"
        return
    jobs = jobs or default_jobs([run.config for run in sweep])
    threads = max(1, joblib.cpu_count() // jobs) if jobs > 1 else 0
    each, parallel = joblib.delayed(train_in_process), joblib.Parallel(jobs, backend="threading", batch_size=1)

    def train(left: list[SweepRun], runs: Path, steps: dict[str, int], stop: Event) -> dict[str, Outcome]:
        tasks = (each(run, runs / run.name, steps[run.name], threads, stop) for run in left)
        return dict(zip([run.name for run in left], parallel(tasks), strict=True))

    yield train, f"{jobs} at a time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `dcgan sweep`."""
    parser.add_argument("sweep", type=Path, help="a YAML file, such as configs/sweeps/epochs.yaml")
    parser.add_argument("--jobs", type=int, help="runs at a time (default: one a GPU, or without GPUs one a core)")
    told = "train on the machines of such a cluster, which share this folder (default: on this machine)"
    parser.add_argument("--backend", choices=BACKENDS, help=told)
    parser.add_argument("--address", help="of the cluster; by default one is started on this machine")
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
    if given.address and not given.backend:
        raise ValueError(f"--address is {given.address}: say of what, --backend ray or dask")
    try:
        if is_search(given.sweep):
            return _search(given)
        sweep = read_sweep(given.sweep, **overrides(given.set))
        outcomes = run_sweep(sweep, given.runs, given.jobs, given.backend, given.address)
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "stopped before the training began; the same command begins again", file=sys.stderr)
        return 130
    finished = all(outcome.state == "finished" for outcome in outcomes.values())
    if not finished:
        say("the same command tries again what is not finished")
    say(f'compare: notebooks/05_compare_runs.ipynb with sweep = "{given.sweep.as_posix()}", runs = "{given.runs}"')
    return 0 if finished else 1


def _search(given: argparse.Namespace) -> int:
    """Train the runs of a search; 0 where at least one has a score."""
    from dcgan_lib.launch.search import run_search

    if given.backend:
        raise ValueError("a search trains here: start the same command on several machines, and they share the search")
    study = run_search(read_search(given.sweep, **overrides(given.set)), given.runs, given.jobs)
    return 0 if any(trial.value is not None for trial in study.trials) else 1


def _prepare(sweep: list[SweepRun], folders: dict[str, Path], here: bool = True) -> dict[str, int]:
    """Prepare all images, once each, before several runs would at a time; returns how many steps each run has.

    `here`: whether the runs train on this machine, and its devices matter.

    Raises `ValueError` with a line for each thing that would make runs fail, and the first of these runs.
    """
    sets: dict[tuple[Any, ...], ImageSet] = {}
    steps: dict[str, int] = {}
    problems: dict[str, str] = {}
    for run in sweep:
        config = run.config
        which = (config.data, config.image_size, config.channels, config.max_images)
        try:
            if here:
                check_device(config.device)
            sets[which] = images = sets.get(which) or load_images(config)
            if not is_taken(folders[run.name]):  # otherwise whoever trains it has done so, and writes there now
                check_folder(folders[run.name], config, images)
            steps[run.name] = config.steps_per_epoch(len(images.rows(config.hold_out))) * config.epochs
        except (OSError, ValueError) as error:
            problems.setdefault(str(error), run.name)
    if problems:
        raise ValueError("\n".join(f"{name}: {problem}" for problem, name in problems.items()))
    return steps
