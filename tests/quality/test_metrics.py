"""Measures of quality against what theory gives: their zeros, their closed forms, and what moves them."""

import math

import pytest
import torch
from torch.nn import functional as F

from dcgan_lib.quality import metrics
from dcgan_lib.quality.metrics import (
    as_floats,
    checkerboard,
    combinations,
    frechet_distance,
    kernel_distance,
    laplacian_pyramid,
    nearest_neighbour,
    nearest_neighbour_ratio,
    pairwise_distance,
    sliced_wasserstein,
)


def noise(*shape, seed=0):
    """Pixels that know nothing of each other, evenly spread over [-1, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def normal(*shape, seed=0):
    """Features of independent standard normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exactly(mean, covariance, count=100, seed=0):
    """Features whose mean and covariance are these to the last digits, so that closed forms hold exactly."""
    drawn = normal(count, len(mean), seed=seed)
    white = torch.linalg.qr(drawn - drawn.mean(0)).Q * math.sqrt(count - 1)
    return white @ torch.linalg.cholesky(covariance).T + mean


def distances(fake, real, **settings):
    """The sliced Wasserstein distance of few patches in few directions."""
    return sliced_wasserstein(fake, real, **{"patches": 4096, "directions": 128} | settings)


def test_the_levels_of_a_pyramid_give_the_images_back():
    images = noise(3, 3, 64, 64)
    levels = laplacian_pyramid(images)
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    image = levels[-1]
    for level in reversed(levels[:-1]):
        image = level + metrics._enlarged(image)
    torch.testing.assert_close(image, images)


def test_a_set_is_as_far_from_itself_as_two_samples_of_patches_are():
    images = noise(4096, 3, 16, 16)  # a patch of each: independent, and near normal on any direction
    z = torch.linspace(-9, 9, 10_001, dtype=torch.float64)
    below = torch.special.ndtr(z)
    # The gap of two empirical distributions of n at z is normal with variance 2 F (1 - F) / n; its mean size summed up:
    expected = 1000 * torch.trapezoid((below * (1 - below) * 2 / 4096 * 2 / math.pi).sqrt(), z).item()
    found = distances(images, images)
    assert found == {16: pytest.approx(expected, rel=0.1)}
    assert distances(images + 0.2, images)[16] > 5 * found[16]


def test_a_shift_of_all_pixels_moves_the_coarsest_level_alone_and_by_what_geometry_gives():
    real, shift = noise(64, 3, 32, 32) * torch.tensor([1.0, 0.7, 0.5])[:, None, None], 0.3
    same, moved = (distances(fake, real, directions=1024) for fake in (real, real + shift))
    assert moved[32] == pytest.approx(same[32], rel=1e-3)
    per_entry = shift / laplacian_pyramid(real)[-1].std((0, 2, 3))  # of a descriptor of 49 entries a channel
    size = 3 * 49
    along_one = math.exp(math.lgamma(size / 2) - math.lgamma((size + 1) / 2)) / math.sqrt(math.pi)  # E|u_1|, |u| = 1
    assert moved[16] == pytest.approx(1000 * math.sqrt(49 * per_entry.square().sum()) * along_one, rel=0.1)


def test_a_wrong_contrast_counts():
    real = noise(64, 3, 16, 16)
    assert distances(real * 0.5, real)[16] > 5 * distances(real, real)[16]


def test_blur_is_found_at_the_finest_level_most():
    real = noise(64, 3, 64, 64)
    same, blurred = (distances(fake, real) for fake in (real, F.avg_pool2d(real, 3, stride=1, padding=1)))
    more = {side: blurred[side] - same[side] for side in same}
    assert list(more) == [64, 32, 16]
    assert more[64] > more[32] > more[16]


