"""Back to z: a GAN's own images are found again, others come as near as they can, and each for itself."""

import pytest
import torch

from dcgan_lib.gan import GAN
from dcgan_lib.latent.inversion import NEAR, _lbfgs, invert, train_encoder
from dcgan_lib.latent.walks import noise_radius, on_sphere
from dcgan_lib.models.averaging import measure_statistics


@pytest.fixture(params=["normal", "uniform"])
def gan(tiny, request):
    """Untrained, but with statistics of its own, as after training: its images differ."""
    gan = GAN(tiny.replace(noise=request.param))
    measure_statistics(gan.generator, gan.noise(256, torch.Generator().manual_seed(0)))
    return gan


@pytest.fixture
def known(gan):
    return on_sphere(gan.noise(12, torch.Generator().manual_seed(1)), noise_radius(gan.config))


def test_its_own_images_are_found_again_on_the_sphere(gan, known):
    encoder = train_encoder(gan, 1000)
    guess = encoder(gan.sample(known))
    assert torch.cosine_similarity(guess, known).mean() > 0.5
    before = {name: value.clone() for name, value in gan.generator.state_dict().items()}
    found = invert(gan, gan.sample(known), encoder)
    assert found.errors.max() < 1e-3
    assert torch.cosine_similarity(found.z, known).min() > 0.999
    torch.testing.assert_close(found.z.norm(dim=1), known.norm(dim=1))
    errors = (gan.sample(found.z) - gan.sample(known)).square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(found.errors, errors, atol=1e-5, rtol=0.05)
    assert all(torch.equal(before[name], value) for name, value in gan.generator.state_dict().items())


def test_without_the_sphere_any_length_is_found(gan, known):
    found = invert(gan, gan.sample(1.3 * known), known + 0.1, sphere=False)
    torch.testing.assert_close(found.z, 1.3 * known, atol=0.02, rtol=0.02)
    on = invert(gan, gan.sample(1.3 * known), known + 0.1)
    assert on.errors.min() > found.errors.max()


def test_each_image_has_a_search_of_its_own(gan, known):
    images = gan.sample(known)
    whole, alone = invert(gan, images, known.roll(1, 0), steps=10), invert(gan, images[3:4], known[2:3], steps=10)
    torch.testing.assert_close(whole.z[3:4], alone.z, atol=1e-2, rtol=1e-2)


def test_what_is_still_far_is_searched_for_again_and_never_gets_worse(gan, known):
    strange = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    images = torch.cat([gan.sample(known[:6]), strange])
    once, again = (invert(gan, images, known, steps=5, retries=retries).errors for retries in (0, 4))
    assert (once[:6] <= NEAR).all()
    assert torch.equal(again[:6], once[:6])
    assert (again <= once).all()
    assert (again[6:] < once[6:]).any()


def test_what_it_cannot_draw_only_comes_nearer(gan, known):
    strange = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    start = (gan.sample(known) - strange).square().mean((1, 2, 3)).sqrt()
    found = invert(gan, strange, known)
    assert (found.errors < start).all()
    assert found.errors.min() > 0.1


def test_bytes_are_taken_as_well_and_another_shape_is_named(gan, known):
    pixels = ((gan.sample(known) + 1) * 127.5).round().byte()
    assert invert(gan, pixels, known).errors.max() < 0.01
    with pytest.raises(ValueError, match=r"an image has shape \(3, 8, 8\): this generator draws \(3, 16, 16\)"):
        invert(gan, torch.zeros(1, 3, 8, 8), known)


def test_rows_go_down_losses_of_their_own_however_unlike_these_are():
    goal = torch.tensor([[1.0, -2.0, 0.5], [30.0, 0.0, -3.0], [0.0, 0.0, 0.0]])
    curves = torch.tensor([[1.0, 10.0, 100.0], [0.1, 0.2, 5.0], [3.0, 3.0, 3.0]])
    points, values = _lbfgs(lambda x: (curves * (x - goal).square()).sum(1), torch.zeros(3, 3), 60)
    torch.testing.assert_close(points, goal, atol=1e-3, rtol=1e-3)
    assert values.max() < 1e-4


def test_no_row_ever_rises():
    def losses(x):
        return (x.abs().sqrt() + (5 * x).sin()).sum(1)  # many valleys, with a point in each slope

    start = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    points, values = _lbfgs(losses, start, 15)
    assert (values <= losses(start)).all()
    torch.testing.assert_close(values, losses(points))
