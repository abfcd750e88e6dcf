"""The figure of how the players are: a row a run, one scale a column, and no more than was recorded."""

import numpy as np
import pytest
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.records import writing
from dcgan_lib.records.paths import FIXED_NOISE, PATHS
from dcgan_lib.records.reading import load_run
from dcgan_lib.views.health import PANELS, plot_health


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    random = np.random.default_rng(0)
    with writing.open_run(Config(image_size=16), folder) as run:
        for path in PATHS.values():
            run[path].extend(random.random(8).tolist(), steps=list(range(1, 9)))
        for step in (4, 8):
            writing.log_images(run, Image.fromarray(random.integers(0, 256, (38, 38, 3), dtype=np.uint8)), step)
    return load_run(folder)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A run that has logged one loss alone, much higher than any other."""
    folder = tmp_path_factory.mktemp("bare")
    with writing.open_run(Config(), folder) as run:
        run["training/batch/Gloss"].extend([1000.0, 2000.0], steps=[1, 2])
    return load_run(folder)


def test_each_run_has_its_row_with_every_panel_of_the_record(run):
    axes = plot_health({"mine": run}).axes
    assert axes[0].get_title(loc="left") == "mine"
    assert [panel.get_title() for panel in axes[1:]] == list(PANELS)
    for panel, curves in zip(axes[1:], PANELS.values(), strict=True):
        assert [text.get_text() for text in panel.get_legend().get_texts()] == list(curves)
    shown = axes[1].lines[0].get_ydata()
    assert shown == pytest.approx(run.series("training/batch/Dloss")["value"].to_numpy())
    newest = np.asarray(run.images(FIXED_NOISE)[-1][1].convert("RGB"))
    assert np.array_equal(np.asarray(axes[0].images[0].get_array())[..., :3], newest)


def test_a_column_has_one_scale_and_what_is_missing_stays_empty(run, bare):
    figure = plot_health({"mine": run, "bare": bare}, rows=1)
    first, second = figure.axes[:5], figure.axes[5:]
    for upper, lower in zip(first[1:], second[1:], strict=True):
        assert (upper.get_xlim(), upper.get_ylim()) == (first[1].get_xlim(), lower.get_ylim())
    assert first[1].get_ylim()[1] > 2000
    assert not any(panel.lines for panel in second[2:])
    assert not second[0].images
    assert first[2].get_ylim()[1] >= 1
    (picture,) = first[0].images
    assert picture.get_array().shape[:2] == (16 + 4, 16 + 4)  # one face of the grid
    assert all(panel.get_legend() for panel in first[1:])  # above its column, where it hides no curve
    assert not any(panel.get_legend() for panel in second)