def test_the_same_seed_gives_the_same_numbers_from_bytes_or_floats_whatever_was_drawn_elsewhere():
    fake, real = ((noise(8, 3, 32, 32, seed=seed) * 127.5 + 127.5).byte() for seed in (0, 1))
    state = torch.get_rng_state()
    found = distances(fake, real)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert distances(as_floats(fake), as_floats(real)) == found
    assert distances(fake, real, seed=1) != found
    assert pairwise_distance(fake, 100) == pairwise_distance(as_floats(fake), 100) != pairwise_distance(fake, 100, 1)
    torch.testing.assert_close(nearest_neighbour(fake, real), nearest_neighbour(as_floats(fake), as_floats(real)))


@pytest.mark.parametrize(
    ("fake", "real", "message"),
    [
        ((4, 3, 32, 32), (4, 3, 16, 16), r"\(4, 3, 32, 32\) and \(4, 3, 16, 16\): give two sets \(N, C, S, S\) of one"),
        ((4, 1, 16, 16), (4, 3, 16, 16), "of one size"),
        ((4, 3, 8, 8), (4, 3, 8, 8), "S = 16, 32, 64"),
        ((4, 3, 17, 17), (4, 3, 17, 17), "S = 16, 32, 64"),
        ((4, 16, 16), (4, 16, 16), "S = 16, 32, 64"),
        ((1, 3, 16, 16), (4, 3, 16, 16), "1 images against 4: a distance of sets needs at least 2 of each"),
    ],
)
def test_images_that_cannot_be_compared_are_told_in_one_line(fake, real, message):
    with pytest.raises(ValueError, match=message) as error:
        distances(torch.zeros(fake), torch.zeros(real))
    assert "\n" not in str(error.value)
    for measure in (frechet_distance, kernel_distance, lambda x, _: pairwise_distance(x)):
        with pytest.raises(ValueError, match="at least 2 of each"):
            measure(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16))


def test_the_frechet_distance_is_that_of_means_and_of_the_symmetric_form():
    first, second = (a @ a.T for a in (normal(5, 5, seed=2), normal(5, 5, seed=3)))
    m, n = normal(2, 5, seed=4)
    x, y = exactly(m, first), exactly(n, second, count=300, seed=1)

    def root(matrix):
        values, vectors = torch.linalg.eigh(matrix)
        return vectors * values.clamp_min(0).sqrt() @ vectors.T

    overlap = root(root(first) @ second @ root(first)).trace()
    expected = ((m - n).square().sum() + first.trace() + second.trace() - 2 * overlap).item()
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(y, x) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("count", [200, 5])  # 5 of 20 features: their covariance has no inverse
def test_the_frechet_distance_of_a_set_to_itself_is_nought(count):
    x = normal(count, 20)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(x, x + 1) == pytest.approx(20, rel=1e-5)


@pytest.mark.parametrize(("shift", "expected"), [(0, 0), (1, 1000 * (3 * 1**2 + 3 * 1**2 + 4**2))])
def test_the_kernel_distance_has_no_bias(shift, expected):
    # (xy + 1)³ compares the first three moments: of N(0, 1) they are 0, 1, 0, and of N(1, 1) they are 1, 2, 4.
    pairs = normal(600, 70, 1)
    found = torch.tensor([kernel_distance(pair[:30] + shift, pair[30:]) for pair in pairs])
    assert found.mean().item() == pytest.approx(expected, abs=4 * found.std().item() / math.sqrt(len(found)))
    assert found.std() > 0


def test_variety_is_nought_for_a_collapsed_set_and_known_for_two_values():
    assert pairwise_distance(noise(1, 3, 16, 16).expand(10, -1, -1, -1)) == 0
    black_and_white = torch.tensor([-1.0, 1.0] * 5).reshape(10, 1, 1, 1).expand(10, 3, 16, 16)
    differ = 5 / 9  # of two different ones of ten
    error = 4 * 2 * math.sqrt(differ * (1 - differ) / 20_000)
    assert pairwise_distance(black_and_white) == pytest.approx(2 * differ, abs=error)


