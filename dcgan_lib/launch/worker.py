"""One run of a sweep in a process of its own: its GPU, its threads, its bar, and how it ended."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import NamedTuple

from tqdm import tqdm

from dcgan_lib.launch.folders import LAUNCHER, SWEEP, TRAINER, FolderTaken, claim, is_finished, is_taken
from dcgan_lib.launch.gpus import one_gpu
from dcgan_lib.launch.notebook import TAKEN
from dcgan_lib.launch.sweep_file import SweepRun
from dcgan_lib.records.paths import PATHS
from dcgan_lib.records.reading import load_run

ELSEWHERE = "trained elsewhere"  # the state of a run that another process trains
STATES = {0: "finished", TAKEN: ELSEWHERE, 130: "interrupted"}  # by a launcher's exit code; all others: "failed"
BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class Outcome(NamedTuple):
    """How a run ended."""

    state: str  # one of `STATES`, "failed", or "not begun"
    said: str = ""  # by the launcher of a run that failed: the error, and the notebook's cell


def say(message: str) -> None:
    """Print a line above the bars, if there are any, and at once, also into a log."""
    with tqdm.external_write_mode():
        print(message, flush=True)


def train_in_process(
    run: SweepRun,
    folder: Path,
    steps: int,
    threads: int,
    stop: Event,
    tell: Callable[[str], None] = say,
    project: Path | None = None,
) -> Outcome:
    """Train one run by a launcher in a process of its own, once a GPU is free, and tell how it goes.

    What is finished, and what another process trains, is left alone. `steps`: of the whole run, for its bar. `threads`:
    for computing on the CPU; 0 leaves that to PyTorch. The launcher stops, saving, when `stop` is set, and when this
    process ends, however it ends. `project`: the folder that it works in, by default this process's.
    """
    try:
        with one_gpu(run.config.device, stop) as environment:
            if stop.is_set():
                return Outcome("interrupted" if folder.exists() else "not begun")
            begun = folder.exists()
            with claim(folder, wait=0, name=SWEEP):
                if is_finished(folder, run.config):  # perhaps by another sweep, a moment ago
                    outcome = Outcome("finished")
                elif is_taken(folder, LAUNCHER, TRAINER):
                    outcome = Outcome(ELSEWHERE)
                else:
                    if threads and "OMP_NUM_THREADS" not in os.environ:
                        environment["OMP_NUM_THREADS"] = str(threads)
                    saved = (folder / "checkpoint.pt").exists()
                    tell(f"{run.name}: {'goes on' if saved else 'tries again' if begun else 'begins'}")
                    code, said = _launch(run, folder, steps, environment, stop, tell, project)
                    outcome = Outcome(STATES[code]) if code in STATES else Outcome("failed", said)
    except FolderTaken:
        outcome = Outcome(ELSEWHERE)
    except Exception as error:  # no process, no lock, no temporary file: the other runs go on
        outcome = Outcome("failed", f"{type(error).__name__}: {error}")
    tell(f"{run.name}: {outcome.state}" + (f": {outcome.said.splitlines()[0]}" if outcome.said else ""))
    return outcome


def _launch(
    run: SweepRun,
    folder: Path,
    steps: int,
    environment: dict[str, str],
    stop: Event,
    tell: Callable[[str], None] = say,
    project: Path | None = None,
) -> tuple[int, str]:
    """Run the launcher to its end; returns its exit code and its last words."""
    text = {"encoding": "utf-8", "errors": "replace"}  # what native libraries say may be in any code
    with tempfile.TemporaryDirectory() as temporary, (Path(temporary) / "said").open("w+", **text) as log:
        settings = Path(temporary) / "settings.yaml"
        run.config.save(settings)
        command = [sys.executable, "-m", "dcgan_lib", "train", str(settings), "--run", folder.name]
        command += ["--runs", str(folder.parent), "--tag", run.tag, "--with-parent"]
        with (
            tqdm(desc=run.name, total=steps, bar_format=BAR, leave=False, disable=None if tell is say else True) as bar,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # held open: it closes with this process, and the launcher stops
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | environment,
                cwd=project,
                start_new_session=True,  # a terminal's Ctrl-C goes to the sweep alone
            ) as process,
        ):
            record = None
            while process.poll() is None and not stop.wait(0.5):
                with contextlib.suppress(Exception):  # whatever the record is like, the training goes on
                    if not bar.disable:
                        record = record or load_run(folder)
                        record.refresh()
                        bar.n = record.steps
                        bar.set_postfix({name: f"{record.last(PATHS[name])[1]:.3f}" for name in ("loss_d", "loss_g")})
            if process.poll() is None:
                tell(f"{run.name}: finishes its step and saves")
            process.stdin.close()
            code = process.wait()
        log.seek(0)
        lines = log.read().rstrip().splitlines()
    if code < 0:
        return code, f"its launcher was killed by signal {-code}; the same command goes on"
    first = max((number for number, line in enumerate(lines) if line[:1].strip()), default=0)
    return code, "\n".join(lines[first:])
