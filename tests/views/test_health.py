"""The figure of how the players are: a row a run, one scale a column, and no more than was recorded."""

import numpy as np
import pytest

from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_grid
from dcgan_lib.records import writing
from dcgan_lib.records.reading import load_run
from dcgan_lib.train import fit
from dcgan_lib.views.health import PANELS, plot_health
from dcgan_lib.views.plots import rendered


@pytest.fixture
def run(tiny, images, tmp_path):
    gan = GAN(tiny)
    with writing.open_run(tiny, tmp_path / "run", gan=gan, images=images) as run:
        for report in fit(gan, images):
            writing.log_report(run, report)
            writing.log_images(run, to_grid(gan.sample(), columns=2), report.step)
    return load_run(tmp_path / "run")


@pytest.fixture
def bare(tmp_path):
    """A run that has logged one loss alone, twice as high as any other."""
    with writing.open_run(Config(), tmp_path / "bare") as run:
        run["training/batch/Gloss"].extend([1000.0, 2000.0], steps=[1, 2])
    return load_run(tmp_path / "bare")


def test_each_run_has_its_row_with_every_panel_of_the_record(run):
    axes = plot_health({"mine": run}).axes
    assert axes[0].get_title(loc="left") == "mine"
    assert [panel.get_title() for panel in axes[1:]] == list(PANELS)
    for panel, curves in zip(axes[1:], PANELS.values(), strict=True):
        assert [text.get_text() for text in panel.get_legend().get_texts()] == list(curves)
    shown = axes[1].lines[0].get_ydata()
    assert shown == pytest.approx(run.series("training/batch/Dloss")["value"].to_numpy())


def test_a_column_has_one_scale_and_what_is_missing_stays_empty(run, bare):
    figure = plot_health({"mine": run, "bare": bare}, rows=1)
    first, second = figure.axes[:5], figure.axes[5:]
    for upper, lower in zip(first[1:], second[1:], strict=True):
        assert upper.get_ylim() == lower.get_ylim()
    assert first[1].get_ylim()[1] > 2000
    assert not any(panel.lines for panel in second[2:])
    assert not second[0].images
    assert first[2].get_ylim()[1] >= 1
    (picture,) = first[0].images
    assert picture.get_array().shape[:2] == (16 + 4, 2 * 18 + 2)  # one row of the grid
    assert len(rendered(figure, 40)) > 1000


def test_the_newest_grid_is_shown(run):
    (picture,) = plot_health({"mine": run}).axes[0].images
    newest = np.asarray(run.images("images/fixed_noise")[-1][1].convert("RGB"))
    assert np.array_equal(np.asarray(picture.get_array())[..., :3], newest)
