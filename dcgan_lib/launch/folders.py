"""A run's folder: who trains in it, whether its run is finished, and whether it is a run of these settings."""

import contextlib
import json
import random
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dcgan_lib import checkpoint
from dcgan_lib.config import COMPUTING, REPORTING, Config
from dcgan_lib.data import ImageSet
from dcgan_lib.launch.lease import Held, holder_elsewhere, lease
from dcgan_lib.sharing.starting import check_source

TRAINER = ".lock"  # held by the process that trains
LAUNCHER = ".launcher.lock"  # held by the process that writes the run's notebook
SWEEP = ".sweep.lock"  # held by the sweep that has chosen the run


class FolderTaken(RuntimeError):
    """Another process holds the run's folder."""


@contextlib.contextmanager
def claim(folder: Path, wait: float = 10, name: str = TRAINER) -> Iterator[None]:
    """Hold a run's folder, so that no other process trains in it; the hold ends with the process, however it ends.

    On this machine it ends at once, by the kernel's lock; for others that share the folder after `lease.DEAD` seconds
    at most, by a lease. Waits some seconds, since the kernel of a killed run lives on for a moment. Raises
    `FolderTaken` after that.
    """
    from filelock import FileLock, Timeout

    taken, advice = f"{folder} is being trained by another process", "wait for it, or give the run another name"
    until = time.monotonic() + wait
    with contextlib.ExitStack() as held:
        while True:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with contextlib.ExitStack() as both:
                    both.enter_context(FileLock(folder / name).acquire(max(0, until - time.monotonic())))
                    both.enter_context(lease(folder / name))
                    held.push(both.pop_all())
                break
            except Timeout:
                raise FolderTaken(f"{taken}: {advice}") from None
            except Held as error:
                if time.monotonic() >= until:
                    raise FolderTaken(f"{taken}, {error}: {advice}") from None
                time.sleep(random.uniform(0.2, 1))  # two that came at once don't meet again
            except OSError as error:
                raise OSError(f"{folder} can't be a run's folder: {error.strerror or error}; choose another") from error
        yield


def as_word(value: Any) -> str:
    """A value as a folder's name or a tag can hold it: what suits none becomes "-", and the last 40 characters stay."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.")[-40:] or "none"


def run_folder(runs: str | Path, name: str) -> Path:
    """The folder of the run of this name; `ValueError` for what can't be the name of a folder everywhere."""
    wrong = not name.isprintable() or re.search(r'[/\\:*?"<>|]', name) or name.strip(" .") != name or not name
    if wrong or len(name.encode()) > 200 or name.startswith("-"):
        advice = "up to 200 letters, digits, spaces and -_.,=+ do; no /, \\, : or *, no dot, blank or minus at the ends"
        raise ValueError(f"{name[:60]!r} can't be the name of a run: {advice}")
    return Path(runs) / name


def is_taken(folder: Path, *names: str) -> bool:
    """Whether another process, of this or another machine, holds the folder, by one of these names, or by any."""
    from filelock import FileLock, Timeout

    for name in names or (SWEEP, LAUNCHER, TRAINER):
        if not (folder / name).exists():  # and a folder that is gone must not come back
            continue
        try:
            with contextlib.suppress(FileNotFoundError), FileLock(folder / name).acquire(0):
                if holder_elsewhere(folder / name):
                    return True
        except Timeout:
            return True
    return False


def is_finished(folder: Path, config: Config) -> bool:
    """Whether the folder holds a run of these settings that was trained to its end, and its notebook executed.

    How it was reported and computed may differ.
    """
    from dcgan_lib.records.reading import load_run  # pandas takes a while to import

    executed = folder / "notebook.ipynb"
    try:
        differences = Config.from_file(folder / "config.json").differences(config)
        if not differences.keys() <= (REPORTING | COMPUTING) - {"epochs"} or load_run(folder).state != "finished":
            return False
        about = json.loads(executed.read_text(encoding="utf-8"))["metadata"]["papermill"] if executed.exists() else None
    except (OSError, ValueError, TypeError, KeyError):  # not a run, or stopped before it was one
        return False
    return about is None or (bool(about.get("end_time")) and not about.get("exception"))


def choose_run(runs: Path, config: Config, label: str) -> str:
    """The newest unfinished run of this very Config, to go on with it, or a new name: label-date-time."""
    for folder in sorted(runs.glob(f"{label}-*"), reverse=True):
        with contextlib.suppress(OSError, ValueError, TypeError):  # not a run, or one of another version
            if Config.from_file(folder / "config.json") == config and not is_finished(folder, config):
                return folder.name
    return f"{label}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"  # two may start in one second


def check_folder(folder: Path, config: Config, images: ImageSet) -> None:
    """`ValueError` where the images don't fill a step, or the folder's run is of others, of other settings, or damaged.

    Settings of reporting and computing may differ, and `epochs` be raised. For a run that has not begun also what
    `sharing.starting.check_source` raises.
    """
    config.check_count(len(images.rows(config.hold_out)))
    if not (folder / "checkpoint.pt").exists():
        check_source(config)
    if not (folder / "config.json").exists():
        return
    from dcgan_lib.records.reading import load_run

    advice = "set it back, or choose another folder"
    try:
        differences = Config.from_file(folder / "config.json").differences(config)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error}; {advice}") from error
    before, after = differences.get("epochs", (0, 0))
    allowed = (REPORTING | COMPUTING) - ({"epochs"} if before > after else set())
    told = [f"{name} was {old!r} and is now {new!r}" for name, (old, new) in differences.items() if name not in allowed]
    if told:
        raise ValueError(f"{folder} is a run of other settings: {', '.join(told)}; {advice}")
    with contextlib.suppress(FileNotFoundError):  # no record
        record = load_run(folder)
        trained_on = record.fields.get("config/dataset/fingerprint", images.fingerprint)
        if trained_on != images.fingerprint and (folder / "checkpoint.pt").exists():
            raise ValueError(f"{folder} was trained on other images than {images.source} holds: bring them back")
        lacking = record.lacking
        if not (lacking or record.steps) and (folder / "checkpoint.pt").exists():
            lacking = "its record lacks the steps before its checkpoint: files were taken out of it"
        if lacking:
            advice = "move the folder away, and the same command begins again, or choose another folder"
            raise ValueError(f"{folder} is not whole, {lacking}; {advice}")
    if (folder / "checkpoint.pt").exists():
        checkpoint.check(folder / "checkpoint.pt")  # here, before the notebook of the run is written over
