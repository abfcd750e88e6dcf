"""Comparing runs: what differs, how far each got, curves and grids side by side, and the files of an export."""

import time

import numpy as np
import pandas as pd
import pytest
from helpers.example_runs import GRIDS, LOSS_D, LOSS_G, write_run
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.records import writing
from dcgan_lib.records.export import export
from dcgan_lib.records.reading import load_run, load_runs
from dcgan_lib.views import comparison
from dcgan_lib.views.plots import MOST_POINTS, rendered


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "short", 9, grids=[3, 9], epochs=3)
    write_run(folder / "long", 30, grids=[5, 10, 30], epochs=10, seed=1, level=1000)
    return folder


@pytest.fixture(scope="module")
def records(folder):
    return load_runs(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What code of a user's own may have logged: other names, no settings, no pictures, a series of texts."""
    import neptune

    folder = tmp_path_factory.mktemp("plain") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEPTUNE_DATA_DIRECTORY", str(folder / "neptune"))
        quiet = {"capture_stdout": False, "capture_stderr": False, "capture_hardware_metrics": False}
        with neptune.init_run(mode="offline", git_ref=False, source_files=[], **quiet) as run:
            run["params/lr"] = 0.1
            for value in (3.0, 1.0, 2.0):
                run["train/loss"].append(value)
            run["notes"].append("begun")
    return load_run(folder)


def test_only_what_differs_is_shown_and_what_a_run_lacks_is_absent(records, plain):
    assert list(differing(records)) == ["epochs", "seed"]  # and environment/seed is no second column
    assert differing(records).loc["long"].tolist() == [10, 1]
    table = differing([*records, plain])
    assert table.loc[plain.name, "params/lr"] == 0.1
    assert pd.isna(table.loc["short", "params/lr"])
    assert pd.isna(table.loc[plain.name, "epochs"])
    assert not [name for name in table if name.startswith(("sys/", "monitoring/", "training/"))]
    assert differing(records[:1]).empty


def test_runs_that_share_a_name_can_be_told_apart(tmp_path):
    write_run(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    write_run(tmp_path / "a")
    assert sorted(run_labels(load_runs(tmp_path))) == ["a", "a (b)"]


def test_a_curve_is_drawn_over_steps_epochs_or_minutes(records):
    record = records[0]
    x, values = comparison.curve(record, LOSS_D)
    assert x.tolist() == values.tolist() == list(range(1, 10))
    x, _ = comparison.curve(record, LOSS_D, "epoch")
    assert x[2] == 1.0  # 20 images in batches of 8 are 3 steps
    x, _ = comparison.curve(record, LOSS_D, "minutes")
    np.testing.assert_array_equal(x, record.series(LOSS_D)["seconds"] / 60)
    with pytest.raises(ValueError, match="by is 'hours': choose one of step, epoch, minutes"):
        comparison.curve(record, LOSS_D, "hours")


def test_points_that_were_logged_at_once_are_spread_over_the_time_since_the_report_before(tmp_path):
    with writing.open_run(Config(), tmp_path / "run") as run:
        for first in (1, 5):
            run[LOSS_D].extend([1.0] * 4, steps=list(range(first, first + 4)))
            run.wait()
            time.sleep(0.05)
    [record] = load_runs(tmp_path)
    seconds = record.series(LOSS_D)["seconds"].to_numpy()
    minutes, _ = comparison.curve(record, LOSS_D, by="minutes")
    assert len(set(seconds)) == 2
    assert (minutes[3], minutes[7]) == (seconds[3] / 60, seconds[7] / 60)
    assert np.diff(minutes[3:]) == pytest.approx((seconds[7] - seconds[3]) / 60 / 4)


def test_a_run_that_does_not_say_its_epochs_is_told_in_one_line(plain):
    with pytest.raises(ValueError, match=r"has no epochs: its config/dataset/size is None; draw it by step$"):
        comparison.curve(plain, "train/loss", "epoch")
    with pytest.raises(ValueError, match="holds texts"):
        comparison.curve(plain, "notes")
    assert number_series([plain]) == ["train/loss"]


def test_the_best_value_is_told_with_its_step(records, plain):
    table = comparison.best([*records, plain], [LOSS_D, "train/loss"])
    assert table["run"].tolist() == ["short", "long", plain.name]
    assert table[["last", "best", "at step"]].to_numpy().tolist() == [[9, 1, 1], [1030, 1001, 1], [2, 1, 1]]
    highest = comparison.best(records, LOSS_D, goal="max")
    assert highest[["best", "at step"]].to_numpy().tolist() == [[9, 9], [1030, 30]]
    with pytest.raises(ValueError, match="goal is 'most': choose one of min, max"):
        comparison.best(records, LOSS_D, goal="most")


def test_one_lucky_step_is_not_the_best(tmp_path):
    values = np.concatenate([[0.1], np.linspace(5, 1, 100), np.linspace(1, 5, 100)])  # the first is luck
    values[150] = 0.0  # and so is this one
    with writing.open_run(Config(), tmp_path / "run") as run:
        run[LOSS_D].extend(values.tolist(), steps=list(range(201)))
    records = load_runs(tmp_path)
    assert comparison.best(records, LOSS_D, smooth=0)["at step"].item() == 150
    assert 95 < comparison.best(records, LOSS_D, smooth=5)["at step"].item() < 120


def test_a_run_has_its_colour_and_a_series_its_line(records):
    figure = comparison.overlay(records, [LOSS_D, LOSS_G], smooth=0)
    (axes,) = figure.axes
    looks = [(line.get_color(), line.get_linestyle(), line.get_ydata()[0]) for line in axes.lines]
    short, long = comparison.run_colour(0), comparison.run_colour(1)
    assert looks == [(short, "-", 1), (short, "--", 101), (long, "-", 1001), (long, "--", 1101)]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["short", "long", LOSS_D, LOSS_G]
    assert len({comparison.run_colour(index) for index in range(24)}) == 24


def test_side_by_side_each_run_has_a_panel_and_all_the_same_axes(records):
    figure = comparison.overlay(records, LOSS_D, by="epoch", side_by_side=True)
    assert [axes.get_title() for axes in figure.axes] == ["short", "long"]
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    assert figure.axes[0].get_ylabel() == LOSS_D


def test_an_epoch_of_several_updates_of_d_has_fewer_steps(tmp_path):
    write_run(tmp_path / "once")
    write_run(tmp_path / "twice", d_updates=2)
    once, twice = load_runs(tmp_path)
    ends = [
        comparison.overlay([run], LOSS_D, by="epoch", smooth=0).axes[0].lines[0].get_xdata()[-1]
        for run in (once, twice)
    ]
    assert ends == [10 / 3, 10 / 2]  # 20 images, 8 or 16 a step


def test_what_cannot_be_drawn_is_left_out_and_named(records, plain):
    figure = comparison.overlay([records[0], plain], [LOSS_D, "train/loss"], by="epoch", smooth=0)
    (axes,) = figure.axes
    assert len(axes.lines) == 1
    note = figure.get_suptitle().replace("\n", " ")
    assert note.startswith(
        f"left out: short has no train/loss; {plain.name} has no {LOSS_D}; run {plain.name} has no e"
    )
    for nothing, path in (([], LOSS_D), ([plain], "notes")):
        assert comparison.overlay(nothing, path).axes[0].texts[0].get_text() == "no points to draw yet"


def test_a_run_that_has_no_points_yet_is_no_error(tmp_path):
    write_run(tmp_path / "young", 0)
    young = load_runs(tmp_path)
    assert comparison.overlay(young, LOSS_D).axes[0].texts[0].get_text() == "no points to draw yet"
    assert comparison.best(young, LOSS_D).empty
    files = export(young, tmp_path / "out", LOSS_D)
    assert [file.name for file in files] == ["best.csv", "curves.png", "points.csv", "settings.csv"]


def test_a_path_that_no_run_has_is_answered_with_the_nearest(records, plain, tmp_path):
    runs = [*records, plain]
    message = f"^no run has the series 'dLoss': there are {LOSS_D}, .*notes$"
    for refused in (
        lambda: comparison.best(runs, "dLoss"),
        lambda: comparison.overlay(runs, [LOSS_D, "dLoss"]),
        lambda: export(runs, tmp_path / "out", "dLoss"),
    ):
        with pytest.raises(ValueError, match=message):
            refused()
    message = f"^no run has the images 'fixed': there are {GRIDS}$"
    for refused in (
        lambda: comparison.grids_side_by_side(runs, "fixed", 9),
        lambda: export(runs, tmp_path / "out", LOSS_D, image_path="fixed", step=9),
    ):
        with pytest.raises(ValueError, match=message):
            refused()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("smooth", [-3, 2.5, "20", None])
def test_an_average_is_over_a_whole_number_of_points(records, smooth):
    for function in (comparison.best, comparison.overlay):
        with pytest.raises(ValueError, match=r"^smooth is .*: give a whole number, 0 or more$"):
            function(records, LOSS_D, smooth=smooth)


def test_long_names_that_differ_anywhere_can_be_told_apart_in_figures(tmp_path):
    names = [
        f"learning-rates-learning_rate_d={d}-learning_rate_g={g}" for d in (0.0002, 0.0004) for g in (0.0002, 0.0004)
    ]
    for name in names:
        write_run(tmp_path / name, 3, grids=[1])
    records = load_runs(tmp_path)
    overlaid = [text.get_text() for text in comparison.overlay(records, LOSS_D).figure.legends[0].get_texts()]
    panels = [axes.get_title() for axes in comparison.overlay(records, LOSS_D, side_by_side=True).axes]
    grids = [axes.get_title() for axes in comparison.grids_side_by_side(records, GRIDS, 1).axes]
    for shown in (overlaid, panels, grids):
        assert len(set(shown)) == 4
        assert max(len(line) for text in shown for line in text.splitlines()) <= 60
    assert overlaid[1].replace("\n", "") == "…learning_rate_d=0.0002-learning_rate_g=0.0004"


def test_a_long_curve_is_thinned_and_keeps_its_end(tmp_path):
    write_run(tmp_path / "run", 5000)
    figure = comparison.overlay(load_runs(tmp_path), LOSS_D, smooth=0)
    (line,) = figure.axes[0].lines
    assert len(line.get_xdata()) == MOST_POINTS
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (1, 5000)


def test_each_run_shows_its_newest_picture_up_to_the_step(records, plain):
    def shown(step):
        pairs = comparison.images_at([*records, plain], GRIDS, step)
        return [pair and (pair[0], pair[1].getpixel((0, 0))[0]) for pair in pairs]

    assert shown(4) == [(3, 3), None, None]
    assert shown(10) == [(9, 9), (10, 10), None]
    assert comparison.image_steps(records, GRIDS) == [3, 5, 9, 10, 30]
    assert comparison.common_step([*records, plain], GRIDS) == 9
    assert comparison.common_step([plain], GRIDS) is None


def test_grids_stand_side_by_side_under_names_and_steps(records):
    figure = comparison.grids_side_by_side(records, GRIDS, 12)
    assert [axes.get_title() for axes in figure.axes] == ["short, step 9", "long, step 10"]
    with pytest.raises(ValueError, match=f"no run has a picture in {GRIDS} at step 2 or before"):
        comparison.grids_side_by_side(records, GRIDS, 2)


def test_an_export_is_whole_and_replaces_no_other(records, plain, tmp_path):
    paths = [LOSS_D, "train/loss"]
    files = export([*records, plain], tmp_path / "out", paths, smooth=0, image_path=GRIDS, step=9)
    assert [file.name for file in files] == ["best.csv", "curves.png", "grids.png", "points.csv", "settings.csv"]
    points = pd.read_csv(tmp_path / "out/001/points.csv")
    assert list(points) == ["run", "series", "step", "epoch", "seconds", "value"]
    long = points[points["run"] == "long"]
    assert (long["value"] - long["step"]).unique().tolist() == [1000]
    assert long["epoch"].iloc[-1] == 10
    assert points[points["run"] == plain.name]["epoch"].isna().all()
    settings = pd.read_csv(tmp_path / "out/001/settings.csv", index_col="run")
    assert settings.loc["short", "batch_size"] == 8  # what is the same in both is there as well
    assert pd.read_csv(tmp_path / "out/001/best.csv")["best"].tolist() == [1, 1001, 1]
    assert Image.open(tmp_path / "out/001/grids.png").format == "PNG"

    again = export(records, tmp_path / "out", LOSS_D)
    assert {file.parent.name for file in again} == {"002"}
    with pytest.raises(ValueError, match="no run has a picture"):
        export(records, tmp_path / "out", LOSS_D, image_path=GRIDS, step=1)
    with pytest.raises(ValueError, match=r"^no runs to export: the query matched none$"):
        export([], tmp_path / "out", LOSS_D)
    with pytest.raises(NotADirectoryError, match=r"points\.csv is a file: give the folder in which to write"):
        export(records, again[1].with_name("points.csv"), LOSS_D)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["001", "002"]  # no half export


def test_a_name_with_dollar_signs_is_no_formula(tmp_path):
    write_run(tmp_path / r"_50$ and \frac 5$", grids=[1])
    with writing.open_run(Config(), tmp_path / r"_50$ and \frac 5$") as run:
        run["my$\\frac$"].append(1.0, step=1)
    records = load_runs(tmp_path)
    for figure in (
        comparison.overlay(records, [LOSS_D, "my$\\frac$"]),
        comparison.overlay(records, LOSS_D, side_by_side=True),
        comparison.grids_side_by_side(records, GRIDS, 1),
    ):
        assert rendered(figure)
