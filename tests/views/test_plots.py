"""Pictures of images and curves: no point and no frame is lost, nothing is shown behind your back."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from dcgan_lib.views.plots import animate, film_strip, plot_curves, smoothed


def frames(count, size=64):
    """Noise, which compresses worst, at steps 0, 100, …"""
    random = np.random.default_rng(0)
    return [(100 * i, Image.fromarray(random.integers(0, 256, (size, size, 3), dtype=np.uint8))) for i in range(count)]


def played(picture):
    """The frames of an animation, and for how many milliseconds each is shown."""
    file = Image.open(io.BytesIO(picture.data))
    return [(frame.convert("RGB"), frame.info.get("duration")) for frame in ImageSequence.Iterator(file)]


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


def test_a_film_strip_has_first_and_last():
    titles = [axes.get_title() for axes in film_strip(frames(20), count=5).axes]
    assert len(titles) == 5
    assert (titles[0], titles[-1]) == ("step 0", "step 1,900")
    assert len(film_strip(frames(2)).axes) == 2


def test_an_animation_is_one_png_that_keeps_every_frame():
    picture = animate(frames(12), kilobytes=90)
    assert picture.data.startswith(b"\x89PNG")
    assert list(picture._repr_mimebundle_()[0]) == ["image/png"]
    assert len(base64.b64encode(picture.data)) <= 90_000
    shown, durations = zip(*played(picture), strict=True)
    assert len(shown) == 12
    assert Image.open(io.BytesIO(picture.data)).info["loop"] == 0  # again and again
    assert (durations[0], durations[1], durations[-1]) == (1000, 500, 2000)
    assert len({frame.crop((0, frame.width, 100, frame.height)).tobytes() for frame in shown}) == 12  # its step
    assert animate(frames(12), kilobytes=90).data == picture.data


def test_an_animation_of_few_colours_shows_them_as_they_are():
    halves = Image.new("RGB", (600, 600), (200, 40, 40))
    halves.paste((10, 20, 200), (0, 0, 600, 100))
    (frame, _), _ = played(animate([(0, halves), (1, halves)]))
    assert frame.size == (265, 265 + 18)  # the upper left quarter
    assert (frame.getpixel((9, 9)), frame.getpixel((9, 200))) == ((10, 20, 200), (200, 40, 40))


def test_of_many_frames_so_many_are_shown_the_last_among_them():
    many = frames(95)
    shown = played(animate(many, count=20))
    assert len(shown) == 20
    last = np.asarray(shown[-1][0].crop((0, 0, 64, 64))).astype(int) - np.asarray(many[-1][1])
    assert np.abs(last).mean() < 30


def test_an_animation_that_cannot_fit_says_so():
    with pytest.raises(ValueError, match=r"30 frames don't fit into 9 KB: give a smaller count"):
        animate(frames(30), kilobytes=9)
    with pytest.raises(ValueError, match="no frames to animate"):
        animate([])
    assert len(played(animate(frames(1)))) == 1
