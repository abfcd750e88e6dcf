"""`python -m dcgan_lib.sweep configs/sweeps/epochs.yaml`: the training notebook once for each of many settings."""

import math
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import joblib
from tqdm import tqdm

from dcgan_lib.compute.interrupts import stop_once, stop_requests
from dcgan_lib.launch.notebook import Arguments, load_images, overrides
from dcgan_lib.launch.sweep_file import SweepRun, conflicts, plan
from dcgan_lib.launch.worker import Outcome, Stop, default_jobs, gpus_for, is_done, say, train_in_process
from dcgan_lib.records.writing import PATHS

if TYPE_CHECKING:
    from dcgan_lib.records.reading import RunRecord


def run_sweep(planned: list[SweepRun], runs: str | Path = "runs", jobs: int | None = None) -> list[Outcome]:
    """Train every run that isn't finished, each in a process and a folder of its own, and print how it went.

    What is half done goes on, what failed is tried again, and a run that another process trains is waited for. `jobs`:
    how many at a time; by default one a GPU, or without GPUs one a core, as far as memory goes. They share the cores,
    and the last bits of a run on a CPU depend on its number of threads: the same `jobs` give the same bits.

    joblib runs them in threads, or in the backend that a `joblib.parallel_config` around the call names; then give
    `jobs`, and a folder that all its machines see. Ctrl-C or SIGTERM lets every run finish its step and save, and then
    raises `KeyboardInterrupt`. Raises `ValueError` before anything starts, a line for each folder that holds a run of
    other settings, and for all data and devices that can't be used.
    """
    runs = Path(runs)
    if problems := conflicts(planned, runs):
        raise ValueError("\n".join(problems))
    jobs = jobs or default_jobs([each.config for each in planned])
    threads = max(1, joblib.cpu_count() // jobs) if jobs > 1 else 0
    outcomes, todo = {}, []
    for each in planned:
        done = is_done(each.config, runs / each.name)
        outcomes[each.name] = Outcome(each, runs / each.name, "finished" if done else "not begun")
        todo += [] if done else [each]
    totals = _prepare(todo)
    say(f"{len(planned)} runs in {runs}, {len(planned) - len(todo)} finished already; {jobs} at a time")

    stop = Stop()
    parallel = joblib.Parallel(jobs, prefer="threads", return_as="generator_unordered", batch_size=1, pre_dispatch=jobs)
    try:
        with stop_requests(stop), Progress(runs, totals, stop) as progress:
            task = joblib.delayed(train_in_process)
            work = (task(each, runs / each.name, threads, stop) for each in progress.beginning(todo))
            for outcome in parallel(work):
                progress.end(outcome)
                outcomes[outcome.planned.name] = outcome
    except KeyboardInterrupt:
        raise KeyboardInterrupt("left while the runs save; the same command waits for that, and goes on") from None
    say(table(list(outcomes.values())))
    for outcome in outcomes.values():
        if outcome.state == "failed":
            say(f"{outcome.folder} failed: {outcome.said}")
    if stop.is_set():
        raise KeyboardInterrupt("stopped, and what was running is saved; the same command goes on from there")
    return list(outcomes.values())


def table(outcomes: list[Outcome]) -> str:
    """A line a run: how it ended, how far it came, its last losses, minutes of training, and its swept settings."""
    import pandas as pd  # takes a while to import

    names = dict.fromkeys(name for outcome in outcomes for name in outcome.planned.swept)
    swept = [{name: getattr(outcome.planned.config, name) for name in names} for outcome in outcomes]
    rows = [_result(outcome) | settings for outcome, settings in zip(outcomes, swept, strict=True)]
    frame = pd.DataFrame(rows, [outcome.planned.name for outcome in outcomes], dtype=object)
    formats = {"minutes": "{:.2f}".format}
    return frame.to_string(formatters=formats, float_format="{:.4g}".format, na_rep="-", line_width=120)


class Progress:
    """A line when a run begins and one when it ends; in a terminal also a bar for each that is going on."""

    def __init__(self, runs: Path, totals: dict[str, int], stop: Stop) -> None:
        self.runs = runs
        self.totals = totals
        self.stop = stop
        self.bars: dict[str, tqdm] = {}
        self.lock = threading.Lock()  # of the bars: joblib asks for runs in threads of its own
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.ended.set()
        self.thread.join()
        for bar in self.bars.values():
            bar.close()

    def beginning(self, planned: Iterable[SweepRun]) -> Iterator[SweepRun]:
        """The runs, each announced when joblib asks for it; none any more after a request to stop."""
        form = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
        for each in planned:
            if self.stop.is_set():
                return
            folder = self.runs / each.name
            saved = (folder / "checkpoint.pt").exists()
            say(f"{each.name}: {'goes on' if saved else 'tries again' if folder.exists() else 'begins'}")
            bar = tqdm(desc=each.name, total=self.totals[each.name], bar_format=form, leave=False, disable=None)
            with self.lock:
                self.bars[each.name] = bar
            yield each

    def end(self, outcome: Outcome) -> None:
        """Replace a run's bar by a line that says how it ended."""
        with self.lock:
            self.bars.pop(outcome.planned.name).close()
        said = f": {outcome.said.splitlines()[0]}" if outcome.said else ""
        say(f"{outcome.planned.name}: {outcome.state}{said}")

    def _follow(self) -> None:
        records: dict[str, RunRecord | None] = {}
        told = False
        while not self.ended.wait(1):
            if self.stop.is_set() and not told:
                say("stopping: every run finishes its step and saves")
                told = True
            with self.lock:
                for name, bar in self.bars.items():
                    record = None if bar.disable else records.get(name) or _record(self.runs / name)
                    records[name] = record
                    if record and record.refresh():
                        bar.n = record.steps
                        bar.set_postfix({label: f"{value:.3f}" for label, value in _last_losses(record).items()})


def main() -> int:
    """Train all runs of a sweep's file; 0 where all are finished, 1 where one failed, 130 where it was stopped."""
    parser = Arguments("sweep", __doc__)
    parser.add_argument("sweep", type=Path, help="a YAML file, such as configs/sweeps/epochs.yaml")
    parser.add_argument("--jobs", type=int, help="runs at a time (default: one a GPU, or without GPUs one a core)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, stop_once)
    try:
        if given.jobs is not None and given.jobs < 1:
            raise ValueError(f"--jobs is {given.jobs}: give 1 or more")
        planned = plan(given.sweep, **overrides(given.set))
        outcomes = run_sweep(planned, given.runs, given.jobs)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "stopped before the training began; the same command begins again", file=sys.stderr)
        return 130
    finished = all(outcome.state == "finished" for outcome in outcomes)
    say("" if finished else "the same command tries again what is not finished")
    runs = given.runs.as_posix()
    elsewhere = "" if runs == "runs" else f' and runs = "{runs}"'
    say(f'compare: notebooks/05_compare_runs.ipynb with sweep = "{given.sweep.as_posix()}"{elsewhere}')
    say(f"     or: {f'python -m dcgan_lib.dashboard {runs}' if elsewhere else 'make dashboard'}")
    return 0 if finished else 1


def _prepare(planned: list[SweepRun]) -> dict[str, int]:
    """Draw and prepare all runs' images, once each, before several runs would at a time; gives each run's steps.

    Raises `ValueError` with a line for each thing that would make runs fail, and the first of these runs.
    """
    from dcgan_lib.compute.device import choose_device  # takes seconds to import

    # Another backend's machines may have what this one has not.
    here = isinstance(joblib.parallel.get_active_backend(prefer="threads")[0], joblib.parallel.ThreadingBackend)
    counts: dict[tuple[Any, ...], int] = {}
    totals: dict[str, int] = {}
    problems: dict[str, str] = {}
    for each in planned:
        config = each.config
        images = (config.data, config.image_size, config.channels, config.max_images, config.hold_out)
        try:
            if here and not gpus_for(config.device):  # what is there isn't tried: that would take a GPU's memory
                choose_device(config.device)
            if images not in counts:
                counts[images] = 0
                counts[images] = len(load_images(config).rows(config.hold_out))
            if counts[images]:  # none: told before, of another run
                config.check_count(counts[images])
            totals[each.name] = config.steps_per_epoch(counts[images]) * config.epochs
        except (OSError, ValueError) as error:
            problems.setdefault(str(error), each.name)
    if problems:
        raise ValueError("\n".join(f"{name}: {problem}" for problem, name in problems.items()))
    return totals


def _result(outcome: Outcome) -> dict[str, Any]:
    state, steps, losses, seconds = outcome.state, 0, {}, []
    if record := _record(outcome.folder):
        state = "diverged" if (state, record.state) == ("failed", "diverged") else state
        steps, losses = record.steps, _last_losses(record)
        seconds = [record.series(PATHS[name])["seconds"].max() for name in losses]
    losses = {"loss_d": math.nan, "loss_g": math.nan} | losses
    return {"state": state, "steps": steps} | losses | {"minutes": max(seconds, default=0.0) / 60}


def _record(folder: Path) -> "RunRecord | None":
    from dcgan_lib.records.reading import load_run  # pandas takes a while to import

    try:
        return load_run(folder)
    except FileNotFoundError:
        return None


def _last_losses(record: "RunRecord") -> dict[str, float]:
    names = [name for name in ("loss_d", "loss_g") if PATHS[name] in record.series_names]
    return {name: record.last(PATHS[name])[1] for name in names}


if __name__ == "__main__":
    sys.exit(main())
