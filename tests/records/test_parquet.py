"""Runs in neptune-exporter's layout: read back with pyarrow, and where that program is here, taken to MLflow by it."""

import datetime
import math
import sys

import numpy as np
import pytest
from helpers.records import GRIDS, LOSS_D, LOSS_G, operation, point, write_process, write_run
from PIL import Image

from dcgan_lib.__main__ import main
from dcgan_lib.records.parquet import export_parquet, safe_name, schema
from dcgan_lib.records.reading import load_run, load_runs

pytest.importorskip("pyarrow")
import pyarrow.parquet

NAME = "rate=1e-4"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs, one of them with grids that are grey: the step."""
    folder = tmp_path_factory.mktemp("all") / "mine"
    write_run(folder / NAME, 30, grids=[5, 10], tags=["one", "two"], epochs=3)
    write_run(folder / "other", 9, epochs=5, level=100)
    return folder


@pytest.fixture
def rows():
    """A function that exports runs into a folder, and returns the rows of the first, by path."""

    def export(records, folder):
        table = pyarrow.parquet.read_table(export_parquet(records, folder)[0])
        assert table.schema.equals(schema())
        by_path = {}
        for row in table.to_pylist():
            value = {name: row[name] for name in row if row[name] is not None}
            by_path.setdefault(row["attribute_path"], []).append(value)
        return by_path

    return export


def test_the_schema_is_that_of_neptune_exporter():
    """Its `src/neptune_exporter/model.py`, as text."""
    assert [f"{field.name}: {field.type}" for field in schema()] == [
        "project_id: string",
        "run_id: string",
        "attribute_path: string",
        "attribute_type: string",
        "step: decimal128(18, 6)",
        "timestamp: timestamp[ms, tz=UTC]",
        "int_value: int64",
        "float_value: double",
        "string_value: string",
        "bool_value: bool",
        "datetime_value: timestamp[ms, tz=UTC]",
        "string_set_value: list<item: string>",
        "file_value: struct<path: string>",
        "histogram_value: struct<type: string, edges: list<item: double>, values: list<item: double>>",
    ]


def test_a_name_is_made_safe_as_neptune_exporter_does():
    """The first is a project in an export that was published with it."""
    assert safe_name("byyoung3/testing2") == "byyoung3_testing2-8ecbc7dd987961e5"
    assert safe_name("TES-2") == "TES-2-5119df95b5695272"
    assert len(safe_name("ß" * 300).encode()) <= 217
    assert safe_name("ß" * 300) != safe_name("ß" * 301)


def test_every_field_point_image_and_file_is_there_with_its_type_step_and_time(runs, tmp_path, rows):
    record = load_run(runs / NAME)
    table = rows([record], tmp_path)
    assert set(table) == {*record.fields, *record.series_names, *record.image_names, *record.file_names} | {
        "sys/custom_run_id",
        "sys/id",
        "sys/creation_time",
    }
    same = {"project_id": "dcgan", "run_id": NAME}
    for path, kind, value in (
        ("config/hyperparameters/epochs", "int", 3),
        ("config/hyperparameters/beta1", "float", 0.5),
        ("config/hyperparameters/flip", "bool", False),
        ("training/state", "string", "finished"),
        ("sys/tags", "string_set", ["one", "two"]),
        ("sys/id", "string", NAME),
        ("sys/custom_run_id", "string", NAME),
        ("sys/name", "string", "mine"),
    ):
        assert table[path] == [same | {"attribute_path": path, "attribute_type": kind, f"{kind}_value": value}]
    [created] = table["sys/creation_time"]
    assert abs(created["datetime_value"] - record.created) < datetime.timedelta(milliseconds=1)

    frame = record.series(LOSS_G)
    assert [float(row["step"]) for row in table[LOSS_G]] == frame["step"].tolist() == list(range(1, 31))
    assert [row["float_value"] for row in table[LOSS_G]] == frame["value"].tolist()
    assert {row["attribute_type"] for row in table[LOSS_G]} == {"float_series"}
    for row, time in zip(table[LOSS_G], frame["time"], strict=True):
        assert datetime.timedelta(0) <= time - row["timestamp"] < datetime.timedelta(milliseconds=1)

    files = tmp_path / "files" / safe_name("dcgan")
    assert [(row["step"], row["attribute_type"]) for row in table[GRIDS]] == [(5, "file_series"), (10, "file_series")]
    for row in table[GRIDS]:
        pixels = np.asarray(Image.open(files / row["file_value"]["path"]))
        assert pixels.shape == (16, 16, 3)
        assert (pixels == int(row["step"])).all()
        assert row["timestamp"].timestamp() == pytest.approx(record.image_times(GRIDS)[float(row["step"])], abs=1e-3)


def test_files_that_were_uploaded_are_copied(tmp_path, rows):
    upload = {"type": "UploadFile", "path": ["io_files", "arch"], "ext": "txt", "file_path": None}
    log = write_process(tmp_path / "mine/neptune", "1", operation(1, **upload, tmp_file_name="arch.txt"))
    (log.parent / "upload_path").mkdir()
    (log.parent / "upload_path/arch.txt").write_text("a network")
    [row] = rows([load_run(tmp_path / "mine")], tmp_path / "out")["io_files/arch"]
    assert row["attribute_type"] == "file"
    assert (tmp_path / "out/files" / safe_name("dcgan") / row["file_value"]["path"]).read_text() == "a network"
    assert row["file_value"]["path"].endswith(".txt")


def test_exporting_again_replaces_a_run_and_leaves_the_others(runs, tmp_path):
    data, files = export_parquet(load_runs(runs), tmp_path), tmp_path / "files" / safe_name("dcgan")
    before = {path: path.stat().st_mtime_ns for path in data}
    (files / safe_name(NAME) / "old.png").touch()
    export_parquet([load_run(runs / NAME)], tmp_path)
    assert [path.stat().st_mtime_ns > before[path] for path in data] == [path.name.startswith("rate") for path in data]
    assert not list(files.rglob("old.png"))
    assert [path.name for path in sorted(data[0].parent.iterdir())] == sorted(path.name for path in data)


def test_records_of_plain_neptune_code_go_as_far_as_the_layout_does(tmp_path, rows):
    """Two runs of one name, texts, a time that is none, a step that is no whole number, one too long, a huge value."""
    words = {"path": ["words"], "values": [{"value": "x", "step": 1, "ts": 1.0}]}
    when = operation(1, type="AssignDatetime", path=["when"], value=1e12)
    huge = operation(2, type="AssignInt", path=["huge"], value=2**70)
    named = operation(3, type="AssignString", path=["sys", "name"], value="same")
    odd = [when, huge, named, operation(4, type="LogStrings", **words)]
    points = [point(5, 1.0, 0.25, at=1e300), point(6, 2.0, 3, at=2.0), point(7, 3.0, 10**13, at=3.0)]
    home = tmp_path / "project/.neptune"
    write_process(home, "1", *odd, *points, uuid="a")
    write_process(home, "2", named, created=1, uuid="b")
    with pytest.warns(UserWarning, match=f"same: 1 points of {LOSS_G} were left out: their steps have more than 12"):
        table = rows(load_runs(tmp_path / "project"), tmp_path / "out")
    assert [row["string_value"] for row in table["words"]] == ["x"]
    assert table["huge"][0]["string_value"] == str(2**70)
    assert table["when"][0]["datetime_value"].year == 2001
    assert [(float(row["step"]), row["float_value"], "timestamp" in row) for row in table[LOSS_G]] == [
        (0.25, 1.0, False),
        (3, 2.0, True),
    ]
    assert table["sys/id"][0]["string_value"] == "same (a)"
    assert table["sys/name"][0]["string_value"] == "project"
    assert len(list((tmp_path / "out/data").rglob("*.parquet"))) == 2


def test_the_command_writes_beside_the_runs_and_tells_what_is_missing(runs, capsys, monkeypatch):
    assert main(["export", str(runs), "--to", "parquet"]) == 0
    folder = (runs / "exports/parquet").resolve()
    assert capsys.readouterr().out.startswith(f"2 runs written to {folder}; neptune-exporter takes them on")
    assert len(load_runs(runs)) == 2  # what was exported is no run
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)  # as where pyarrow is not installed
    assert main(["export", str(runs), "--to", "parquet"]) == 1
    assert capsys.readouterr().err == "Parquet files need a package: pip install pyarrow\n"


def test_neptune_exporter_takes_curves_settings_and_images_to_mlflow(runs, tmp_path, monkeypatch):
    """It is on GitHub and not on PyPI: runs where its `src/` is on PYTHONPATH, and mlflow is installed."""
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("neptune_exporter")
    from neptune_exporter import model
    from neptune_exporter.loader_manager import LoaderManager
    from neptune_exporter.loaders.mlflow_loader import MLflowLoader
    from neptune_exporter.storage.parquet_reader import ParquetReader

    assert schema().equals(model.SCHEMA)
    monkeypatch.chdir(tmp_path)
    export_parquet(load_runs(runs), tmp_path)
    loader = MLflowLoader(f"sqlite:///{tmp_path}/mlflow.db")
    LoaderManager(ParquetReader(tmp_path / "data"), loader, tmp_path / "files", step_multiplier=1).load()
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("dcgan/mine")
    found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(found) == {f"mine_{NAME}", "mine_other"}
    own = found[f"mine_{NAME}"]
    points = client.get_metric_history(own.info.run_id, LOSS_D)
    assert [(each.step, each.value) for each in points] == [(step, step) for step in range(1, 31)]
    assert math.isclose(float(own.data.params["config/hyperparameters/epochs"]), 3)
    pictures = [file.path for file in client.list_artifacts(own.info.run_id, GRIDS)]
    assert pictures == [f"{GRIDS}/step_10", f"{GRIDS}/step_5"]
