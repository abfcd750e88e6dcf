"""The networks: every size, the reference's layout and parameter counts, initialisation, and clear shape errors."""

import pytest
import torch
from helpers.reference import reference_discriminator, reference_generator
from torch import nn

from dcgan_lib.config import IMAGE_SIZES
from dcgan_lib.models.dcgan import Discriminator, Generator, UpsampledConv, init_weights


def count(network):
    return sum(p.numel() for p in network.parameters())


def test_parameter_counts_at_64_are_the_tutorials():
    assert count(Generator()) == 3_576_704
    assert count(Discriminator()) == 2_765_568


@pytest.mark.parametrize("size", IMAGE_SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_goes_from_noise_to_image_to_one_number(size, channels):
    generator = Generator(size, channels, latent_dim=5, width=2)
    discriminator = Discriminator(size, channels, width=2)
    images = generator(torch.randn(2, 5))
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (2,)


@pytest.mark.parametrize("size", IMAGE_SIZES)
def test_depth_follows_size(size):
    convolutions = [m for m in Discriminator(size, width=2).modules() if isinstance(m, nn.Conv2d)]
    assert 2 ** (len(convolutions) + 1) == size


def test_weights_move_both_ways_between_the_reference_and_ours():
    for ours, theirs, x in [
        (Generator(width=8), reference_generator(ngf=8), torch.randn(4, 100, 1, 1)),
        (Discriminator(width=8), reference_discriminator(ndf=8), torch.randn(4, 3, 64, 64)),
    ]:
        theirs.load_state_dict(ours.main.state_dict())
        ours.main.load_state_dict(theirs.state_dict())
        expected = theirs(x)
        got = ours(x)
        if expected.shape != got.shape:  # the reference ends in a sigmoid and keeps (N, 1, 1, 1)
            got = got.sigmoid().view(-1, 1, 1, 1)
        torch.testing.assert_close(got, expected)


def test_upsampling_and_a_3x3_convolution_are_one_transposed_convolution():
    layer, maps = UpsampledConv(5, 7).double(), torch.randn(2, 5, 8, 8, dtype=torch.float64)
    larger = nn.functional.interpolate(maps, scale_factor=2, mode="nearest")
    kernel = layer.weight.transpose(0, 1).flip(2, 3)  # a transposed convolution's is turned round
    torch.testing.assert_close(layer(maps), nn.functional.conv2d(larger, kernel, padding=1))


def test_an_even_map_stays_even_by_upsampling_and_becomes_a_checkerboard_by_a_transposed_convolution():
    """Inside the border; by that the two ways differ, whatever the weights."""
    even, random = torch.ones(1, 5, 8, 8), torch.Generator().manual_seed(0)
    for upsampling, is_even in (("nearest", True), ("transposed", False)):
        *_, layer, _ = init_weights(Generator(16, width=5, upsampling=upsampling), random).main
        inside = layer(even)[:, :, 2:-2, 2:-2]
        assert (inside.std(dim=(2, 3)).max() < 1e-6) == is_even


@pytest.mark.parametrize("size", IMAGE_SIZES)
def test_a_generator_that_upsamples_has_the_same_layers_at_every_size(size):
    ours, other = Generator(size, width=2, upsampling="nearest"), Generator(size, width=2)
    assert ours(torch.randn(2, 100)).shape == (2, 3, size, size)
    assert list(ours.state_dict()) == list(other.state_dict())


def test_init_draws_the_papers_distributions():
    network = init_weights(Generator(), torch.Generator().manual_seed(1))
    for layer in network.main:
        if isinstance(layer, nn.ConvTranspose2d):
            n = layer.weight.numel()
            assert abs(layer.weight.mean()) < 5 * 0.02 / n**0.5  # five standard errors
            assert abs(layer.weight.std() - 0.02) < 5 * 0.02 / (2 * n) ** 0.5
        elif isinstance(layer, nn.BatchNorm2d):
            n = layer.weight.numel()
            assert abs(layer.weight.mean() - 1) < 5 * 0.02 / n**0.5
            assert abs(layer.weight.std() - 0.02) < 5 * 0.02 / (2 * n) ** 0.5
            assert not layer.bias.any()


def test_hes_weights_keep_a_signals_size_from_layer_to_layer_of_a_d_without_batchnorm():
    sizes = {}
    for he in (True, False):
        network = init_weights(Discriminator(64, width=16, norm="none"), torch.Generator().manual_seed(1), he=he)
        x = torch.randn(16, 3, 64, 64, generator=torch.Generator().manual_seed(2))
        sizes[he] = [x.square().mean().sqrt().item()]
        for layer in network.main[:-1]:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                sizes[he].append(x.square().mean().sqrt().item())
    assert all(0.7 < size < 1.3 for size in sizes[True])
    assert sizes[False][-1] < 0.05  # with 0.02 it dwindles


def test_init_reaches_wrapped_layers_and_repeats_with_its_generator():
    def wrapped():
        return nn.Sequential(nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 64, 4))), nn.ReLU())

    one, two = (init_weights(wrapped(), torch.Generator().manual_seed(3)) for _ in range(2))
    originals = [n[0][0].parametrizations.weight.original for n in (one, two)]
    assert torch.equal(*originals)


