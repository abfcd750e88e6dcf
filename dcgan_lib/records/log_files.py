"""The files of a Neptune record: which are a run's, and their lines, read on from where the last reading stopped."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

#: What reading a damaged or foreign record may raise.
BROKEN = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, OSError)

_DATA_FILE = re.compile(r"data-(\d{1,18})\.log")
_TAIL = 100  # bytes of the last line read that are remembered, to know it again; they hold the line's number and time
_AT = re.compile(rb', "at": (\d{1,18}(?:\.\d*)?)\}\n')


class Process(NamedTuple):
    """What one process wrote: a folder of its own."""

    created: datetime
    folder: Path
    uuid: str


def inside(home: Path, file: Path) -> Path:
    """Where this file really lies; raises `ValueError` outside the folder `home`, `FileNotFoundError` for no file."""
    file = file.resolve()
    if not file.is_relative_to(home.resolve()):
        raise ValueError(f"{file} lies outside the run's record")
    if not file.is_file():  # a pipe would keep its reader waiting
        raise FileNotFoundError(f"{file} is missing, or no file")
    return file


def find_processes(folder: Path, home: Path) -> tuple[list[Process], list[str]]:
    """The processes' folders, `<folder>/offline/run__…`, oldest first, and what else lies there."""
    processes, problems = [], []
    for entry in sorted(folder.glob("*/*")):
        try:
            metadata = json.loads(inside(home, entry / "metadata.json").read_bytes())
            created = datetime.fromisoformat(metadata["createdAt"]).astimezone(UTC)
            processes.append(Process(created, entry, str(metadata["containerId"])))
        except BROKEN as error:
            problems.append(f"{entry.relative_to(folder.parent)}: no record of Neptune's, left out ({error!r})")
    return sorted(processes), problems


@dataclass(eq=False)
class LogFile:
    """A file of operations, a line each: whose it is, the run's first process being 0, and how far it was read."""

    path: Path
    process: int
    end: int = 0
    tail: bytes = b""  # what stands before the end


class Journal:
    """The lines that a run's processes have written; no file outside the folder `home`, the run's, is ever opened."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.problems: dict[str, None] = {}  # a line each, in the order in which they were met
        self._processes: list[Process] = []
        self._files: dict[Path, LogFile] = {}

    def continues(self, processes: list[Process]) -> bool:
        """Whether these are the processes read so far, or more, and all that was read of them still stands there."""
        known = processes[: len(self._processes)] == self._processes
        return known and all(self._stands(file) for file in self._files.values() if file.end)

    def new_lines(self, processes: list[Process]) -> Iterator[tuple[LogFile, int, bytes]]:
        """Every whole line that these processes have written since the last time, with its file and offset."""
        self._processes = processes
        for number, process in enumerate(processes):
            try:
                entries = list(process.folder.iterdir())
            except OSError as error:
                self.note(process.folder, error)
                continue
            found = [(int(match[1]), entry) for entry in entries if (match := _DATA_FILE.fullmatch(entry.name))]
            for _, path in sorted(found):
                file = self._files.setdefault(path, LogFile(path, number))
                yield from self._read_on(file)

    def lines(self, file: LogFile, offsets: list[int]) -> Iterator[tuple[int, bytes]]:
        """The lines that begin at these offsets, again."""
        try:
            with inside(self.home, file.path).open("rb", buffering=2**16) as content:
                for offset in offsets:
                    content.seek(offset)
                    yield offset, content.readline()
        except BROKEN as error:
            self.note(file.path, error)

    def line(self, file: LogFile, offset: int) -> bytes:
        """The line that begins at this offset, again; empty where it can't be read."""
        return next((line for _, line in self.lines(file, [offset])), b"")

    def starts(self) -> list[float]:
        """For each process the time, in seconds since 1970, from which the run's seconds count: pauses left out."""
        starts: list[float] = []
        for number, process in enumerate(self._processes):
            began = process.created.timestamp()
            ended = [float(at[1]) for f in self._files.values() if f.process < number and (at := _AT.search(f.tail))]
            pause = max(0.0, began - max(ended, default=began))  # none where processes run side by side
            starts.append(starts[-1] + pause if starts else began)
        return starts

    def note(self, path: Path, error: Exception, offset: int | None = None) -> None:
        """Remember what was left out, and why."""
        where = f"{path.relative_to(self.home)}" + ("" if offset is None else f", byte {offset}")
        self.problems[f"{where}: left out ({error!r})"] = None

    def _read_on(self, file: LogFile) -> Iterator[tuple[LogFile, int, bytes]]:
        offset = file.end
        try:
            with inside(self.home, file.path).open("rb", buffering=2**20) as content:
                content.seek(offset)
                for line in content:
                    if not line.endswith(b"\n"):
                        break  # it is still being written
                    yield file, offset, line
                    offset += len(line)
                    file.tail = line
        except BROKEN as error:
            self.note(file.path, error)
        file.end, file.tail = offset, file.tail[-_TAIL:]

    def _stands(self, file: LogFile) -> bool:
        try:
            with inside(self.home, file.path).open("rb") as content:
                content.seek(file.end - len(file.tail))
                return content.read(len(file.tail)) == file.tail
        except BROKEN:
            return False
