"""What a step tells of both players, against what it shows."""

import torch

from dcgan_lib.gan import GAN
from dcgan_lib.health import measure
from dcgan_lib.train import train_step


def stepped(gan, real, z):
    """One step, and what it tells."""
    return measure(gan, train_step(gan, real, z))


def test_health_is_what_the_step_shows(tiny, images):
    gan, z = GAN(tiny), torch.randn(8, 10)
    real = images.batch(torch.arange(8), "cpu")
    logits, drawn = [], []
    gan.discriminator.register_forward_hook(lambda _, __, output: logits.append(output.detach().clone()))
    gan.generator.register_forward_hook(lambda _, __, output: drawn.append(output.detach().clone()))
    found = stepped(gan, real, z)
    on_real, on_fake, _ = logits
    assert found["accuracy_real"] == (on_real > 0).float().mean()
    assert found["accuracy_fake"] == (on_fake < 0).float().mean()
    for name, network in {"gradient_d": gan.discriminator, "gradient_g": gan.generator}.items():
        squares = sum(p.grad.square().sum() for p in network.parameters())
        torch.testing.assert_close(found[name], squares.sqrt())
    every = drawn[0][:, :, ::4, ::4]
    assert found["saturation"] == (every.abs() > 0.99).float().mean()
    expected = every.std(dim=0).mean() / real[:, :, ::4, ::4].std(dim=0).mean()
    torch.testing.assert_close(found["variety"], expected)
    assert (found["real_low"], found["real_high"]) == torch.aminmax(real[:, :, ::4, ::4])


def test_a_generator_that_has_collapsed_or_is_saturated_shows_it(tiny, images):
    gan, real = GAN(tiny), images.batch(torch.arange(8), "cpu")
    found = stepped(gan, real, torch.zeros(8, 10))  # one noise, one image
    assert found["variety"] < 1e-4
    with torch.no_grad():
        gan.generator.main[-2].weight.fill_(100.0)
    assert stepped(gan, real, torch.randn(8, 10))["saturation"] > 0.95


def test_where_an_objective_has_no_boundary_accuracy_is_told_by_the_middle(tiny, images):
    gan = GAN(tiny.replace(objective="wasserstein", spectral_norm=True, discriminator_norm="none"))
    logits = []
    gan.discriminator.register_forward_hook(lambda _, __, output: logits.append(output.detach().clone()))
    found = stepped(gan, images.batch(torch.arange(8), "cpu"), torch.randn(8, 10))
    on_real, on_fake, _ = logits
    middle = (on_real.mean() + on_fake.mean()) / 2
    assert found["accuracy_real"] == (on_real > middle).float().mean()
    assert found["accuracy_fake"] == (on_fake < middle).float().mean()
    assert found["d_real"] == on_real.mean()
