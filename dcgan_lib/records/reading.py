"""Reads runs back from Neptune's offline records on disk: no network, no account, no Neptune."""

import contextlib
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from dcgan_lib.records.log_files import find_processes
from dcgan_lib.records.paths import PATHS, RECORD, RESUMED, SETTINGS, STATE
from dcgan_lib.records.replay import Replay, to_image

MOST_LETTERS = 200  # of a name
PLAIN = ".neptune"  # the folder where a plain `neptune.init_run(mode="offline")` keeps the records of all runs


def load_runs(folder: str | Path = "runs") -> list["RunRecord"]:
    """Every run in the folder, newest last; an empty list where there is none. For a run's own folder, that one run.

    What a plain `neptune.init_run(mode="offline")` leaves is read too, a run a uuid: give its folder `.neptune`, or the
    one that holds it. Raises `NotADirectoryError` for a file.
    """
    folder = Path(folder)
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file: give the folder that holds the runs")
    plain = folder if folder.resolve().name == PLAIN else folder / PLAIN
    records = [RunRecord(uuid, plain) for uuid in {process.uuid for process in find_processes(plain, plain)[0]}]
    if plain != folder and folder.is_dir():
        children = [child for child in folder.iterdir() if has_record(child)]
        own = not children and has_record(folder)  # one of the children may be a run called "neptune"
        records += [load_run(each) for each in ([folder] if own else children)]
    return sorted(records, key=lambda record: (record.created, record.run_id))


def load_run(folder: str | Path) -> "RunRecord":
    """The run in this folder; `FileNotFoundError` where it has no record."""
    folder = Path(folder)
    if not has_record(folder):
        raise FileNotFoundError(f"no run in {folder}: it has no folder {RECORD}/")
    return RunRecord(folder.resolve().name, folder)


def find_runs(folder: str | Path) -> list["RunRecord"]:
    """What `load_runs` returns; `FileNotFoundError` where that is nothing."""
    if records := load_runs(folder):
        return records
    raise FileNotFoundError(f"no runs in {folder}: train first, or give the folder that holds them")


def printable(text: str) -> str:
    """The same without characters that would steer a terminal, or that no file can hold."""
    return "".join(character if character.isprintable() else " " for character in text)


def has_record(folder: Path) -> bool:
    """Whether this is a run's own folder."""
    return any(folder.glob(f"{RECORD}/"))  # unlike is_dir, it passes over what may not be read, such as lost+found


