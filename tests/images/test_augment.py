"""DiffAugment: each image changed its own way, repeatably, without bias, and so that G's gradients come through."""

import pytest
import torch

from dcgan_lib.images.augment import _cut, _recolour, _shift, augment


def chance(seed=1):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 16), (3, 64)])
def test_shape_and_type_stay_and_gradients_come_through(channels, size, dtype):
    images = (torch.rand(6, channels, size, size, generator=chance()) * 2 - 1).to(dtype).requires_grad_()
    changed = augment(images, chance())
    assert changed.shape == images.shape
    assert changed.dtype == dtype
    changed.float().square().sum().backward()
    assert images.grad.isfinite().all()
    assert (images.grad.abs().amax(dim=(1, 2, 3)) > 0).all()  # to each image


def test_the_same_state_of_chance_gives_the_same_changes_and_no_other_is_touched():
    images = torch.rand(4, 3, 16, 16, generator=chance())
    before = torch.get_rng_state()
    assert torch.equal(augment(images, chance(2)), augment(images, chance(2)))
    assert not torch.equal(augment(images, chance(2)), augment(images, chance(3)))
    assert torch.equal(torch.get_rng_state(), before)


def test_each_image_is_changed_its_own_way():
    images = torch.rand(1, 3, 16, 16, generator=chance()).expand(50, -1, -1, -1)
    assert len(augment(images, chance()).unique(dim=0)) == 50


def test_colours_are_right_on_average():
    # Brightness has mean 0, saturation and contrast mean 1, and they are drawn apart: so E[changed] is the image.
    image = torch.rand(1, 3, 2, 2, generator=chance()) * 2 - 1
    changed = _recolour(image.expand(20_000, -1, -1, -1), chance())
    standard_error = changed.std(dim=0) / 20_000**0.5
    assert ((changed.mean(dim=0) - image[0]).abs() < 5 * standard_error).all()


def test_brightness_is_spread_evenly_over_half_of_the_range_to_either_side():
    changed = _recolour(torch.zeros(20_000, 3, 1, 1), chance())[:, 0, 0, 0]  # no colour, no contrast to change
    assert changed.abs().max() <= 0.5
    assert changed.std().item() == pytest.approx(12**-0.5, rel=0.02)


def moved(image, down, right):
    """An image (C, S, S) moved by hand; what comes in is 0."""
    size = image.shape[-1]
    there = torch.zeros_like(image)
    for row in range(max(0, down), min(size, size + down)):
        for column in range(max(0, right), min(size, size + right)):
            there[:, row, column] = image[:, row - down, column - right]
    return there


def test_a_shift_is_one_of_up_to_an_eighth_of_the_side_each_way_and_fills_with_zeros():
    image = torch.arange(1.0, 3 * 16 * 16 + 1).view(3, 16, 16)  # no two pixels alike, none 0
    ways = torch.stack([moved(image, down, right) for down in range(-2, 3) for right in range(-2, 3)])
    shifted = _shift(image.expand(500, -1, -1, -1), chance())
    matches = (shifted.flatten(1)[:, None] == ways.flatten(1)).all(dim=2)
    assert (matches.sum(dim=1) == 1).all()
    assert matches.any(dim=0).all()  # each way occurs: one that never did would go unseen with odds of 1 to 10^7


@pytest.mark.parametrize("size", [16, 64])
def test_a_cut_is_a_square_of_half_the_side_which_may_hang_over_the_edge(size):
    holes = _cut(torch.ones(1000, 3, size, size), chance()) == 0
    assert torch.equal(holes[:, 0], holes.all(dim=1))  # through all channels
    rows, columns = holes[:, 0].any(dim=2), holes[:, 0].any(dim=1)
    assert torch.equal(holes[:, 0], rows[:, :, None] & columns[:, None, :])  # a rectangle
    for side in (rows.sum(dim=1), columns.sum(dim=1)):
        assert side.max() == size // 2
        assert side.min() == size // 4  # its centre on the edge
        inside = side == size // 2
        assert inside.float().mean().item() == pytest.approx((size // 2 + 1) / (size + 1), abs=0.08)  # 5 errors
