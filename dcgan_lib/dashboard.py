"""`python -m dcgan_lib.dashboard [runs]`: every run of a folder in Trackio, an optional dashboard on this machine.

Neptune's records stay the source. Trackio's project is a copy in `<runs>/.trackio` (or where `TRACKIO_DIR` says),
brought up to date at the start and while the dashboard is open; it can be deleted at any time.
"""

import argparse
import contextlib
import io
import os
import re
import shutil
import sqlite3
import sys
import time
import webbrowser
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np

from dcgan_lib.runs import RunRecord, load_runs

FOLLOW_SECONDS = 5.0  # between two looks at the records while the dashboard is open

Points = dict[float, dict[str, Any]]  # step → name → number, or where an image lies


def export_run(record: RunRecord, project: str = "dcgan") -> int:
    """Bring a run's copy in a Trackio project up to date; gives the number of steps written, 0 for nothing new.

    Numbers and images keep Neptune's paths, steps and times; texts are left out. A run that has grown is added to. One
    whose copy holds what the record no longer does (a resumed training took another way), or of which only settings,
    tags or state have changed, is written anew. Trackio takes `TRACKIO_DIR` once, when it is first imported.
    """
    # As Trackio's own importers do: the public log() stamps each point with the time of the call, and init() asks
    # Hugging Face for the user's name.
    from trackio.sqlite_storage import SQLiteStorage
    from trackio.utils import project_media_dir

    name = record.name if record.name == record.run_id else f"{record.name}-{record.run_id}"
    name = re.sub(r"[^\w.,=+ -]", "-", name).lstrip(".")[:100] or "run"  # names a folder too, which leads nowhere else
    run = {"project": project, "run": name, "run_id": record.run_id}
    image_folder = project_media_dir(project) / name
    config = _config(record)
    points, times = _points(record, image_folder)
    stored: Points = {}
    for log in SQLiteStorage.get_logs(**run):
        del log["timestamp"]
        stored.setdefault(log.pop("step"), {}).update(log)

    new = _beyond(points, stored)
    if _beyond(stored, points) or (stored and not new and config != SQLiteStorage.get_run_config(**run)):
        if not SQLiteStorage.delete_run(**run):
            raise sqlite3.OperationalError(f"run {name} can't be replaced")
        shutil.rmtree(image_folder, ignore_errors=True)
        return export_run(record, project)
    rows = {"metrics_list": list(new.values()), "steps": list(new), "timestamps": [times[step] for step in new]}
    SQLiteStorage.bulk_log(**run, **rows, config=config)
    return len(new)


def update(folder: Path, project: str, records: dict[str, RunRecord]) -> int:
    """Export what is new since the last call, which filled `records`, id → run; gives the number of steps written."""
    steps = 0
    for record in load_runs(folder):
        known = records.setdefault(record.run_id, record)
        if known is record or known.refresh():
            steps += export_run(known, project)
    return steps


def _config(record: RunRecord) -> dict[str, Any]:
    """What Trackio compares runs by, and can group them by."""
    context = {path: v for path, v in record.fields.items() if path.startswith(("environment/", "config/dataset/"))}
    context.pop("environment/seed", None)  # a setting already
    values = {**record.settings, **context, "state": record.state, "tags": ", ".join(sorted(record.tags)) or "none"}
    return {name: value if isinstance(value, bool | int | float) else str(value) for name, value in values.items()}


