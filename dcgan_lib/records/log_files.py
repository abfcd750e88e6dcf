"""The files of a Neptune record: a folder a process, and in it files of operations, a line each."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

NUMBER = "dcgan_lib.number"  # the file in a process's folder that says how many came before it
#: What reading a damaged or foreign record may raise.
BROKEN = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, OSError)


class Process(NamedTuple):
    """What one process wrote: a folder of its own. They sort as they followed each other."""

    number: int  # how many were there before it; -1 where nobody counted, as before version 0.6
    created: datetime  # by a clock, which may go back
    folder: Path
    uuid: str

    def logs(self) -> list[Path]:
        """Its files of operations, in order."""
        found = ((re.fullmatch(r"data-(\d{1,18})\.log", path.name), path) for path in self.folder.iterdir())
        return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def find_processes(folder: Path, home: Path) -> tuple[list[Process], list[str]]:
    """The processes' folders, `<folder>/offline/run__…`, oldest first, and a line for each other thing."""
    processes, problems = [], []
    for entry in sorted(folder.glob("*/*")):
        try:
            metadata = parse(inside(home, entry / "metadata.json").read_bytes())
            created = datetime.fromisoformat(metadata["createdAt"]).astimezone(UTC)
            counted = entry / NUMBER
            number = int(counted.read_text()) if counted.is_file() else -1
            processes.append(Process(number, created, entry, str(metadata["containerId"])))
        except BROKEN as error:
            problems.append(f"{entry.relative_to(folder.parent)}: not a record of Neptune's, left out ({error!r})")
    return sorted(processes), problems


def inside(home: Path, file: Path) -> Path:
    """The file's real path; raises `ValueError` outside the folder `home`, `FileNotFoundError` for no file."""
    file = file.resolve()
    if not file.is_relative_to(home.resolve()):
        raise ValueError(f"{file} lies outside the run's record")
    if not file.is_file():  # a pipe would keep its reader waiting
        raise FileNotFoundError(f"{file} is missing, or not a file")
    return file


def parse(text: bytes) -> Any:
    """What JSON holds, with whole characters alone; `json.loads` lets halves through, written out or as bytes."""
    value = json.loads(text)
    halves = b"\\ud" in text.lower() or b"\xed" in text  # perhaps: whole characters may have these too
    return json.loads(whole(json.dumps(value, ensure_ascii=False))) if halves else value


def whole(text: str) -> str:
    """The text with a question mark for half a character, which no file or table takes."""
    return text.encode("utf-8", "replace").decode()
