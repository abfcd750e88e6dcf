"""Bytes and floats."""

import pytest
import torch
from helpers.pictures import picture

from dcgan_lib.images.grid import to_floats


@pytest.mark.parametrize("channels", [1, 3])
def test_floats_are_the_bytes_scaled_mirrored_and_with_channels_last(channels):
    pixels = torch.from_numpy(picture(8, 8, 5 * channels)).permute(2, 0, 1).reshape(5, channels, 8, 8)
    plain = to_floats(pixels)
    assert torch.equal(plain, pixels.contiguous().float() / 127.5 - 1)
    mirrored = to_floats(pixels, torch.tensor([True, False, False, True, False]))
    assert torch.equal(mirrored[[0, 3]], plain[[0, 3]].flip(-1))
    assert torch.equal(mirrored[[1, 2, 4]], plain[[1, 2, 4]])
    for floats in (plain, mirrored):
        assert floats.is_contiguous(memory_format=torch.channels_last)
