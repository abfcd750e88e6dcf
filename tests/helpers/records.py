"""Records for the tests to read: written by the real client, or a line at a time."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dcgan_lib.config import Config
from dcgan_lib.records import writing

LOSS = "training/batch/Gloss"


def write_run(folder: Path, steps: range = range(10), **settings: Any) -> None:
    """A run with one series, whose value at a step is the step itself."""
    with writing.open_run(Config(**settings), folder) as run:
        run[LOSS].extend([float(step) for step in steps], steps=list(steps))


def append(file: Path, *lines: str | bytes) -> None:
    """Add these lines to a log, as the client does."""
    with file.open("ab") as log:
        for line in lines:
            log.write(line if isinstance(line, bytes) else line.encode())


def operation(version: int, at: float = 0.0, **content: Any) -> str:
    """A line of a log."""
    return json.dumps({"obj": content, "version": version, "at": at}) + "\n"


def point(version: int, value: Any, step: Any, at: float = 0.0, path: str = LOSS) -> str:
    """A line with one point of a series of numbers."""
    values = [{"value": value, "step": step, "ts": at}]
    return operation(version, at, type="LogFloats", path=path.split("/"), values=values)


def write_process(record: Path, name: str, *lines: str | bytes, created: float = 0.0) -> Path:
    """What one process wrote, begun at `created` seconds since 1970, into the folder `neptune` or `.neptune`."""
    folder = record / "offline" / name
    folder.mkdir(parents=True)
    metadata = {"containerId": "11111111-2222", "createdAt": datetime.fromtimestamp(created, UTC).isoformat()}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    append(folder / "data-1.log", *lines)
    return folder / "data-1.log"
