"""Large, deep and odd images are decoded within bounds, and like the others."""

import io
import tracemalloc
from unittest.mock import MagicMock

import numpy as np
import pytest
from helpers.pictures import picture
from PIL import Image, PngImagePlugin

from dcgan_lib.images import decoding, files


def test_photos_of_more_than_a_hundred_megapixels_are_read(tmp_path, ready):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(2):
        Image.new("L", (12000, 9000), 90 + 20 * i).save(folder / f"{i}.jpg")
    metadata = PngImagePlugin.PngInfo()
    metadata.add_text("parameters", "a long prompt " * 200_000, zip=True)
    Image.new("RGB", (9, 9), "red").save(folder / "2.png", pnginfo=metadata)
    kept = Image.MAX_IMAGE_PIXELS
    prepared = ready(folder)
    assert [round(float(image.mean())) for image in prepared.images] == [90, 110, 85]
    assert kept == Image.MAX_IMAGE_PIXELS


def test_a_large_jpeg_decoded_at_a_fraction_looks_like_the_whole(monkeypatch):
    file = io.BytesIO()
    Image.fromarray(picture(1024, 1024)).resize((3200, 3200)).save(file, "JPEG", quality=95)
    part = decoding.decode(file.getvalue(), 64, 3).astype(int)
    monkeypatch.setattr(decoding, "MANY_PIXELS", 1 << 40)
    whole = decoding.decode(file.getvalue(), 64, 3).astype(int)
    assert 0 < np.abs(part - whole).max() <= 3


def test_an_image_beyond_all_memory_is_refused_from_its_header(monkeypatch):
    file = io.BytesIO()
    Image.new("RGB", (100, 100)).save(file, "PNG")
    monkeypatch.setattr(decoding, "MOST_MEMORY", 20_000)
    with pytest.raises(ValueError, match=r"100x100 pixels take 0 MB of memory, more than 0: make it smaller"):
        decoding.decode(file.getvalue(), 8, 3)


DEEP = [(np.uint16, "I;16", 2), (np.int32, "I", 4)]  # the bytes of a pixel that Pillow holds


@pytest.mark.parametrize(("kind", "mode", "held"), DEEP)
def test_deep_images_take_no_more_memory_than_is_counted(kind, mode, held):
    pixels = np.random.default_rng(0).integers(0, 65536, (500, 400)).astype(kind)
    image = Image.fromarray(pixels)
    assert image.mode == mode
    for work in (lambda: decoding._square(image, 8, 3, 65535), lambda: np.asarray(image).max()):  # as `find_white` does
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1] / pixels.size
        tracemalloc.stop()
        assert peak + held <= 1.05 * decoding._pixel_bytes(image)


@pytest.mark.parametrize(("kind", "mode", "held"), DEEP)
def test_a_large_deep_image_is_decoded_alone_and_looked_at_alone(tmp_path, monkeypatch, kind, mode, held):
    folder = tmp_path / "scans"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(np.full((100, 100), 900, kind)).save(folder / f"{i}.tif")
    found, alone = files.find_images(folder), MagicMock()
    monkeypatch.setattr(decoding, "_one_at_a_time", alone)
    for bound, times in ((100 * 100 * 12, 0), (100 * 100 * 9, 1)):
        monkeypatch.setattr(decoding, "LARGE", bound)
        decoding.decode((folder / "0.tif").read_bytes(), 8, 3)
        assert alone.__enter__.call_count == times
    alone.reset_mock()
    assert decoding.find_white(found, 1) == 1023
    assert alone.__enter__.call_count == 3  # the first, then all
    monkeypatch.setattr(decoding, "MOST_MEMORY", 100 * 100 * 9)
    assert decoding.find_white(found, 1) == 65535  # it looks at none
    with pytest.raises(ValueError, match="100x100 pixels take"):
        decoding.decode((folder / "0.tif").read_bytes(), 8, 3)


@pytest.mark.parametrize("white", [255, 511, 1023, 2047, 4095, 65535])
def test_deep_values_are_rounded_as_in_exact_arithmetic(white):
    values = np.arange(-100, 65536, dtype=np.int32).reshape(4, -1)
    expected = ((2 * 255 * values.astype(np.int64) + white) // (2 * white)).clip(0, 255)
    np.testing.assert_array_equal(np.asarray(decoding._eight_bits(Image.fromarray(values), white)), expected)


def test_floating_point_images_are_refused_with_what_to_do():
    file = io.BytesIO()
    Image.fromarray(np.ones((9, 9), np.float32)).save(file, "TIFF")
    with pytest.raises(ValueError, match="floating-point numbers of unknown range"):
        decoding.decode(file.getvalue(), 8, 3)


@pytest.mark.parametrize(("most", "white"), [(255, 255), (900, 1023), (4095, 4095), (5000, None), (65535, None)])
def test_sixteen_bits_are_scaled_by_what_the_set_uses(tmp_path, ready, recwarn, most, white):
    folder = tmp_path / "scans"
    folder.mkdir()
    for i in range(5):
        values = np.linspace(0, most * (i + 1) // 5, 64).astype(np.uint16).reshape(8, 8)
        Image.fromarray(values).save(folder / f"{i}.png")
    brightest = ready(folder).images.max((1, 2, 3))
    assert brightest[-1] == round(255 * most / (white or 65535))
    assert (np.diff(brightest.astype(int)) > 0).all()  # one scale for all of the set
    says = [str(warning.message) for warning in recwarn]
    assert len(says) == bool(white)
    assert all(f"use values up to {white} of 65535" in text for text in says)
