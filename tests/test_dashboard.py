"""Runs in Trackio: real records of the real client, exported to Trackio's real storage and served on this machine."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcgan_lib import dashboard, tracking
from dcgan_lib.config import Config
from dcgan_lib.dashboard import export_run, update
from dcgan_lib.runs import load_run

LOSS, D_X, GRID = "training/batch/Gloss", "training/batch/D_x", "images/fixed_noise"


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    """Trackio's storage, in a folder of its own; it takes its place once a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(tmp_path_factory.mktemp("trackio")))
        yield pytest.importorskip("trackio.sqlite_storage").SQLiteStorage


@pytest.fixture
def project(storage, request) -> str:
    """A project of this test's own."""
    return request.node.name


def picture(step: int) -> np.ndarray:
    return np.random.default_rng(step).integers(0, 256, (12, 12, 3), dtype=np.uint8)


def write_run(folder: Path, steps: range, shift: float = 0.0, state: str = "running", **settings) -> None:
    """A process's part of a run: two series, and a picture at each tenth step."""
    with tracking.open_run(Config(**settings), folder, tags=["b", "a"]) as run:
        if steps.start:
            run["training/resumed_at"] = steps.start
        run[LOSS].extend([step + shift for step in steps], steps=list(steps))
        run[D_X].extend([0.5 for _ in steps[::2]], steps=list(steps[::2]))
        for step in steps[::10]:
            tracking.log_images(run, picture(step + int(shift)), step)
        run["training/state"] = state


def stored(storage, project: str, run_id: str = "run") -> dict[int, dict]:
    return {log["step"]: log for log in storage.get_logs(project, run_id=run_id)}


def row_ids(storage, project: str) -> list[int]:
    return [row["id"] for row in storage.query_project(project, "SELECT id FROM metrics ORDER BY id")["rows"]]


def shown(storage, entry: dict) -> np.ndarray:
    """The pixels of an image that Trackio notes."""
    from trackio.utils import MEDIA_DIR

    return np.asarray(Image.open(MEDIA_DIR / entry["file_path"]))


def test_numbers_pictures_and_settings_arrive_with_their_names_steps_and_times(storage, project, tmp_path):
    write_run(tmp_path / "run", range(0, 30), seed=7, learning_rate_d=0.0001)
    record = load_run(tmp_path / "run")
    assert export_run(record, project) == 30

    logs = stored(storage, project)
    frame = record.series(LOSS)
    assert list(logs) == frame["step"].tolist()
    assert [log[LOSS] for log in logs.values()] == frame["value"].tolist()
    assert [step for step, log in logs.items() if D_X in log] == list(range(0, 30, 2))
    moments = [time.isoformat(timespec="microseconds").replace("+00:00", "Z") for time in frame["time"]]
    assert [log["timestamp"] for log in logs.values()] == moments
    assert [step for step, log in logs.items() if GRID in log] == [0, 10, 20]
    assert np.array_equal(shown(storage, logs[10][GRID]), picture(10))
    config = storage.get_run_config(project, run_id="run")
    assert config.items() >= {"seed": 7, "learning_rate_d": 0.0001, "flip": False, "tags": "a, b"}.items()
    assert (config["state"], config["environment/torch"]) == ("unfinished", record.fields["environment/torch"])


def test_a_second_export_writes_nothing_and_a_later_one_only_what_the_run_has_added(storage, project, tmp_path):
    write_run(tmp_path / "run", range(0, 20))
    export_run(load_run(tmp_path / "run"), project)
    before = row_ids(storage, project)
    assert export_run(load_run(tmp_path / "run"), project) == 0
    assert row_ids(storage, project) == before

    write_run(tmp_path / "run", range(20, 41), state="finished")
    assert export_run(load_run(tmp_path / "run"), project) == 21
    assert row_ids(storage, project)[: len(before)] == before
    logs = stored(storage, project)
    assert [log[LOSS] for log in logs.values()] == [float(step) for step in range(41)]
    assert [step for step, log in logs.items() if GRID in log] == [0, 10, 20, 30, 40]
    assert storage.get_run_config(project, run_id="run")["state"] == "finished"


def test_a_series_that_was_still_being_written_is_completed_step_by_step(storage, project, tmp_path):
    with tracking.open_run(Config(), tmp_path / "run") as run:
        run[LOSS].extend([1.0, 2.0], steps=[1, 2])
        run.wait()
        assert export_run(load_run(tmp_path / "run"), project) == 2
        run[D_X].extend([0.25, 0.5], steps=[1, 2])
    assert export_run(load_run(tmp_path / "run"), project) == 2
    assert storage.get_log_count(project, run_id="run") == 4
    assert [log["value"] for log in storage.get_metric_values(project, None, D_X, run_id="run")] == [0.25, 0.5]


