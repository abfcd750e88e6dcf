"""Runs taken elsewhere: what was written is read back with pandas, and with TensorBoard's own reader."""

import sys

import numpy as np
import pandas as pd
import pytest
from helpers.records import GRIDS, LOSS_D, LOSS_G, operation, point, write_process, write_run

from dcgan_lib.__main__ import main
from dcgan_lib.records.export import export_csv, export_tensorboard
from dcgan_lib.records.reading import load_run, load_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs that differ in one setting, with grids that are grey: the step."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "rate=1e-4", 30, grids=[5, 10], tags=["one"], epochs=3)
    write_run(folder / "a name: of sorts", 9, epochs=5, level=100)
    return folder


@pytest.fixture
def read():
    """Reads a folder of event files as TensorBoard does."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return lambda folder: accumulator.EventAccumulator(str(folder)).Reload()


def test_tables_hold_every_point_and_setting(runs, tmp_path):
    points, settings = export_csv(load_runs(runs), tmp_path / "new/folder")
    frame = pd.read_csv(points)
    assert list(frame) == ["run", "series", "step", "epoch", "seconds", "value"]
    assert len(frame) == 2 * (30 + 9)
    last = frame[(frame["run"] == "rate=1e-4") & (frame["series"] == LOSS_G)].iloc[-1]
    assert (last["step"], last["epoch"], last["value"]) == (30, 10, 130)  # 20 images in batches of 8
    table = pd.read_csv(settings, index_col="run")
    assert table["epochs"].tolist() == [3, 5]
    assert table.loc["rate=1e-4", ["state", "tags", LOSS_D]].tolist() == ["finished", "one", 30]
    export_csv(load_runs(runs), tmp_path / "new/folder", [LOSS_D])
    assert set(pd.read_csv(points)["series"]) == {LOSS_D}


def test_event_files_hold_every_point_image_and_setting_with_its_step_and_time(runs, tmp_path, read):
    records = load_runs(runs)
    folders = export_tensorboard(records, tmp_path)
    assert [folder.name for folder in folders] == ["rate=1e-4", "a_name_of_sorts"]
    events = read(folders[0])
    assert events.Tags()["scalars"] == [LOSS_D, LOSS_G]
    frame = records[0].series(LOSS_G)
    logged = events.Scalars(LOSS_G)
    assert [event.step for event in logged] == frame["step"].tolist()
    assert [event.value for event in logged] == frame["value"].tolist()
    times = [time.timestamp() for time in frame["time"]]
    assert [event.wall_time for event in logged] == pytest.approx(times, abs=1e-3)
    images = events.Images(GRIDS)
    assert [(image.step, image.width, image.height) for image in images] == [(5, 16, 16), (10, 16, 16)]
    assert [image.wall_time for image in images] == pytest.approx(list(records[0].image_times(GRIDS).values()))
    [text] = events.Tensors("settings/text_summary")
    assert b"| epochs | 3 |" in text.tensor_proto.string_val[0]
    hparams = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"epochs" in hparams
    assert b"batch_size" not in hparams  # which is alike in all runs


def test_exporting_again_replaces_and_doubles_no_point(runs, tmp_path, read):
    export_tensorboard(load_runs(runs), tmp_path)
    [folder] = export_tensorboard([load_run(runs / "rate=1e-4")], tmp_path)
    assert len(read(folder).Scalars(LOSS_D)) == 30
    assert len(read(tmp_path / "a_name_of_sorts").Scalars(LOSS_D)) == 9  # the other's stays


def test_nothing_but_an_earlier_export_is_replaced(runs):
    before = sorted(runs.rglob("*"))
    with pytest.raises(FileExistsError, match="rate=1e-4 is more than an earlier export: choose another folder"):
        export_tensorboard(load_runs(runs), runs)  # where the runs themselves are
    assert sorted(runs.rglob("*")) == before


def test_names_that_would_share_a_folder_do_not(tmp_path):
    for name in ("1/a b", "2/a b", "2/a_b"):
        write_process(tmp_path / name / "neptune", "1", point(1, 1.0, 1))
    records = [load_run(tmp_path / name) for name in ("1/a b", "2/a b", "2/a_b")]
    assert [folder.name for folder in export_tensorboard(records, tmp_path / "out")] == ["a_b-1", "a_b-2", "a_b-3"]


def test_records_of_other_code_are_exported_as_far_as_they_go(tmp_path, read):
    """No epochs, a time that is none, a setting that is no plain value, and a series of texts."""
    settings = {"path": ["config", "hyperparameters", "when"], "value": 1e12}
    words = {"path": ["words"], "values": [{"value": "x", "step": 1, "ts": 1.0}]}
    odd = [operation(1, type="AssignDatetime", **settings), operation(2, type="LogStrings", **words)]
    write_process(tmp_path / "runs/odd/neptune", "1", *odd, point(3, 1.0, 1, at=1e300), point(4, 2.0, 2))
    write_process(tmp_path / "runs/empty/neptune", "1", created=1)
    records = load_runs(tmp_path / "runs")
    points, _ = export_csv(records, tmp_path)
    assert pd.read_csv(points)["epoch"].isna().all()
    odd, empty = export_tensorboard(records, tmp_path / "out")
    assert [event.value for event in read(odd).Scalars(LOSS_G)] == [1.0, 2.0]
    assert read(empty).Tags()["scalars"] == []
    assert np.isnan(read(odd).Scalars(LOSS_G)[0].wall_time)


@pytest.mark.parametrize("to", ["csv", "tensorboard"])
def test_the_command_writes_beside_the_runs_and_says_where(runs, capsys, to):
    assert main(["export", str(runs), str(runs / "rate=1e-4"), "--to", to]) == 0
    folder = (runs / "exports" / to).resolve()
    assert capsys.readouterr().out.startswith(f"2 runs written to {folder}")
    assert list(folder.rglob("points.csv" if to == "csv" else "*tfevents*"))
    assert len(load_runs(runs)) == 2  # what was exported is no run


def test_the_command_takes_a_folder_and_tells_what_is_in_the_way(runs, tmp_path, capsys, monkeypatch):
    assert main(["export", str(runs / "rate=1e-4"), "--to", "csv", "--into", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"1 run written to {tmp_path}\n"
    assert set(pd.read_csv(tmp_path / "points.csv")["run"]) == {"rate=1e-4"}
    assert main(["export", str(tmp_path / "nowhere"), "--to", "csv"]) == 1
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as where tensorboard is not installed
    assert main(["export", str(runs), "--to", "tensorboard"]) == 1
    no_runs, no_package = capsys.readouterr().err.splitlines()
    assert no_runs == f"no runs in {tmp_path / 'nowhere'}: train first, or give the folder that holds them"
    assert no_package == "event files need a package: pip install tensorboard"
