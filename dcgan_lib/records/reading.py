"""Reads runs back from Neptune's offline records on disk: no network, no account, no Neptune.

`python -m dcgan_lib.runs [folder]` prints them as a table, with the settings in which they differ.
"""

import contextlib
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from dcgan_lib.records.log_files import Journal, Process, find_processes
from dcgan_lib.records.replay import Replay, to_image

RECORD = "neptune"  # the folder within a run's own that holds its record
PLAIN = ".neptune"  # the folder where a plain `neptune.init_run(mode="offline")` keeps the records of all runs
SETTINGS = "config/hyperparameters/"  # the fields below it are what a run was made with
STATES = ("finished", "diverged", "interrupted", "failed", "unfinished")


def load_runs(folder: str | Path = "runs") -> list["RunRecord"]:
    """Every run in the folder, newest last; an empty list where there is none. A run's own folder gives that one run.

    What a plain `neptune.init_run(mode="offline")` leaves is read too, a run a uuid: give its folder `.neptune`, or the
    one that holds it. Raises `NotADirectoryError` for a file.
    """
    folder = Path(folder)
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file: give the folder that holds the runs")
    plain = folder if folder.resolve().name == PLAIN else folder / PLAIN
    processes, problems = find_processes(plain, plain)
    groups = {uuid: [p for p in processes if p.uuid == uuid] for uuid in {p.uuid for p in processes}}
    records = [RunRecord(uuid, plain, own, problems) for uuid, own in groups.items()]
    if plain != folder and folder.is_dir():
        children = [child for child in folder.iterdir() if _has_record(child)]
        own = not children and _has_record(folder)  # one of the children may be a run called "neptune"
        records += [load_run(each) for each in ([folder] if own else children)]
    return sorted(records, key=lambda record: (record.created, record.run_id))


def load_run(folder: str | Path) -> "RunRecord":
    """The run in this folder; `FileNotFoundError` where it has no record."""
    folder = Path(folder)
    if not _has_record(folder):
        raise FileNotFoundError(f"no run in {folder}: it has no folder {RECORD}/")
    return RunRecord(folder.resolve().name, folder, *find_processes(folder / RECORD, folder))


def newest_run(folder: str | Path = "runs") -> "RunRecord":
    """The run begun last; `FileNotFoundError` where there is none."""
    records = load_runs(folder)
    if not records:
        raise FileNotFoundError(f"no runs in {folder}: train first, or give the folder that holds them")
    return records[-1]


def _has_record(folder: Path) -> bool:
    try:
        return (folder / RECORD).is_dir()
    except PermissionError:  # such as lost+found
        return False