def test_a_resumed_run_that_took_another_way_is_written_anew(storage, project, tmp_path):
    write_run(tmp_path / "run", range(0, 40))
    export_run(load_run(tmp_path / "run"), project)
    write_run(tmp_path / "run", range(20, 31), shift=100.0)
    assert export_run(load_run(tmp_path / "run"), project) == 31

    logs = stored(storage, project)
    assert [log[LOSS] for log in logs.values()] == [*range(20), *range(120, 131)]
    assert [step for step, log in logs.items() if GRID in log] == [0, 10, 20, 30]
    assert np.array_equal(shown(storage, logs[10][GRID]), picture(10))
    assert np.array_equal(shown(storage, logs[30][GRID]), picture(130))


def test_a_change_of_state_alone_arrives_too(storage, project, tmp_path):
    write_run(tmp_path / "run", range(0, 5))
    export_run(load_run(tmp_path / "run"), project)
    with pytest.raises(RuntimeError), tracking.open_run(Config(), tmp_path / "run", tags=["a", "b"]):
        raise RuntimeError("out of memory")
    assert export_run(load_run(tmp_path / "run"), project) == 5
    assert storage.get_run_config(project, run_id="run")["state"] == "failed"
    assert storage.get_log_count(project, run_id="run") == 5


def test_texts_and_unreadable_pictures_are_left_out_and_reserved_names_kept_apart(storage, project, tmp_path):
    with tracking.open_run(Config(), tmp_path / "run") as run:
        run["step"].append(5.0, step=3)
        run["remarks"].append("no number", step=3)
        tracking.log_images(run, picture(0), 4)
    log = next((tmp_path / "run").glob("neptune/offline/*/data-1.log"))
    log.write_bytes(re.sub(rb'"data": "[^"]*"', b'"data": "bm9uZQ=="', log.read_bytes()))
    assert [export_run(load_run(tmp_path / "run"), project) for _ in range(2)] == [1, 0]
    [entry] = stored(storage, project).values()
    assert {name: entry[name] for name in entry if name != "timestamp"} == {"step": 3, "series/step": 5.0}


def test_a_record_cannot_put_a_file_outside_trackios_folder(storage, project, tmp_path, monkeypatch):
    from trackio.utils import MEDIA_DIR

    write_run(tmp_path / "run", range(0, 1))
    record = load_run(tmp_path / "run")
    monkeypatch.setitem(record.fields, "sys/name", "../../../escaped")
    export_run(record, project)
    [entry] = stored(storage, project).values()
    file = (MEDIA_DIR / entry[GRID]["file_path"]).resolve()
    assert file.is_file()
    assert file.is_relative_to((MEDIA_DIR / project).resolve())


def test_new_runs_and_growth_arrive_while_the_dashboard_is_open(storage, project, tmp_path):
    records = {}
    write_run(tmp_path / "first", range(0, 5))
    assert update(tmp_path, project, records) == 5
    assert update(tmp_path, project, records) == 0
    write_run(tmp_path / "second", range(0, 7))
    write_run(tmp_path / "first", range(5, 8))
    assert update(tmp_path, project, records) == 10
    assert {run["name"] for run in storage.get_run_records(project)} == {"first", "second"}


def test_the_dashboard_is_served_to_this_machine_and_prints_no_token(storage, tmp_path):
    write_run(tmp_path / "runs/run", range(0, 5))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dcgan_lib.dashboard", tmp_path / "runs", "--port", str(port), "--project", "p"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            lines = [server.stdout.readline(), server.stdout.readline()]
            address = f"http://127.0.0.1:{port}/"
            page = urllib.request.urlopen(f"{address}?project=p").read().decode()
            question = urllib.request.Request(f"{address}api/get_runs_for_project", b'{"project": "p"}')
            answer = json.load(urllib.request.urlopen(question))
        finally:
            server.send_signal(signal.SIGINT)
        lines += server.stdout.readlines()
    assert server.returncode == 0
    assert lines[0].endswith(": runs 1, new steps 5\n")
    assert lines[1].startswith(f"{address}?project=p ")
    assert "token" not in "".join(lines)
    assert "Trackio" in page
    assert "run" in json.dumps(answer)


def test_what_is_missing_is_told_in_one_line(storage, tmp_path, monkeypatch):
    def told(*arguments: str, folder: Path = tmp_path) -> str:
        monkeypatch.setattr(sys, "argv", ["dashboard", str(folder), *arguments])
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(SystemExit) as ended:
            dashboard.main()
        return ended.value.code

    assert told() == f"no runs in {tmp_path}: train first, or give the folder that holds them"
    (tmp_path / "file").write_text("")
    assert told(folder=tmp_path / "file").startswith(f"{tmp_path / 'file'} is a file: ")
    write_run(tmp_path / "run", range(0, 5))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert told("--port", str(port)) == f"port {port} is taken: give another, or none"
    storage.get_project_db_path("damaged").write_bytes(b"no database" * 1000)
    assert "file is not a database" in told("--project", "damaged")


def test_without_trackio_one_line_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["dashboard", str(tmp_path)])
    monkeypatch.setattr(dashboard, "distributions", lambda name: [])
    with pytest.raises(SystemExit, match=re.escape("pip install 'trackio==0.43.*'")):
        dashboard.main()
