"""Comparing runs: how far each got, curves and grids side by side."""

import time

import numpy as np
import pytest
from helpers.records import GRIDS, LOSS_D, LOSS_G, write_run

from dcgan_lib.config import Config
from dcgan_lib.records import writing
from dcgan_lib.records.reading import load_run, load_runs
from dcgan_lib.views import comparison
from dcgan_lib.views.plots import MOST_POINTS, rendered


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "short", 9, grids=[3, 9], epochs=3)
    write_run(folder / "long", 30, grids=[5, 10, 30], epochs=10, seed=1, level=1000)
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
            for value in (3.0, 1.0, 2.0):
                run["train/loss"].append(value)
            run["notes"].append("begun")
    return load_run(folder)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_curve_is_plotted_over_steps_epochs_or_minutes(records):
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
    record = load_run(tmp_path / "run")
    seconds = record.series(LOSS_D)["seconds"].to_numpy()
    minutes, _ = comparison.curve(record, LOSS_D, by="minutes")
    assert len(set(seconds)) == 2
    assert (minutes[3], minutes[7]) == (seconds[3] / 60, seconds[7] / 60)
    assert np.diff(minutes[3:]) == pytest.approx((seconds[7] - seconds[3]) / 60 / 4)


def test_what_is_no_curve_is_told_in_one_line(plain):
    for path in ("notes", "nothing"):
        with pytest.raises(ValueError, match=f"has no numbers in {path}$"):
            comparison.curve(plain, path)


def test_the_last_the_lowest_and_the_highest_value_are_told_with_their_steps(records, plain):
    table = comparison.extremes([*records, plain], [LOSS_D, "train/loss"])
    assert table["run"].tolist() == ["short", "long", plain.name]
    assert table.loc[1, "last":].tolist() == [1030, 1001, 1, 1030, 30]
    assert table.loc[2, "last":].tolist() == [2, 1, 1, 3, 0]


def test_one_lucky_step_is_not_the_lowest(tmp_path):
    values = np.concatenate([[0.1], np.linspace(5, 1, 100), np.linspace(1, 5, 100)])  # the first is luck
    values[150] = 0.0  # and so is this one
    with writing.open_run(Config(), tmp_path / "run") as run:
        run[LOSS_D].extend(values.tolist(), steps=list(range(201)))
    records = load_runs(tmp_path)
    assert comparison.extremes(records, LOSS_D, smooth=0)["lowest at"].item() == 150
    assert 95 < comparison.extremes(records, LOSS_D, smooth=5)["lowest at"].item() < 120


def test_a_run_has_its_colour_and_a_series_its_line(records):
    figure = comparison.overlay(records, [LOSS_D, LOSS_G], smooth=0)
    (axes,) = figure.axes
    looks = [(line.get_color(), line.get_linestyle(), line.get_ydata()[0]) for line in axes.lines]
    short, long = comparison.run_colour(0), comparison.run_colour(1)
    assert looks == [(short, "-", 1), (short, "--", 101), (long, "-", 1001), (long, "--", 1101)]
    assert legend(figure) == ["short", "long", "Loss_D", "Loss_G"]
    assert len({comparison.run_colour(index) for index in range(24)}) == 24
    assert comparison.series_labels(["a/loss", "b/loss"]) == ["a/loss", "b/loss"]


def test_side_by_side_each_run_has_a_panel_and_all_the_same_axes(records):
    figure = comparison.overlay(records, LOSS_D, by="epoch", side_by_side=True)
    assert [axes.get_title() for axes in figure.axes] == ["short", "long"]
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    assert figure.axes[0].get_ylabel() == "Loss_D"


def test_an_axis_says_what_all_of_its_series_are(records):
    labels = [comparison.overlay(records, paths).axes[0].get_ylabel() for paths in (LOSS_D, [LOSS_D, LOSS_G])]
    assert labels == ["Loss_D", "loss"]
    assert comparison.axis_label([LOSS_D, "my/own"]) == comparison.axis_label(["my/own", "my/other"]) == ""


