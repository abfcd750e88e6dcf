"""The operations of a Neptune record, applied in order: what `runs.py` makes its view of a run from."""

import base64
import io
import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

#: What reading a damaged or foreign record may raise.
BROKEN = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, OSError)


class Process(NamedTuple):
    """What one process wrote: a folder of its own."""

    created: datetime
    folder: Path
    uuid: str


def find_processes(folder: Path) -> tuple[list[Process], list[str]]:
    """The processes' folders, `<folder>/offline/run__…`, oldest first, and what else lies there."""
    processes, problems = [], []
    for entry in sorted(folder.glob("*/*")):
        try:
            metadata = json.loads((entry / "metadata.json").read_bytes())
            created = datetime.fromisoformat(metadata["createdAt"]).astimezone(UTC)
            processes.append(Process(created, entry, str(metadata["containerId"])))
        except BROKEN as error:
            problems.append(f"{entry.relative_to(folder.parent)}: no record of Neptune's, left out ({error!r})")
    return sorted(processes), problems


@dataclass
class Contents:
    """What the operations so far amount to; a series is a list of (step, value, seconds since 1970)."""

    folder: Path  # the run's
    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    series: dict[str, list[tuple]] = field(default_factory=dict)
    images: dict[str, list[tuple]] = field(default_factory=dict)  # the values say where: (file, offset, index)

    def apply(self, operation: dict[str, Any], file: Path, offset: int) -> None:
        """Take in one operation, read from that place; raises one of `BROKEN`, and changes nothing, for a bad one."""
        path = "/".join(operation["path"])
        match operation["type"]:
            case "LogFloats":
                _extend(self.series, path, operation, [float(entry["value"]) for entry in operation["values"]])
            case "LogStrings":
                _extend(self.series, path, operation, [str(entry["value"]) for entry in operation["values"]])
            case "LogImages":
                _extend(self.images, path, operation, [(file, offset, i) for i in range(len(operation["values"]))])
            case "AssignString" | "AssignFloat" | "AssignInt" | "AssignBool":
                self.fields[path] = operation["value"]
            case "AssignDatetime":
                self.fields[path] = datetime.fromtimestamp(operation["value"] / 1000, UTC)
            case "AddStrings":
                self.fields[path] = self.fields.get(path, frozenset()) | set(operation["values"])
            case "RemoveStrings":
                self.fields[path] = self.fields.get(path, frozenset()) - set(operation["values"])
            case "UploadFile":
                self.files[path] = self._uploaded(operation, file.parent)
            case "DeleteAttribute" | "ClearFloatLog" | "ClearStringLog" | "ClearImageLog" | "ClearStringSet":
                for entries in (self.fields, self.files, self.series, self.images):
                    entries.pop(path, None)
            case "ConfigFloatSeries" | "UploadFileSet" | "TrackFilesToArtifact":
                pass  # how to draw an axis, and names of files whose content the record doesn't hold
            case unknown:
                raise ValueError(f"unknown operation {unknown}")

    def _uploaded(self, operation: dict[str, Any], process: Path) -> Path:
        """Where the content lies: in the record or, uploaded by path, in the run's folder; never outside."""
        copied = operation["tmp_file_name"]
        home = self.folder.resolve()
        if copied:
            home = home / process.relative_to(self.folder) / "upload_path"
        file = (home / (copied or operation["file_path"])).resolve()
        if not file.is_relative_to(home):
            raise ValueError(f"{file} lies outside the run's record")
        if not file.is_file():
            raise FileNotFoundError(f"{file} is missing")
        return file


def _extend(series: dict[str, list[tuple]], path: str, operation: dict[str, Any], values: list[Any]) -> None:
    rows = series.get(path, [])
    following = rows[-1][0] + 1 if rows else 0
    new = []
    for entry, value in zip(operation["values"], values, strict=True):
        step = following if entry["step"] is None else entry["step"]
        if not math.isfinite(step):
            raise ValueError(f"step {step}")
        new.append((step, value, float(entry["ts"])))
        following = step + 1
    series.setdefault(path, rows).extend(new)


def read_image(file: Path, offset: int, index: int) -> Image.Image:
    """The image at this place of a log; raises nearly anything where the bytes are none."""
    with file.open("rb") as lines:
        lines.seek(offset)
        value = json.loads(lines.readline())["obj"]["values"][index]["value"]
    picture = Image.open(io.BytesIO(base64.b64decode(value["data"])))
    picture.load()
    return picture
