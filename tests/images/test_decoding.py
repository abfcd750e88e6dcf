"""Large, deep and odd images are decoded within bounds, and like the others."""

import io

import numpy as np
import pytest
from helpers.pictures import picture
from PIL import Image, PngImagePlugin

from dcgan_lib.images import decoding


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