def _points(record: RunRecord, image_folder: Path) -> tuple[Points, dict[float, str]]:
    """All points of a run, and the time of each step; images that aren't in Trackio's folder yet are put there."""
    from trackio.utils import MEDIA_DIR, RESERVED_KEYS

    points: Points = {}
    times: dict[float, str] = {}
    for path in record.series_names:
        frame = record.series(path)
        if frame["value"].dtype.kind == "f":
            steps = frame["step"].tolist()
            name = f"series/{path}" if path in RESERVED_KEYS else path
            for step, value in zip(steps, frame["value"].tolist(), strict=True):
                points.setdefault(step, {})[name] = value
            moments = frame["time"].fillna(record.created).dt.tz_localize(None)
            times.update(zip(steps, np.datetime_as_string(moments, "us", "UTC").tolist(), strict=True))
    for path in record.image_names:
        for step in record.image_steps(path):
            file = image_folder / str(step) / (re.sub(r"\W", "-", path)[-100:] + ".webp")
            with contextlib.suppress(ValueError):  # an image that can't be read
                if not file.exists():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    partial = file.with_suffix(".partial")
                    # Lossless, and in an eighth of the time of trackio.Image's PNG.
                    record.image(path, step).save(partial, "WEBP", lossless=True, quality=0, method=0)
                    partial.replace(file)
                place = {"_type": "trackio.image", "file_path": str(file.relative_to(MEDIA_DIR)), "caption": None}
                points.setdefault(step, {})[path] = place
                times.setdefault(step, record.created.isoformat())
    return points, times


def _beyond(points: Points, others: Points) -> Points:
    """Those of the points that the others don't hold."""
    pairs = ((step, values, others.get(step, {})) for step, values in points.items())
    beyond = {step: {n: v for n, v in values.items() if held.get(n) != v} for step, values, held in pairs}
    return {step: beyond[step] for step in sorted(beyond) if beyond[step]}


def main() -> None:
    """The command line; where there is nothing to show, or to show it with, one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m dcgan_lib.dashboard", description="Show all runs in Trackio.")
    parser.add_argument("runs", nargs="?", type=Path, default=Path("runs"), help="the folder of all runs")
    parser.add_argument("--project", default="dcgan", help="its name in Trackio: letters, digits, - and _")
    parser.add_argument("--port", type=int, help="of the dashboard (default: the first free one from 7860)")
    parser.add_argument("--no-show", action="store_true", help="bring the project up to date, and show nothing")
    given = parser.parse_args()
    if not re.fullmatch(r"[\w-]+", given.project):
        parser.error(f"--project {given.project!r}: give letters, digits, - and _")
    # Another minor version may have moved what is used here beneath Trackio's public names.
    if not any(found.version.startswith("0.43.") for found in distributions(name="trackio")):
        sys.exit("the dashboard needs Trackio 0.43: pip install 'trackio==0.43.*'")

    home = given.runs.resolve()
    home = home.parent if home.name == ".neptune" else home  # that folder is Neptune's own
    copy = os.environ.setdefault("TRACKIO_DIR", str(home / ".trackio"))
    os.environ["HF_HUB_OFFLINE"] = "1"  # whatever the environment asks for, Hugging Face is never called
    records: dict[str, RunRecord] = {}
    try:
        steps = update(given.runs, given.project, records)
        if not records:
            sys.exit(f"no runs in {given.runs}: train first, or give the folder that holds them")
        print(f"{copy}: runs {len(records)}, new steps {steps:,}")
        if not given.no_show:
            address = f"{_serve(given.port)}?project={given.project}"
            print(f"{address}  until Ctrl-C; what the runs add meanwhile is added", flush=True)
            if sys.stdout.isatty() and (sys.platform != "linux" or "DISPLAY" in os.environ):
                webbrowser.open(address)
        while not given.no_show:
            time.sleep(FOLLOW_SECONDS)
            update(given.runs, given.project, records)
    except KeyboardInterrupt:
        pass
    except NotADirectoryError as error:
        sys.exit(str(error))
    except sqlite3.Error as error:
        sys.exit(f"{copy} can't be used ({error}): delete it, and it is made anew from the runs")


def _serve(port: int | None) -> str:
    """Start Trackio's server, in a thread that ends with this process; gives its address."""
    import trackio

    # Named, since environment variables, or Colab, would otherwise open it to a network.
    local = {"host": "127.0.0.1", "share": False, "mcp_server": False, "open_browser": False, "block_thread": False}
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints an address that lets all who have it delete runs
            return trackio.show(server_port=port, **local)[1]
    except OSError:
        sys.exit(f"port {port} is taken: give another, or none")


if __name__ == "__main__":
    main()
