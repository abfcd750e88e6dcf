"""The operations of a Neptune record applied in order: the fields, files and series that they leave.

Fields are read at once. Of a series only the places of its lines are kept, until somebody asks for its points.
"""

import base64
import contextlib
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from dcgan_lib.records.log_files import BROKEN, Process, inside, parse, whole
from dcgan_lib.records.paths import RESUMED

# How the client writes a line of points: a reader who knows it finds a series without parsing megabytes of pictures.
MOST_PIXELS = 1 << 25  # of a picture in a record
_POINTS = b'{"obj": {"type": "Log'
_VALUES = b'], "values": ['
_END = re.compile(rb'\]\}, "version": (\d{1,18})(?:, "at": [^}]+)?\}\n')
_AT = re.compile(rb', "at": (\d{1,18}(?:\.\d*)?)\}\n')

_TYPES = {"AssignString": str, "AssignFloat": (int, float), "AssignInt": int, "AssignBool": bool}
_decode = json.JSONDecoder().raw_decode


@dataclass(eq=False)
class LogFile:
    """A file of operations, a line each: of which process (the run's first is 0), and how far it was read."""

    path: Path
    process: int
    end: int = 0
    last: bytes = b""  # the end of the last line read, which tells when it was written


@dataclass
class Series:
    """The points of one path: rows of (step, value, seconds since 1970, process), and the lines not yet read."""

    kind: str
    rows: list[tuple] = field(default_factory=list)
    unread: dict[LogFile, list[int]] = field(default_factory=lambda: defaultdict(list))  # at which bytes


class Replay:
    """What a run's operations so far amount to; no file outside the run's folder, `home`, is ever opened."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.processes: list[Process] = []
        self.problems: dict[str, None] = {}  # a line each, in the order in which they were met
        self.fields: dict[str, Any] = {}
        self.files: dict[str, Path] = {}
        self.series: dict[str, Series] = {}
        self._logs: dict[Path, LogFile] = {}
        self._versions: defaultdict[int, set[int]] = defaultdict(set)  # process: the operations that were applied
        self._resumed: dict[int, float] = {}  # process: the step from which it went on
        self._newest: dict[str, tuple | None] = {}  # what `newest` has found since the last reading

    def read_on(self, processes: list[Process]) -> bool:
        """Apply each line that these processes have written since the last time; whether there was any."""
        self.processes, new = processes, False
        self._newest.clear()
        for number, process in enumerate(processes):
            try:
                for path in process.logs():
                    log = self._logs.setdefault(path, LogFile(path, number))
                    new |= self._read_log(log)
            except OSError as error:
                self._note(process.folder, error)
        return new

    def _read_log(self, log: LogFile) -> bool:
        begin = end = log.end
        try:
            with inside(self.home, log.path).open("rb", buffering=2**20) as content:
                content.seek(begin)
                for line in content:
                    if not line.endswith(b"\n"):
                        break  # it is still being written
                    try:
                        self._take(line, log, end)
                    except BROKEN as error:
                        self._note(log.path, error, end)
                    end += len(line)
                    log.last = line[-100:]
        except BROKEN as error:
            self._note(log.path, error)
        log.end = end
        return end > begin

    def lines(self, places: dict[LogFile, list[int]]) -> Iterator[tuple[LogFile, int, bytes]]:
        """The lines at these bytes of these files again, without those that can't be read."""
        for log, offsets in places.items():
            try:
                with inside(self.home, log.path).open("rb", buffering=2**16) as content:
                    for offset in offsets:
                        content.seek(offset)
                        yield log, offset, content.readline()
            except BROKEN as error:
                self._note(log.path, error)

    def starts(self) -> list[float]:
        """For each process the time, in seconds since 1970, from which the run's seconds count: pauses left out."""
        starts: list[float] = []
        for number, process in enumerate(self.processes):
            began = process.created.timestamp()
            ended = [float(at[1]) for f in self._logs.values() if f.process < number and (at := _AT.search(f.last))]
            pause = max(0.0, began - max(ended, default=began))  # none where processes run side by side
            starts.append(starts[-1] + pause if starts else began)
        return starts

    def rows(self, path: str) -> list[tuple]:
        """The points of a series as (step, value, seconds since 1970, process), in the order of writing.

        What a process wrote beyond the step from which a later one went on is left out: those weights were given up.
        """
        series = self.series[path]
        rows = list(series.rows)  # so that after an interrupt no point is there twice, and none is missing
        for log, offset, line in self.lines(series.unread):
            try:
                rows += _points(line, series.kind, log, offset, rows[-1][0] + 1 if rows else 0)
            except BROKEN as error:
                self._note(log.path, error, offset)
        series.rows, series.unread = rows, defaultdict(list)
        return [row for row in rows if self._counts(row)] if self._resumed else rows

    def newest(self, path: str) -> tuple | None:
        """The row of a series that was written last, from its last line alone where that will do; None for none."""
        if path not in self._newest:
            series, row = self.series[path], None
            try:
                log = next(reversed(series.unread))
                [(_, offset, line)] = self.lines({log: series.unread[log][-1:]})
                row = _points(line, series.kind, log, offset, None)[-1]
            except (*BROKEN, StopIteration):
                pass  # nothing is unread, the line is broken, or its step is the one before and one
            if row is None or not self._counts(row):
                row = next(reversed(self.rows(path)), None)
            self._newest[path] = row
        return self._newest[path]

    def gap(self, path: str) -> tuple[int, int] | None:
        """The first steps (from, to) that a series of every step lacks before what a process wrote; None for none.

        Looks at the first and the last point of each process alone, and at the step from which it went on.
        """
        series, ends = self.series.get(path, Series("LogFloats")), defaultdict(list)
        for step, _, _, process in series.rows:
            ends[process].append(step)
        for log, offset, line in self.lines({log: [at[0], at[-1]] for log, at in series.unread.items()}):
            with contextlib.suppress(*BROKEN):
                points = _points(line, "LogFloats", log, offset, None)
                ends[log.process] += [points[0][0], points[-1][0]]
        reached = 0
        for process in sorted({*ends, *self._resumed}):
            begins = ends[process][0] if process in ends else self._resumed[process] + 1
            if begins > reached + 1:
                return reached + 1, int(begins) - 1
            reached = ends[process][-1] if process in ends else begins - 1
        return None

    def _take(self, line: bytes, log: LogFile, offset: int) -> None:
        """Apply one line; raises one of `BROKEN`, and changes nothing, for a bad one."""
        versions = self._versions[log.process]  # forked workers write their parent's operations again
        if line.startswith(_POINTS):
            kind, path = _read_head(line[: line.find(_VALUES)])
            end = _END.search(line, len(line) - 80)
            if end is None:
                raise ValueError("its end is missing")
            version = int(end[1])
            if version not in versions:
                series = self.series.get(path) or Series(kind)
                if series.kind != kind:
                    raise TypeError(f"{kind} for a series of {series.kind}")
                series.unread[log].append(offset)
                self.series[path] = series
        else:
            entry = parse(line)
            version = entry["version"]
            if version not in versions:
                self._apply(entry["obj"], log)
        versions.add(version)

    def _apply(self, operation: dict[str, Any], log: LogFile) -> None:
        path = "/".join(operation["path"])
        match operation["type"]:
            case "AssignString" | "AssignFloat" | "AssignInt" | "AssignBool" as kind:
                value = operation["value"]
                if not isinstance(value, _TYPES[kind]):
                    raise TypeError(f"{kind} with {type(value).__name__}")
                self.fields[path] = value
                if path == RESUMED and kind in ("AssignInt", "AssignFloat"):
                    self._resumed[log.process] = value
            case "AssignDatetime":
                self.fields[path] = datetime.fromtimestamp(operation["value"] / 1000, UTC)
            case "AddStrings":
                self.fields[path] = self.fields.get(path, frozenset()) | set(map(str, operation["values"]))
            case "RemoveStrings":
                self.fields[path] = self.fields.get(path, frozenset()) - set(operation["values"])
            case "UploadFile":
                copy = operation["tmp_file_name"]  # None for a file uploaded by path: the record holds no content
                file = log.path.parent / "upload_path" / copy if copy else self.home / operation["file_path"]
                self.files[path] = inside(self.home, file)
            case "DeleteAttribute" | "ClearFloatLog" | "ClearStringLog" | "ClearImageLog" | "ClearStringSet":
                for entries in (self.fields, self.files, self.series):
                    entries.pop(path, None)
            case "ConfigFloatSeries" | "UploadFileSet" | "DeleteFiles" | "TrackFilesToArtifact" | "ClearArtifact":
                pass  # how to plot an axis, and names of files whose content the record doesn't hold
            case unknown:
                raise ValueError(f"unknown operation {unknown}")

    def _counts(self, row: tuple) -> bool:
        return not any(row[0] > step for process, step in self._resumed.items() if process > row[3])

    def _note(self, path: Path, error: Exception, offset: int | None = None) -> None:
        where = f"{path.relative_to(self.home)}" + ("" if offset is None else f", byte {offset}")
        self.problems[f"{where}: left out ({error!r})"] = None


