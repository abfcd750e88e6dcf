"""The operations of a Neptune record, applied in order: what `runs.py` makes its view of a run from.

Fields are taken in as they are met. Of a point only its line's place is, until somebody asks for the series.
"""

import base64
import io
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from dcgan_lib.records.log_files import BROKEN, Journal, LogFile, Process, inside

RESUMED = "training/resumed_at"  # the field in which a process says from which step it goes on

# How the client writes a line of points: a reader who knows it finds a series without parsing megabytes of pictures.
_POINTS = b'{"obj": {"type": "Log'
_VALUES = b'], "values": ['
_END = re.compile(rb'\]\}, "version": (\d{1,18})(?:, "at": [^}]+)?\}\n')

_TYPES = {"AssignString": str, "AssignFloat": (int, float), "AssignInt": int, "AssignBool": bool}
_decode = json.JSONDecoder().raw_decode


@dataclass
class Series:
    """The points of one path: rows of (step, value, seconds since 1970, process), and the lines not yet read."""

    kind: str
    rows: list[tuple] = field(default_factory=list)
    unread: dict[LogFile, list[int]] = field(default_factory=lambda: defaultdict(list))  # at which offsets


class Replay:
    """What a run's operations so far amount to."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.fields: dict[str, Any] = {}
        self.files: dict[str, Path] = {}
        self.series: dict[str, Series] = {}
        self._versions: defaultdict[int, set[int]] = defaultdict(set)  # process: which of its operations were taken in
        self._resumed: dict[int, float] = {}  # process: the step from which it went on
        self._newest: dict[str, tuple | None] = {}  # what `newest` has found since the last reading

    def read_on(self, processes: list[Process]) -> bool:
        """Take in every line written since the last time; whether there was any."""
        self._newest.clear()
        file = None
        for file, offset, line in self.journal.new_lines(processes):
            try:
                self._take(line, file, offset)
            except BROKEN as error:
                self.journal.note(file.path, error, offset)
        return file is not None

    def rows(self, path: str) -> list[tuple]:
        """The points of a series as (step, value, seconds since 1970, process), in the order of writing.

        What a process wrote beyond the step from which a later one went on is left out: those weights were given up.
        """
        series = self.series[path]
        rows = list(series.rows)  # so that an interrupt leaves none read twice, and none out
        for file, offsets in series.unread.items():
            for offset, line in self.journal.lines(file, offsets):
                try:
                    rows += _points(line, series.kind, file, offset, rows[-1][0] + 1 if rows else 0)
                except BROKEN as error:
                    self.journal.note(file.path, error, offset)
        series.rows, series.unread = rows, defaultdict(list)
        return [row for row in rows if self._counts(row)] if self._resumed else rows

    def newest(self, path: str) -> tuple | None:
        """The row of a series that was written last, from the last line alone where that will do; None for none."""
        if path not in self._newest:
            self._newest[path] = self._row_at_the_end(path)
        return self._newest[path]

    def _row_at_the_end(self, path: str) -> tuple | None:
        series = self.series[path]
        if series.unread:
            file, offsets = next(reversed(series.unread.items()))
            try:
                row = _points(self.journal.line(file, offsets[-1]), series.kind, file, offsets[-1], None)[-1]
                if self._counts(row):
                    return row
            except BROKEN:
                pass  # the line is broken, or its step is the one before and one: all must be read
        rows = self.rows(path)
        return rows[-1] if rows else None

    def _take(self, line: bytes, file: LogFile, offset: int) -> None:
        """Take in one line; raises one of `BROKEN`, and changes nothing, for a bad one."""
        versions = self._versions[file.process]  # forked workers write their parent's operations again
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
                series.unread[file].append(offset)
                self.series[path] = series
        else:
            entry = json.loads(line)
            version = entry["version"]
            if version not in versions:
                self._apply(entry["obj"], file)
        versions.add(version)

    def _apply(self, operation: dict[str, Any], file: LogFile) -> None:
        path = "/".join(operation["path"])
        match operation["type"]:
            case "AssignString" | "AssignFloat" | "AssignInt" | "AssignBool" as kind:
                value = operation["value"]
                if not isinstance(value, _TYPES[kind]):
                    raise TypeError(f"{kind} with {type(value).__name__}")
                self.fields[path] = value
                if path == RESUMED and kind in ("AssignInt", "AssignFloat"):
                    self._resumed[file.process] = value
            case "AssignDatetime":
                self.fields[path] = datetime.fromtimestamp(operation["value"] / 1000, UTC)
            case "AddStrings":
                self.fields[path] = self.fields.get(path, frozenset()) | set(map(str, operation["values"]))
            case "RemoveStrings":
                self.fields[path] = self.fields.get(path, frozenset()) - set(operation["values"])
            case "UploadFile":
                copy = operation["tmp_file_name"]  # None for a file uploaded by path: the record holds no content
                home, folder = self.journal.home, file.path.parent / "upload_path"
                self.files[path] = inside(home, folder / copy if copy else home / operation["file_path"])
            case "DeleteAttribute" | "ClearFloatLog" | "ClearStringLog" | "ClearImageLog" | "ClearStringSet":
                for entries in (self.fields, self.files, self.series):
                    entries.pop(path, None)
            case "ConfigFloatSeries" | "UploadFileSet" | "DeleteFiles" | "TrackFilesToArtifact" | "ClearArtifact":
                pass  # how to draw an axis, and names of files whose content the record doesn't hold
            case unknown:
                raise ValueError(f"unknown operation {unknown}")

    def _counts(self, row: tuple) -> bool:
        return not any(row[0] > step for process, step in self._resumed.items() if process > row[3])


@lru_cache(maxsize=1024)
def _read_head(head: bytes) -> tuple[str, str]:
    """The kind and the path of a line of points, from what stands before them."""
    operation = json.loads(head + b"]}}")["obj"]
    if operation["type"] not in ("LogFloats", "LogStrings", "LogImages"):
        raise ValueError(f"unknown operation {operation['type']}")
    return operation["type"], "/".join(operation["path"])


def _points(line: bytes, kind: str, file: LogFile, offset: int, following: float | None) -> list[tuple]:
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
        value = float(value) if kind == "LogFloats" else str(value) if kind == "LogStrings" else (file, offset, index)
        rows.append((step, value, float(entry["ts"]), file.process))
        following = step + 1
    return rows


def to_image(line: bytes, index: int) -> Image.Image:
    """The picture at this index of a line of points; raises nearly anything where the bytes are none."""
    value = json.loads(line)["obj"]["values"][index]["value"]
    picture = Image.open(io.BytesIO(base64.b64decode(value["data"])))
    picture.load()
    return picture