def test_init_leaves_the_global_random_state_alone():
    network, before = Discriminator(width=2), torch.get_rng_state()
    init_weights(network, torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_wrong_shape_is_told_at_the_door():
    with pytest.raises(ValueError, match=r"an image has shape \[3, 32, 32\]: .* takes \[3, 64, 64\]"):
        Discriminator(64)(torch.zeros(2, 3, 32, 32))
    with pytest.raises(ValueError, match=r"z has 7 numbers: .*\(N, 100\)"):
        Generator()(torch.zeros(2, 7))


def test_without_batchnorm_each_logit_is_of_its_own_image_and_biases_start_at_zero():
    draw = torch.Generator().manual_seed(3)
    images = torch.randn(6, 3, 32, 32, generator=draw)
    for norm, alone in {"batch": False, "none": True}.items():
        discriminator = init_weights(Discriminator(32, width=8, norm=norm), draw)
        same = torch.allclose(discriminator(images)[:3], discriminator(images[:3]), atol=1e-5)
        assert same == alone
    biases = [layer.bias for layer in discriminator.main if isinstance(layer, nn.Conv2d) and layer.bias is not None]
    assert len(biases) == 2
    assert not any(bias.any() for bias in biases)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_the_slope_is_that_of_every_leaky_relu(slope):
    layers = [layer for layer in Discriminator(32, width=8, slope=slope).main if isinstance(layer, nn.LeakyReLU)]
    assert [layer.negative_slope for layer in layers] == [slope] * 3


def test_spectral_norm_brings_each_weights_largest_singular_value_to_one():
    draw = torch.Generator().manual_seed(3)
    discriminator = init_weights(Discriminator(16, width=8, spectral_norm=True), draw)
    layers = [layer for layer in discriminator.main if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for _ in range(30):  # each is one more step of the power iteration
            discriminator(torch.randn(4, 3, 16, 16, generator=draw))
        discriminator.eval()
        for layer in layers:
            original = layer.parametrizations.weight.original
            assert torch.linalg.svdvals(layer.weight.flatten(1)).max().item() == pytest.approx(1, abs=0.02)
            assert torch.linalg.svdvals(original.flatten(1)).max() < 0.9
    assert len(layers) == 3


def test_init_draws_the_same_weights_with_spectral_norm_as_without():
    plain, normed = (Discriminator(32, width=8, spectral_norm=each) for each in (False, True))
    for network in (plain, normed):
        init_weights(network, torch.Generator().manual_seed(3))
    for one, other in zip(plain.main, normed.main, strict=True):
        if isinstance(one, nn.Conv2d):
            assert torch.equal(one.weight, other.parametrizations.weight.original)
            assert abs(one.weight.std() - 0.02) < 5 * 0.02 / (2 * one.weight.numel()) ** 0.5  # five standard errors
