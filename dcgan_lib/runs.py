"""Reads runs back from Neptune's offline records on disk: no network, no account, no Neptune.

`python -m dcgan_lib.runs [folder]` prints them as a table, with the settings in which they differ.
"""

import argparse
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from dcgan_lib.replay import BROKEN, Contents, Process, find_processes, read_image

RECORD = "neptune"  # the folder within a run's own that holds its record

_DATA_FILE = re.compile(r"data-(\d+)\.log")
_LOG = b'{"obj": {"type": "Log'  # how the client begins a line that carries points of a series


def load_runs(folder: str | Path = "runs") -> list["RunRecord"]:
    """Every run in the folder, newest last; an empty list where there is none.

    A folder named `.neptune`, as a plain `neptune.init_run(mode="offline")` leaves it, is read too: a run a uuid.
    """
    folder = Path(folder)
    if folder.name == ".neptune":
        processes, problems = find_processes(folder)
        groups = {uuid: [p for p in processes if p.uuid == uuid] for uuid in {p.uuid for p in processes}}
        records = [RunRecord(uuid, folder, own, problems) for uuid, own in groups.items()]
    else:
        children = folder.iterdir() if folder.is_dir() else ()
        records = [load_run(child) for child in children if (child / RECORD).is_dir()]
    return sorted(records, key=lambda record: (record.created, record.run_id))


def load_run(folder: str | Path) -> "RunRecord":
    """The run in this folder; `FileNotFoundError` where it has no record."""
    folder = Path(folder)
    if not (folder / RECORD).is_dir():
        raise FileNotFoundError(f"no run in {folder}: it has no folder {RECORD}/")
    return RunRecord(folder.resolve().name, folder, *find_processes(folder / RECORD))


def newest_run(folder: str | Path = "runs") -> "RunRecord":
    """The run begun last; `FileNotFoundError` where there is none."""
    records = load_runs(folder)
    if not records:
        raise FileNotFoundError(f"no runs in {folder}: train first, or give the folder that holds them")
    return records[-1]


