"""Pictures: the same value is always the same brightness, no frame is lost, nothing is shown behind your back."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from dcgan_lib.images.grid import to_grid
from dcgan_lib.views.plots import animate, film_strip, plot_curves, show_side_by_side, smoothed


def frames(count, size=130):
    draw = np.random.default_rng(0)
    return [(100 * i, Image.fromarray(draw.integers(0, 256, (size, size, 3), dtype=np.uint8))) for i in range(count)]


def test_a_grid_has_its_images_in_place_and_unstretched():
    images = torch.stack([torch.full((3, 4, 4), value) for value in (-1.0, 0.0, 1.0, 0.5)])
    grid = to_grid(images, columns=2)
    assert grid.shape == (2 * 4 + 3 * 2, 2 * 4 + 3 * 2, 3)
    assert grid.dtype == np.uint8
    assert [grid[y, x, 0] for y in (4, 10) for x in (4, 10)] == [0, 128, 255, 191]
    dark = to_grid(images[:1] * 0.5)
    assert dark[0, 0, 0] == 64  # alone in its batch, and still no brighter


def test_bytes_and_floats_and_grey_give_the_same_grid():
    values = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(to_grid(values), to_grid(values.float() / 127.5 - 1))
    np.testing.assert_array_equal(to_grid(values), to_grid(values.expand(-1, 3, -1, -1)))


def test_the_moving_average_halves_after_its_half_life_and_starts_unbiased():
    assert smoothed([3.0] * 10, 4) == pytest.approx([3.0] * 10)
    step = smoothed([0.0] * 1000 + [1.0] * 4, 4)
    assert step[-1] == pytest.approx(0.5)


def test_curves_keep_their_points_guides_and_labels():
    figure = plot_curves({"Loss_D": ([1, 2, 3], [0.5, 0.4, 0.3])}, guides={"2 log 2": 1.386}, ylabel="loss")
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 0.5], [2, 0.4], [3, 0.3]])
    assert axes.lines[1].get_ydata()[0] == 1.386
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Loss_D"]


def test_figures_are_made_without_a_display_and_none_stays_open():
    from matplotlib import pyplot

    show_side_by_side({"real": torch.zeros(4, 3, 8, 8), "fake": torch.zeros(4, 3, 8, 8)})
    assert pyplot.get_fignums() == []


def test_a_film_strip_has_first_and_last():
    titles = [axes.get_title() for axes in film_strip(frames(20), count=5).axes]
    assert len(titles) == 5
    assert (titles[0], titles[-1]) == ("step 0", "step 1,900")
    assert len(film_strip(frames(2)).axes) == 2


def test_an_animation_keeps_every_frame_stays_small_and_asks_no_network():
    html = animate(frames(30), kilobytes=400)
    assert len(html) <= 400_000
    pictures, steps = (
        json.loads(text) for text in re.search(r"pictures = (\[.*?\]), steps = (\[.*?\]);", html).groups()
    )
    assert steps == [100 * i for i in range(30)]
    assert len(set(pictures)) == 30
    decoded = Image.open(io.BytesIO(base64.b64decode(pictures[0].partition(",")[2])))
    assert decoded.size == (130, 130)  # not enlarged
    assert "http" not in html
    assert animate(frames(30), kilobytes=400) == html


@pytest.mark.parametrize("count", [60, 250])
def test_a_long_training_fits_as_well(count):
    draw = np.random.default_rng(0)
    smooth = [draw.integers(0, 256, (33, 33, 3), dtype=np.uint8) for _ in range(count)]
    grids = [(i, Image.fromarray(pixels).resize((530, 530))) for i, pixels in enumerate(smooth)]
    html = animate(grids, kilobytes=400)
    assert len(html) <= 400_000
    assert html.count("data:image/webp") == count


def test_an_animation_that_cannot_fit_says_so():
    with pytest.raises(ValueError, match=r"30 frames don't fit into 20 KB: animate every second one"):
        animate(frames(30), kilobytes=20)
    with pytest.raises(ValueError, match="no frames to animate"):
        animate([])