class RunRecord:
    """One run, read as its attributes are asked for: the fields quickly, a series when it is first looked at.

    Where several processes have written it (a resumed training), their records follow each other in the order in which
    they began. A run that is still going on shows what it had written when it was read, or last refreshed.
    """

    def __init__(self, run_id: str, folder: Path) -> None:
        self.run_id = run_id
        self.folder = folder  # the run's own, or the `.neptune` that it shares
        self._replayed: Replay | None = None
        self._find_processes()

    def refresh(self) -> bool:
        """Read on from where the last reading stopped; whether there was anything new.

        Where one of the processes that were read is gone, or came in between, everything is read again.
        """
        self._find_processes()
        if self._replayed is None or self._replayed.processes != self._processes[: len(self._replayed.processes)]:
            self._replayed = Replay(self.folder)
            self._replayed.read_on(self._processes)
            return True
        return self._replayed.read_on(self._processes)

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
        """What its user called it (`sys/name`), as far as it can be shown, or else its id."""
        name = printable(str(self.fields.get("sys/name") or "")[:MOST_LETTERS]).strip()
        return self.run_id if name in ("", "Untitled") else name  # Untitled: Neptune's own default

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
    def state(self) -> str:
        """Finished, diverged, interrupted, failed (by an exception), or unfinished: still running, or killed.

        Or incomplete: trained to its end, but its record lacks steps, as `lacking` says.
        """
        reported = self.fields.get(STATE)
        if reported in ("diverged", "interrupted"):
            return reported
        if self.fields.get("sys/failed") or reported != "finished":
            return "failed" if self.fields.get("sys/failed") else "unfinished"
        return "incomplete" if self.lacking else "finished"

    @property
    def lacking(self) -> str:
        """A line on steps that came before what is recorded; empty for none, and for a record of other code.

        A run's folder that was deleted, or files that were taken out of it, while it trained may leave such a record.
        """
        gap = self._replay.gap(PATHS["loss_g"]) if {STATE, RESUMED} & self.fields.keys() else None
        return f"its record lacks steps {gap[0]:,} to {gap[1]:,}: files were taken out of it" if gap else ""

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
        return self.problems_so_far

    @property
    def problems_so_far(self) -> list[str]:
        """Those of `problems` that what was read until now has shown."""
        return [*self._foreign, *filter(None, [self.lacking]), *self._replay.problems]

    def last(self, path: str) -> tuple[float, float | str]:
        """The newest point of a series, as (step, value), in most cases by its line alone; `KeyError` for no series."""
        self._check("series", path, self.series_names)
        return self._replay.newest(path)[:2]

    def series(self, path: str) -> pd.DataFrame:
        """One series as columns step, value, time (UTC), seconds, by step; of two values at one step the newer.

        `seconds` count from the run's beginning, without the pauses between its processes. A point without a step gets
        the one after its predecessor's, the first 0. Points that a resumed training gave up, since it went on from an
        earlier step, are left out. Raises `KeyError` for no series.
        """
        self._check("series", path, self.series_names)
        frame = pd.DataFrame(self._replay.rows(path), columns=["step", "value", "time", "process"])
        starts = dict(enumerate(self._replay.starts()))
        frame["seconds"] = frame["time"] - frame.pop("process").map(starts)
        frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True, errors="coerce")
        return frame.drop_duplicates("step", keep="last").sort_values("step", ignore_index=True)

    def image_times(self, path: str) -> dict[float, float]:
        """When the images of a series were logged: step → seconds since 1970; `KeyError` for no series."""
        self._check("images", path, self.image_names)
        return {step: time for step, _, time, _ in self._replay.rows(path)}

    def image_steps(self, path: str) -> list[float]:
        """At which steps a series of images has one, in order; `KeyError` for no series."""
        return sorted(self.image_times(path))

    def image(self, path: str, step: float) -> Image.Image:
        """The image of one of `image_steps`; `KeyError` for no such one, `ValueError` for one that can't be read."""
        self._check("image", step, self.image_times(path))
        log, offset, index = {row[0]: row[1] for row in self._replay.rows(path)}[step]
        try:
            [(*_, line)] = self._replay.lines({log: [offset]})
            return to_image(line, index)
        except Exception as error:  # a decoder meets arbitrary bytes here, and raises nearly anything
            problem = f"{path}, step {step}: not an image ({type(error).__name__})"
            self._replay.problems[problem] = None
            raise ValueError(problem) from error

    def images(self, path: str) -> list[tuple[float, Image.Image]]:
        """One series of images by step, as (step, image), without those that can't be read."""
        pictures = []
        for step in self.image_steps(path):
            with contextlib.suppress(ValueError):  # it is among the problems now
                pictures.append((step, self.image(path, step)))
        return pictures

    @property
    def file_names(self) -> list[str]:
        """Paths of the uploaded files of which the record has the content."""
        return sorted(self._replay.files)

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

    def _find_processes(self) -> None:
        plain = self.folder.resolve().name == PLAIN
        processes, self._foreign = find_processes(self.folder if plain else self.folder / RECORD, self.folder)
        self._processes = [process for process in processes if not plain or process.uuid == self.run_id]

    def _names(self, *kinds: str) -> list[str]:
        series = self._replay.series
        return sorted(path for path in series if series[path].kind in kinds and self._replay.newest(path))

    def _check(self, kind: str, name: Any, names: Collection) -> None:
        if name not in names:
            has = ", ".join(str(known) for known in sorted(names)) or "none"
            raise KeyError(f"run {self.run_id} has no {kind} {name!r}; it has {has}")
