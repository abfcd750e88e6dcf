"""Habits of the real client that `records` is built around: an upgrade that changes one is noticed here.

What `records.writing` does about each is in test_writing.py.
"""

import base64
import io
import json
import multiprocessing
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcgan_lib.records.reading import load_runs

QUIET = {"capture_stdout": False, "capture_stderr": False, "capture_hardware_metrics": False}
QUIET |= {"git_ref": False, "source_files": []}


def operations(folder: Path) -> dict[str, dict]:
    """The last operation on each path in the records below this folder."""
    logs = sorted(folder.rglob("data-*.log"))
    found = [json.loads(line)["obj"] for log in logs for line in log.read_text().splitlines()]
    return {"/".join(operation["path"]): operation for operation in found}


@pytest.fixture
def open_run(tmp_path, monkeypatch):
    """Opens a run as the client itself does, its record below `tmp_path`."""
    import neptune

    monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", str(tmp_path / ".neptune"))
    return lambda: neptune.init_run(mode="offline", **QUIET)


@pytest.mark.filterwarnings("ignore:.*nonstandard float", "ignore:.*non-standard", "ignore:.*not directly supported")
def test_what_is_not_finite_or_of_another_kind_is_left_out(open_run, tmp_path):
    with open_run() as run:
        run["loss"].extend([1.0, float("nan"), float("inf"), 2.0], steps=[1, 2, 3, 4])
        for i, value in enumerate([float("nan"), [1, 2], None, Path("a"), 2**31]):
            run[f"value/{i}"] = value
    kept = operations(tmp_path)
    assert [(point["value"], point["step"]) for point in kept["loss"]["values"]] == [(1.0, 1), (2.0, 4)]
    assert not [path for path in kept if path.startswith("value/")]


def test_an_upload_by_path_keeps_the_path_alone(open_run, tmp_path):
    (tmp_path / "weights.txt").write_text("of this run, until another one writes the same file")
    with open_run() as run:
        run["uploaded"].upload(str(tmp_path / "weights.txt"))
    assert operations(tmp_path)["uploaded"]["tmp_file_name"] is None
    assert not list(tmp_path.glob(".neptune/offline/*/upload_path/*"))


def test_pictures_are_channels_last_and_of_no_sign(open_run, tmp_path):
    from neptune.types import File

    with open_run() as run:
        with pytest.raises(ValueError, match="Incorrect size"):
            run["chw"].append(File.as_image(np.zeros((3, 8, 8))), step=1)
        run["signed"].append(File.as_image(np.full((8, 8, 3), -0.5)), step=1)  # a warning, no more
        run["dark"].append(File.as_image(np.full((8, 8, 3), 1, np.uint8)), step=1)
    kept = operations(tmp_path)
    data = {name: kept[name]["values"][0]["value"]["data"] for name in ("signed", "dark")}
    pixels = {name: np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for name, text in data.items()}
    assert pixels["signed"].max() == 0, "half of the values are lost"
    assert pixels["dark"].min() == 255, "taken for a fraction"


def test_opening_a_run_draws_from_the_global_random_state(open_run):
    before = random.getstate()
    open_run().stop()
    assert random.getstate() != before


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no processes are forked here")
def test_a_forked_worker_writes_again_what_was_not_yet_written_and_the_reader_drops_it(open_run, tmp_path):
    with open_run() as run:
        run["loss"].extend([1.0, 2.0], steps=[1, 2])
        worker = multiprocessing.get_context("fork").Process(target=int)
        worker.start()
        worker.join()
    [log] = tmp_path.rglob("data-*.log")
    assert log.read_text().count('"path": ["loss"]') == 2
    [record] = load_runs(tmp_path / ".neptune")
    assert record.series("loss")["value"].tolist() == [1.0, 2.0]
    assert record.problems == []