class RunRecord:
    """One run, read as its attributes are asked for: the fields quickly, the points of all series on first use.

    Where several processes have written it (a resumed training), their records follow each other in the order in which
    they began. A run that is still going on shows what it had written when it was read.
    """

    def __init__(self, run_id: str, folder: Path, processes: list[Process], problems: list[str]) -> None:
        self.run_id = run_id
        self.folder = folder
        self._processes = processes
        self._problems = list(problems)

    @property
    def created(self) -> datetime:
        """When its first process began, in UTC."""
        if self._processes:
            return self._processes[0].created
        return datetime.fromtimestamp(self.folder.stat().st_mtime, UTC)

    @property
    def fields(self) -> dict[str, Any]:
        """Path → value: text, number, bool, a datetime in UTC, or a frozenset of tags."""
        return self._brief.fields

    @property
    def failed(self) -> bool:
        """Whether an exception ended the last process's `with` block."""
        return bool(self.fields.get("sys/failed", False))

    @property
    def state(self) -> str:
        """ "finished", "diverged", "interrupted", "failed", or "unfinished": still running, or killed."""
        reported = self.fields.get("training/state")
        if reported in ("diverged", "interrupted"):
            return reported
        return "failed" if self.failed else "finished" if reported == "finished" else "unfinished"

    @property
    def series_names(self) -> list[str]:
        """Paths of the series of numbers and texts."""
        return sorted(self._full.series)

    @property
    def image_names(self) -> list[str]:
        """Paths of the series of images."""
        return sorted(self._full.images)

    @property
    def problems(self) -> list[str]:
        """What could not be read and was left out, a line each."""
        _ = self._full  # reads every line
        return list(self._problems)

    def series(self, path: str) -> pd.DataFrame:
        """One series as columns step, value, time (UTC), by step; of a step logged twice the newer value.

        A point logged without a step takes its predecessor's and one, 0 the first. Raises `KeyError` for no series.
        """
        rows = self._look_up("series", self._full.series, path)
        frame = pd.DataFrame(rows, columns=["step", "value", "time"])
        frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True, errors="coerce")
        return frame.drop_duplicates("step", keep="last").sort_values("step", ignore_index=True)

    def images(self, path: str) -> list[tuple[int, Image.Image]]:
        """One series of images by step, as (step, image); of a step logged twice the newer. `KeyError` for none."""
        rows = self._look_up("images", self._full.images, path)
        pictures = []
        for step, place in sorted({step: place for step, place, _ in rows}.items()):
            try:
                pictures.append((step, read_image(*place)))
            except Exception as error:  # a decoder meets arbitrary bytes here, and raises nearly anything
                self._note(f"{path}, step {step}: no image ({error})")
        return pictures

    def file(self, path: str) -> Path:
        """Where an uploaded file's content lies; `KeyError` where none was uploaded, or none can be read."""
        return self._look_up("file", self._brief.files, path)

    def text(self, path: str) -> str:
        """An uploaded text, such as `io_files/artifacts/Generator_arch`."""
        return self.file(path).read_text(encoding="utf-8", errors="replace")

    @cached_property
    def _brief(self) -> Contents:
        return self._replay(points=False)

    @cached_property
    def _full(self) -> Contents:
        return self._replay(points=True)

    def _replay(self, points: bool) -> Contents:
        """Apply every operation in order; without `points` the lines of series are passed over unread."""
        contents = Contents(self.folder)
        for process in self._processes:
            seen = set()  # forked workers may have written the operations again that their parent had in its buffer
            for file, offset, line in self._lines(process.folder):
                if not points and line.startswith(_LOG):
                    continue
                try:
                    entry = json.loads(line)
                    if entry["version"] not in seen:
                        contents.apply(entry["obj"], file, offset)
                        seen.add(entry["version"])
                except BROKEN as error:
                    self._note(f"{file.relative_to(self.folder)}, byte {offset}: left out ({error!r})")
        return contents

    def _lines(self, folder: Path) -> Iterator[tuple[Path, int, bytes]]:
        """Every whole line of a process's log, with its file and offset; the last may still be being written."""
        files = [(int(match[1]), file) for file in folder.iterdir() if (match := _DATA_FILE.fullmatch(file.name))]
        for _, file in sorted(files):
            try:
                with file.open("rb") as lines:
                    offset = 0
                    for line in lines:
                        if line.endswith(b"\n"):
                            yield file, offset, line
                        offset += len(line)
            except OSError as error:
                self._note(f"{file.relative_to(self.folder)}: left out ({error!r})")

    def _look_up(self, kind: str, entries: dict[str, Any], path: str) -> Any:
        if path not in entries:
            raise KeyError(f"run {self.run_id} has no {kind} {path!r}; it has {', '.join(sorted(entries)) or 'none'}")
        return entries[path]

    def _note(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)


def table(records: list[RunRecord]) -> str:
    """One line a run, in at most 120 columns: how far it came, how it stands, and the settings that differ.

    What does not fit beside each other follows below.
    """
    prefix = "config/hyperparameters/"
    index = [_cell(record.run_id) for record in records]
    settings = [{k.removeprefix(prefix): v for k, v in r.fields.items() if k.startswith(prefix)} for r in records]
    settings = pd.DataFrame(settings, index, dtype=object).map(_cell)
    differing = settings.loc[:, settings.nunique() > 1]
    results = pd.DataFrame([_result(record) for record in records], index, dtype=object).map(_cell)
    return pd.concat([results, differing], axis=1).to_string(line_width=120)


def _result(record: RunRecord) -> dict[str, Any]:
    names = {"loss_d": "training/batch/Dloss", "loss_g": "training/batch/Gloss"}
    last = {k: record.series(name).iloc[-1] for k, name in names.items() if name in record.series_names}
    return {
        "created (UTC)": f"{record.created:%Y-%m-%d %H:%M}",
        "steps": max((row["step"] for row in last.values()), default=0),
        **{k: last[k]["value"] if k in last else None for k in names},
        "state": record.state,
    }


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN: pandas' word for absent
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= 32 else text[:31] + "…"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m dcgan_lib.runs", description="Print the runs in a folder.")
    parser.add_argument("folder", nargs="?", default="runs")
    folder = parser.parse_args().folder
    records = load_runs(folder)
    print(table(records) if records else f"no runs in {folder}: train first, or give the folder that holds them")
    for record in records:
        for problem in record.problems:
            print(f"{record.run_id}: {problem}")


if __name__ == "__main__":
    main()
