"""One run of a sweep in a process of its own: its turn in the folder, its GPU, its threads, and how it ended."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
from tqdm import tqdm

from dcgan_lib.config import Config
from dcgan_lib.launch.notebook import LAUNCHER, TAKEN, FolderTaken, claim, is_finished
from dcgan_lib.launch.sweep_file import SweepRun, as_word

MEMORY = 2 << 30  # bytes for a run: at the sizes of configs/cpu.yaml it takes at most 1.7 GB


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    planned: SweepRun
    folder: Path
    state: str  # "finished", "failed", "interrupted", or "not begun"
    said: str = ""  # its launcher's last words: the error, and the notebook's cell


class Stop(threading.Event):
    """A request to stop, shared by the threads of a process; sent to another process, it arrives there unset."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Stop, ()


def train_in_process(planned: SweepRun, folder: Path, threads: int, stop: Stop) -> Outcome:
    """Train one run by a launcher in a process of its own, once nobody else trains it and a GPU is free.

    `threads`: for computing on the CPU; 0 leaves that to PyTorch. The launcher stops, saving, when `stop` is set, and
    when this process ends, however it ends.
    """
    code, said = TAKEN, ""
    try:
        while code == TAKEN:  # or another process was quicker
            _wait_for_turn(folder, stop)
            with one_gpu(planned.config.device, stop) as environment:
                if stop.is_set():
                    return Outcome(planned, folder, "interrupted" if folder.exists() else "not begun")
                if is_done(planned.config, folder):
                    return Outcome(planned, folder, "finished")
                if threads and "OMP_NUM_THREADS" not in os.environ:
                    environment["OMP_NUM_THREADS"] = str(threads)
                code, said = _launcher(planned, folder, environment, stop)
    except Exception as error:  # no process, no lock, no temporary file: the other runs go on
        return Outcome(planned, folder, "failed", f"{type(error).__name__}: {error}")
    states = {0: "finished", 130: "interrupted"}
    return Outcome(planned, folder, states[code]) if code in states else Outcome(planned, folder, "failed", said)


def is_done(config: Config, folder: Path) -> bool:
    """Whether the run in this folder is finished, and that after as many epochs as the Config has."""
    settings = folder / "config.json"
    return settings.exists() and is_finished(folder) and Config.from_file(settings).epochs == config.epochs


def default_jobs(configs: list[Config]) -> int:
    """How many of these runs this machine trains at a time: one a GPU, or without GPUs one a core that has memory."""
    import psutil

    gpus = visible_gpus() if any(config.device != "cpu" for config in configs) else []
    most = len(gpus) or min(joblib.cpu_count(), psutil.virtual_memory().total // MEMORY)
    return max(1, min(len(configs), most))


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch  # takes seconds to import

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count))))
    return [name.strip() for name in named.split(",")][:count]


def gpus_for(device: str) -> list[str]:
    """Those of the visible GPUs that a run with this setting may use; none for the CPU."""
    kind, _, number = device.partition(":")
    gpus = visible_gpus() if kind in ("auto", "cuda") else []
    return [gpu for index, gpu in enumerate(gpus) if number in ("", str(index))]


@contextlib.contextmanager
def one_gpu(device: str, stop: Stop) -> Iterator[dict[str, str]]:
    """Hold one of this machine's GPUs that no run of any sweep holds; gives the environment that shows it alone.

    Waits until one is free, or `stop` is set. Without GPUs, or for the CPU, there is nothing to wait for.
    """
    from filelock import FileLock, Timeout

    gpus = gpus_for(device)
    while gpus and not stop.is_set():
        for gpu in gpus:
            slot = FileLock(Path(tempfile.gettempdir()) / f"dcgan-gpu-{as_word(gpu)}.lock", mode=0o666)  # all users'
            try:
                slot.acquire(blocking=False)
            except Timeout:
                continue
            try:
                yield {} if ":" in device else {"CUDA_VISIBLE_DEVICES": gpu}
            finally:
                slot.release()
            return
        stop.wait(1)
    yield {}


def _wait_for_turn(folder: Path, stop: Stop) -> None:
    """Return once no process trains in the folder, or `stop` is set."""
    told = False
    while folder.exists() and not stop.is_set():
        try:
            with claim(folder, wait=0, name=LAUNCHER), claim(folder, wait=0):
                return
        except FolderTaken:
            if not told:
                say(f"{folder.name}: another process trains it, waiting for its end")
            told = True
            stop.wait(1)


def _launcher(planned: SweepRun, folder: Path, environment: dict[str, str], stop: Stop) -> tuple[int, str]:
    """Run the launcher to its end; gives its exit code and its last words."""
    text = {"encoding": "utf-8", "errors": "replace"}  # what native libraries say may be in any code
    with tempfile.TemporaryDirectory() as temporary, (Path(temporary) / "said").open("w+", **text) as log:
        settings = Path(temporary) / "settings.yaml"
        planned.config.save(settings)
        command = [sys.executable, "-m", "dcgan_lib.launch", str(settings), "--run", folder.name]
        command += ["--runs", str(folder.parent), "--tag", planned.tag, "--with-parent"]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # held open: it closes with this process, and the launcher stops
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=os.environ | environment,
            start_new_session=True,  # a terminal's Ctrl-C goes to the sweep alone
        ) as process:
            while process.poll() is None and not stop.wait(0.2):
                pass
            process.stdin.close()
            code = process.wait()
        log.seek(0)
        lines = log.read().rstrip().splitlines()
    if code < 0:
        return code, f"its launcher was killed by signal {-code}; the same command goes on"
    first = max((number for number, line in enumerate(lines) if line[:1].strip()), default=0)
    return code, "\n".join(lines[first:])


def say(message: str) -> None:
    """Print a line above the bars, if there are any, and at once, also into a log."""
    with tqdm.external_write_mode():
        print(message, flush=True)
