"""`dcgan sweep` of a file with `search:`: Optuna proposes each run's settings, by the scores of those before it."""

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from dcgan_lib.compute.interrupts import stop_requests
from dcgan_lib.config import Config
from dcgan_lib.data import load_images
from dcgan_lib.launch.folders import is_taken
from dcgan_lib.launch.gpus import check_device, default_jobs
from dcgan_lib.launch.notebook import find_notebook
from dcgan_lib.launch.sweep_file import Search, SweepRun
from dcgan_lib.launch.worker import Outcome, say, train_in_process
from dcgan_lib.records.paths import METRICS
from dcgan_lib.records.reading import RECORD, load_run
from dcgan_lib.records.table import runs_as_text

if TYPE_CHECKING:
    import optuna

#: What `diagnose` finds in a run that is given up: faults from which runs don't recover by themselves.
HOPELESS = ("divergence", "D has won", "vanishing gradients", "mode collapse")
LOOK = 20.0  # seconds between two looks at a run's record


def run_search(search: Search, runs: str | Path = "runs", jobs: int | None = None) -> "optuna.Study":
    """Train runs until the search has as many as it asks for; returns the study, with the lowest score of each.

    The study lies beside the runs, in `<search>.optuna.log`: the same call goes on with it and with the runs that are
    half done, and several processes, on any machine that shares the folder, work at it together. A run in which
    `diagnose` finds one of `HOPELESS` is given up, and one that failed isn't tried again. `jobs`: as in `run_sweep`.

    Ctrl-C lets every run finish its step and save, and then raises `KeyboardInterrupt`. Raises `RuntimeError` without
    Optuna, and `ValueError` where the study that is there is of other settings.
    """
    try:
        import optuna
    except ImportError as error:
        raise RuntimeError("a search needs a package: pip install 'optuna>=5.0'") from error
    find_notebook()
    check_device(search.base.device)
    load_images(search.base)
    home = Path(runs)
    home.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    log = home / f"{search.name}.optuna.log"
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(log)))
    study = optuna.create_study(storage=storage, study_name=search.name, load_if_exists=True)  # TPE; lower is better
    about = json.dumps({"base": search.base.to_dict(), "space": search.space, "score": search.score}, sort_keys=True)
    if study.user_attrs.get("search", about) != about:
        raise ValueError(f"{log} is a search with other settings: give the file another name, or move that away")
    study.set_user_attr("search", about)

    jobs = jobs or default_jobs([search.base] * search.trials)
    threads, stop = (max(1, joblib.cpu_count() // jobs) if jobs > 1 else 0), threading.Event()
    ended = sum(trial.state.is_finished() for trial in _trials(study, search))
    say(f"{search.trials} runs in {runs}, {ended} ended already; {jobs} at a time")
    work = joblib.delayed(_work)
    with stop_requests(stop):
        joblib.Parallel(jobs, backend="threading")(work(search, study, home, threads, stop) for _ in range(jobs))
    records = [load_run(folder) for trial in _trials(study, search) if (folder := _folder(home, search, trial.number))]
    say(runs_as_text(records) if records else "no run has begun")
    scored = [trial for trial in _trials(study, search) if trial.value is not None]
    if scored:
        best = min(scored, key=lambda trial: trial.value)
        say(f"best: {search.name}-{best.number}, {search.score} {best.value:.4g}, {best.params}")
    if stop.is_set():
        raise KeyboardInterrupt("stopped, and what was running is saved; the same command goes on from there")
    return study


def _trials(study: "optuna.Study", search: Search) -> list["optuna.trial.FrozenTrial"]:
    """Those of the search: several processes may have asked for one more each."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.number < search.trials]


def _folder(home: Path, search: Search, number: int) -> Path | None:
    folder = home / f"{search.name}-{number}"
    return folder if (folder / RECORD).is_dir() else None


def _work(search: Search, study: "optuna.Study", home: Path, threads: int, stop: threading.Event) -> None:
    """Train one run after another: first those that were left half done, then new ones, until there are enough."""
    import optuna

    running = optuna.trial.TrialState.RUNNING
    while not stop.is_set():
        trials = _trials(study, search)
        # One without parameters was asked for a moment ago, or by a process that was killed just then.
        unfinished = [t for t in trials if t.state == running and t.params.keys() == search.space.keys()]
        free = [trial for trial in unfinished if not is_taken(home / f"{search.name}-{trial.number}")]
        if free:
            trial = free[0]
        elif len(trials) < search.trials:
            trial = study.ask({name: _distribution(values) for name, values in search.space.items()})
            if trial.number >= search.trials:  # another process was faster
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
        elif unfinished:  # by others; one of them may be killed
            stop.wait(1)
            continue
        else:
            return
        _train(search, study, trial.number, trial.params, home, threads, stop)


def _distribution(values: Any) -> "optuna.distributions.BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, list):
        return CategoricalDistribution(values)
    low, high, log, step = values["low"], values["high"], bool(values.get("log")), values.get("step")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log, step or 1)
    return FloatDistribution(low, high, log, step)


def _train(
    search: Search,
    study: "optuna.Study",
    number: int,
    params: dict[str, Any],
    home: Path,
    threads: int,
    stop: threading.Event,
) -> None:
    """Train one run as far as it goes, and tell the study, unless it is to go on later."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    name = f"{search.name}-{number}"
    given_up, ended, enough = threading.Event(), threading.Event(), threading.Event()

    def watch() -> None:
        due = time.monotonic() + LOOK
        while not ended.wait(0.5):
            if stop.is_set():
                enough.set()
                return
            if time.monotonic() >= due:
                due = time.monotonic() + LOOK
                if found := _hopeless(home / name):
                    say(f"{name}: given up: {found}")
                    given_up.set()
                    enough.set()
                    return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        config = search.base.replace(**params)
        outcome = train_in_process(SweepRun(name, config, search.name), home / name, _steps(config), threads, enough)
        score = (
            load_run(home / name).series(METRICS + search.score)["value"].min() if outcome[0] == "finished" else None
        )
    except (OSError, ValueError, KeyError) as error:  # settings that don't go together, or nothing was measured
        outcome, score = Outcome("failed", str(error)), None
        say(f"{name}: failed: {error}")
    finally:
        ended.set()
        watcher.join()
    if score is not None:
        told = {"values": float(score)}
    elif given_up.is_set() or outcome.state == "failed":
        told = {"state": TrialState.PRUNED if given_up.is_set() else TrialState.FAIL}
    else:
        return
    with contextlib.suppress(UpdateFinishedTrialError):  # another process saw its end as well
        study.tell(number, **told, skip_if_finished=True)


def _steps(config: Config) -> int:
    images = load_images(config)
    rows = len(images.rows(config.hold_out))
    config.check_count(rows)
    return config.steps_per_epoch(rows) * config.epochs


def _hopeless(folder: Path) -> str:
    """What `diagnose` finds in the run that it won't recover from, in a line; empty for nothing."""
    from dcgan_lib.quality.diagnosis import diagnose  # imports torch

    with contextlib.suppress(Exception):  # whatever the record is like, the training goes on
        return next((str(each) for each in diagnose(load_run(folder)) if each.what in HOPELESS), "")
    return ""