@lru_cache(maxsize=1024)
def _read_head(head: bytes) -> tuple[str, str]:
    """The kind and the path of a line of points, from its bytes before them."""
    operation = parse(head + b"]}}")["obj"]
    if operation["type"] not in ("LogFloats", "LogStrings", "LogImages"):
        raise ValueError(f"unknown operation {operation['type']}")
    return operation["type"], "/".join(operation["path"])


def _points(line: bytes, kind: str, log: LogFile, offset: int, following: float | None) -> list[tuple]:
    """The rows of one line; `following` is the step of a point that was logged without one."""
    text = line[line.index(_VALUES) + len(_VALUES) - 1 :].decode()
    values, end = _decode(text)  # the points alone: half the time of the whole line
    if not text.startswith('}, "version": ', end):
        raise ValueError("its end is missing")
    rows = []
    for index, entry in enumerate(values):
        step, value = entry["step"], entry["value"]
        if step is None:
            step = following
        if not -(2**53) < step < 2**53:  # NaN neither
            raise ValueError(f"step {step}")
        value = (
            float(value) if kind == "LogFloats" else whole(str(value)) if kind == "LogStrings" else (log, offset, index)
        )
        rows.append((step, value, float(entry["ts"]), log.process))
        following = step + 1
    return rows


def to_image(line: bytes, index: int) -> Image.Image:
    """The picture at this index of a line of points; raises nearly anything where its bytes are not one."""
    value = parse(line)["obj"]["values"][index]["value"]
    # Named, since Pillow would start another program for some kinds.
    picture = Image.open(io.BytesIO(base64.b64decode(value["data"])), formats=("PNG", "JPEG", "WEBP"))
    if picture.width * picture.height > MOST_PIXELS:
        raise ValueError(f"a picture of {picture.width}x{picture.height} pixels")
    picture.load()
    return picture