class RunRecord:
    """One run, read as its attributes are asked for: the fields quickly, a series when it is first looked at.

    Where several processes have written it (a resumed training), their records follow each other in the order in which
    they began. A run that is still going on shows what it had written when it was read, or last refreshed.
    """

    def __init__(self, run_id: str, folder: Path, processes: list[Process], problems: list[str]) -> None:
        self.run_id = run_id
        self.folder = folder
        self._processes = processes
        self._foreign = problems
        self._replayed: Replay | None = None

    def refresh(self) -> bool:
        """Read on from where the last reading stopped; whether there was anything new.

        Where what was read no longer stands in its files (cut, written anew, deleted), everything is read again.
        """
        plain = self.folder.resolve().name == PLAIN
        processes, self._foreign = find_processes(self.folder if plain else self.folder / RECORD, self.folder)
        self._processes = [process for process in processes if not plain or process.uuid == self.run_id]
        if self._replayed is not None and self._replayed.journal.continues(self._processes):
            return self._replayed.read_on(self._processes)
        replay = Replay(Journal(self.folder))
        replay.read_on(self._processes)
        self._replayed = replay
        return True

    @property
    def created(self) -> datetime:
        """When its first process began, in UTC."""
        if self._processes:
            return self._processes[0].created
        try:
            return datetime.fromtimestamp(self.folder.stat().st_mtime, UTC)
        except OSError:  # deleted meanwhile
            return datetime.fromtimestamp(0, UTC)

    @property
    def fields(self) -> dict[str, Any]:
        """Path → value: text, number, bool, a datetime in UTC, or a frozenset of tags."""
        return self._replay.fields

    @property
    def name(self) -> str:
        """What its user called it (`sys/name`), or else its id."""
        name = self.fields.get("sys/name")
        return self.run_id if name in (None, "", "Untitled") else str(name)  # Untitled: Neptune's own default

    @property
    def tags(self) -> frozenset[str]:
        """Its tags, of `sys/tags`."""
        tags = self.fields.get("sys/tags")
        return tags if isinstance(tags, frozenset) else frozenset()

    @property
    def settings(self) -> dict[str, Any]:
        """The fields below `config/hyperparameters/`, by the rest of their path."""
        return {path.removeprefix(SETTINGS): value for path, value in self.fields.items() if path.startswith(SETTINGS)}

    @property
    def failed(self) -> bool:
        """Whether an exception ended the last process's `with` block."""
        return bool(self.fields.get("sys/failed", False))

    @property
    def state(self) -> str:
        """One of `STATES`; "unfinished" is still running, or killed."""
        reported = self.fields.get("training/state")
        if reported in ("diverged", "interrupted"):
            return reported
        return "failed" if self.failed else "finished" if reported == "finished" else "unfinished"

    @property
    def steps(self) -> int:
        """The newest step of any series of numbers, 0 for none; reads a line a series."""
        return int(max((self.last(path)[0] for path in self._names("LogFloats")), default=0))

    @property
    def series_names(self) -> list[str]:
        """Paths of the series of numbers and texts."""
        return self._names("LogFloats", "LogStrings")

    @property
    def image_names(self) -> list[str]:
        """Paths of the series of images."""
        return self._names("LogImages")

    @property
    def problems(self) -> list[str]:
        """What could not be read and was left out, a line each; reads every point."""
        for path in self._replay.series:
            self._replay.rows(path)
        return self._problems_met()

    def last(self, path: str) -> tuple[float, float | str]:
        """The point of a series that was written last, as (step, value), without reading the others where possible.

        Raises `KeyError` for no series.
        """
        self._check("series", path, self.series_names)
        return self._replay.newest(path)[:2]

    def series(self, path: str) -> pd.DataFrame:
        """One series as columns step, value, time (UTC), seconds, by step; of a step logged twice the newer value.

        `seconds` count from the run's beginning, without the pauses between its processes. A point logged without a
        step takes its predecessor's and one, 0 the first. Points that a resumed training gave up, since it went on from
        an earlier step, are left out. Raises `KeyError` for no series.
        """
        self._check("series", path, self.series_names)
        frame = pd.DataFrame(self._replay.rows(path), columns=["step", "value", "time", "process"])
        starts = dict(enumerate(self._replay.journal.starts()))
        frame["seconds"] = frame["time"] - frame.pop("process").map(starts)
        frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True, errors="coerce")
        return frame.drop_duplicates("step", keep="last").sort_values("step", ignore_index=True)

    def image_steps(self, path: str) -> list[float]:
        """At which steps a series of images has one, in order; `KeyError` for no series."""
        return sorted(self._image_places(path))

    def image(self, path: str, step: float) -> Image.Image:
        """The image of one of `image_steps`, of a step logged twice the newer; `KeyError` for none.

        Raises `ValueError` for one that can't be read.
        """
        places = self._image_places(path)
        self._check("image", step, places)
        file, offset, index = places[step]
        try:
            return to_image(self._replay.journal.line(file, offset), index)
        except Exception as error:  # a decoder meets arbitrary bytes here, and raises nearly anything
            problem = f"{path}, step {step}: no image ({type(error).__name__})"
            self._replay.journal.problems[problem] = None
            raise ValueError(problem) from error

    def images(self, path: str) -> list[tuple[float, Image.Image]]:
        """One series of images by step, as (step, image), without those that are broken; `KeyError` for no series."""
        pictures = []
        for step in self.image_steps(path):
            with contextlib.suppress(ValueError):  # it is among the problems now
                pictures.append((step, self.image(path, step)))
        return pictures

    def file(self, path: str) -> Path:
        """Where an uploaded file's content lies; `KeyError` where none was uploaded, or none can be read."""
        self._check("file", path, self._replay.files)
        return self._replay.files[path]

    def text(self, path: str) -> str:
        """An uploaded text, such as `io_files/artifacts/Generator_arch`."""
        return self.file(path).read_text(encoding="utf-8", errors="replace")

    @property
    def _replay(self) -> Replay:
        if self._replayed is None:
            self.refresh()
        return self._replayed

    def _names(self, *kinds: str) -> list[str]:
        series = self._replay.series
        return sorted(path for path in series if series[path].kind in kinds and self._replay.newest(path))

    def _image_places(self, path: str) -> dict[float, tuple]:
        self._check("images", path, self.image_names)
        return {step: place for step, place, _, _ in self._replay.rows(path)}

    def _problems_met(self) -> list[str]:
        return [*self._foreign, *self._replay.journal.problems]

    def _check(self, kind: str, name: Any, names: Collection) -> None:
        if name not in names:
            has = ", ".join(str(known) for known in sorted(names)) or "none"
            raise KeyError(f"run {self.run_id} has no {kind} {name!r}; it has {has}")