def test_what_cannot_be_plotted_is_left_out_and_named(records, plain):
    figure = comparison.overlay([records[0], plain], [LOSS_D, "train/loss"], by="epoch", smooth=0)
    (axes,) = figure.axes
    assert len(axes.lines) == 1
    note = figure.get_suptitle().replace("\n", " ")
    nothing = f"left out: short has no numbers in train/loss; {plain.name} has no numbers in {LOSS_D}; run {plain.name}"
    assert note.startswith(nothing)
    for runs, path in (([], LOSS_D), ([plain], "notes")):
        assert comparison.overlay(runs, path).axes[0].texts[0].get_text() == "no points to plot yet"


def test_a_run_that_has_no_points_yet_is_no_error(tmp_path):
    write_run(tmp_path / "young", 0)
    young = load_runs(tmp_path)
    assert comparison.overlay(young, LOSS_D).axes[0].texts[0].get_text() == "no points to plot yet"
    assert comparison.extremes(young, LOSS_D).empty


def test_a_path_that_no_run_has_is_answered_with_the_nearest(records):
    for refused in (comparison.extremes, comparison.overlay):
        with pytest.raises(ValueError, match=f"^no run has the series 'Dlos': did you mean '{LOSS_D}'"):
            refused(records, [LOSS_D, "Dlos"])
    with pytest.raises(ValueError, match=f"^no run has the images 'fixed': did you mean '{GRIDS}'"):
        comparison.grids_side_by_side(records, "fixed", 9)


def test_long_names_that_differ_anywhere_can_be_told_apart_in_figures(tmp_path):
    rates = [(d, g) for d in (0.0002, 0.0004) for g in (0.0002, 0.0004)]
    for d, g in rates:
        write_run(tmp_path / f"learning-rates-learning_rate_d={d}-learning_rate_g={g}", 3, grids=[1])
    records = load_runs(tmp_path)
    overlaid = legend(comparison.overlay(records, LOSS_D))
    panels = [axes.get_title() for axes in comparison.overlay(records, LOSS_D, side_by_side=True).axes]
    grids = [axes.get_title() for axes in comparison.grids_side_by_side(records, GRIDS, 1).axes]
    for shown in (overlaid, panels, grids):
        assert len(set(shown)) == 4
        assert max(len(line) for text in shown for line in text.splitlines()) <= 72
    assert overlaid[1].replace("\n", "") == "…learning_rate_d=0.0002-learning_rate_g=0.0004"


def test_a_long_curve_is_thinned_and_keeps_its_end(tmp_path):
    write_run(tmp_path / "run", 2500)
    (line,) = comparison.overlay(load_runs(tmp_path), LOSS_D, smooth=0).axes[0].lines
    assert len(line.get_xdata()) == MOST_POINTS
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (1, 2500)


def test_grids_stand_side_by_side_each_the_newest_up_to_the_step(records, plain):
    figure = comparison.grids_side_by_side([*records, plain], GRIDS, 10)
    assert [axes.get_title() for axes in figure.axes] == ["short, step 9", "long, step 10"]
    assert [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes] == [9, 10]
    (early,) = comparison.grids_side_by_side(records, GRIDS, 4).axes
    assert early.get_title() == "short, step 3"
    with pytest.raises(ValueError, match=f"no run has a picture in {GRIDS} at step 2 or before"):
        comparison.grids_side_by_side(records, GRIDS, 2)
    assert comparison.image_steps(records, GRIDS) == [3, 5, 9, 10, 30]
    assert comparison.common_step([*records, plain], GRIDS) == 9
    assert comparison.common_step([plain], GRIDS) is None


def test_a_name_with_dollar_signs_is_no_formula(tmp_path):
    with writing.open_run(Config(), tmp_path / r"_50$ and \frac 5$") as run:
        run["my$\\frac$"].append(1.0, step=1)
    records = load_runs(tmp_path)
    for side_by_side in (False, True):
        assert rendered(comparison.overlay(records, "my$\\frac$", side_by_side=side_by_side))
