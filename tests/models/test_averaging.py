"""The averaged generator's statistics: what noise they are measured on."""

import pytest
import torch

from dcgan_lib.models.averaging import matched, measure_statistics
from dcgan_lib.models.dcgan import Generator


def noise(count, seed=0):
    return torch.randn(count, 10, generator=torch.Generator().manual_seed(seed))


def test_matched_noise_has_the_moments_of_infinitely_many_and_is_little_changed():
    z = noise(512)
    moved = matched(z)
    scale = (z - z.mean(0)).square().mean()
    torch.testing.assert_close(moved.mean(0), torch.zeros(10), atol=1e-6, rtol=0)
    torch.testing.assert_close(moved.T @ moved / 512, scale * torch.eye(10), atol=1e-5, rtol=0)
    assert (moved - z).square().mean() < 0.03 * scale  # about (10 / 2 + 1) / 512 of it is mended


@pytest.mark.parametrize("count", [2, 10, 20])
def test_few_vectors_are_moved_alone(count):
    z = noise(count)
    torch.testing.assert_close(matched(z), z - z.mean(0), atol=1e-6, rtol=0)


def test_the_first_layer_has_the_statistics_that_infinitely_many_z_would_give_it():
    generator = Generator(image_size=16, latent_dim=10, width=8)
    z = matched(noise(512, seed=3))
    measure_statistics(generator, z)
    first, norm = generator.main[0], generator.main[1]
    exact = z.square().mean() * first.weight.square().sum(0).mean((1, 2))  # of independent numbers, over the places
    torch.testing.assert_close(norm.running_mean, torch.zeros_like(exact), atol=1e-6, rtol=0)
    torch.testing.assert_close(norm.running_var, exact, rtol=2e-3, atol=0)  # BatchNorm divides by one less