def test_a_copy_is_found_wherever_it_lies():
    references = (noise(4500, 1, 16, 16) * 127.5 + 127.5).byte()
    copies = torch.tensor([0, 2047, 2048, 4095, 4096, 4499])  # they are looked through 2048 at a time
    distance, index = nearest_neighbour(references[copies], references)
    assert torch.equal(index, copies)
    assert torch.equal(distance, torch.zeros(6))


@pytest.mark.parametrize("side", [16, 64])
def test_the_nearest_is_as_far_as_its_pixels_differ(side):
    references = torch.tensor([-1.0, -0.5, 0.5]).reshape(3, 1, 1, 1).expand(3, 3, side, side)
    distance, index = nearest_neighbour(torch.full((1, 3, side, side), 0.1), references)
    assert index.tolist() == [2]
    torch.testing.assert_close(distance, torch.tensor([0.4]))


def test_likeness_is_judged_without_the_finest_detail():
    grey = torch.zeros(1, 3, 64, 64)
    chequered = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(32, 32).expand(1, 3, 64, 64)
    assert nearest_neighbour(chequered, grey)[0].item() == 0
    assert nearest_neighbour(chequered, grey, size=64)[0].item() == pytest.approx(1)


def test_combinations_are_counted_once():
    rows = torch.tensor([[1, 0, 1], [0, 0, 1], [1, 0, 1], [1, 1, 1]])
    assert combinations(rows) == combinations(rows.bool()) == 3
    assert combinations(rows[:1].expand(50, -1)) == 1


def test_pixels_without_a_pattern_have_an_even_spectrum():
    assert checkerboard(noise(500, 3, 32, 32)) == pytest.approx(1, abs=0.15)
    assert checkerboard(torch.zeros(4, 3, 32, 32)) == pytest.approx(1)


@pytest.mark.parametrize("period", [2, 4, 8])
@pytest.mark.parametrize("axis", [2, 3])
def test_a_pattern_stands_out_by_its_share_of_the_power(period, axis):
    """Noise of power p a frequency; a wave of amplitude a has a² N² / 4, or a² N² at 2 pixels, in its own."""
    side, amplitude = 64, 0.2
    wave = amplitude * torch.cos(2 * math.pi * torch.arange(side) / period)
    wave = wave.reshape(1, 1, *((side, 1) if axis == 2 else (1, side)))
    grey = noise(400, 1, side, side)
    height = checkerboard((grey + wave).expand(-1, 3, -1, -1))
    line = torch.hann_window(side).double()
    power = (amplitude if period == 2 else amplitude / 2) ** 2 * line.sum() ** 2  # of the windowed wave, at its peak
    # Summed along the line: the window's own spectrum for the wave, and one noise power for each frequency.
    signal = power * torch.fft.rfft(line).abs().square().sum()
    lines = side // 2 + 1
    floor = lines * (1 / 3) * line.square().sum() ** 2
    assert height == pytest.approx(1 + (signal / floor).item(), rel=0.15)


def test_smooth_images_have_none_whatever_their_contrast():
    smooth = F.interpolate(noise(200, 3, 8, 8), size=(64, 64), mode="bicubic")
    assert checkerboard(smooth + 0.05 * noise(200, 3, 64, 64, seed=1)) < 3


def test_copies_have_one_image_much_nearer_than_the_others_and_new_or_grey_ones_have_not():
    references, new = noise(200, 3, 16, 16), noise(200, 3, 16, 16, seed=1)
    assert nearest_neighbour_ratio(references, references) < 0.001
    halfway = torch.lerp(references, new, 0.1)
    assert 0.05 < nearest_neighbour_ratio(halfway, references) < 0.3
    assert nearest_neighbour_ratio(new, references) > 0.95
    assert nearest_neighbour_ratio(torch.zeros(10, 3, 16, 16), references) > 0.95
