"""The other families: each held against something it can fail, mostly a sum over every image of a tiny space."""

import itertools
import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from dcgan_lib.models.boltzmann import BoltzmannMachine
from dcgan_lib.models.pixelcnn import PixelCNN
from dcgan_lib.models.vae import VAE


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def made(kind, *arguments, seed=3, **options):
    """A model with weights of its own, and none of the global source's state used up."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(*arguments, **options)


def every(levels, *shape):
    """Every image of that shape."""
    count = math.prod(shape)
    return torch.tensor(list(itertools.product(range(levels), repeat=count))).view(-1, *shape)


def test_no_value_of_the_pixelcnn_depends_on_itself_or_a_later_one_and_all_it_can_see_matter():
    model = made(PixelCNN, channels=3, levels=4, width=12, layers=2)
    size, reach = 6, model.reach
    images = torch.rand(8, 3, size, size, generator=seeded()) * 3
    images.requires_grad_()
    logits = model(images)
    seen_rows = set()
    for row, column, channel in itertools.product(range(size), range(size), range(3)):
        (slopes,) = torch.autograd.grad(logits[:, :, channel, row, column].square().sum(), images, retain_graph=True)
        slope = slopes.abs().sum(0)
        matters = slope.permute(1, 2, 0).flatten() != 0  # in reading order
        place = (row * size + column) * 3 + channel
        assert not matters[place:].any()
        assert matters[(row * size + column) * 3 : place].all()  # the earlier channels of the same pixel
        if column:
            assert matters[place - 3]
        if row:
            assert matters[((row - 1) * size + column) * 3]
        seen_rows |= {row - above for above in range(size) if slope[:, above].any()}
    assert max(seen_rows) == min(reach, size - 1)


@pytest.mark.parametrize(("channels", "levels", "shape"), [(1, 3, (2, 3)), (3, 2, (1, 3)), (2, 2, (2, 2))])
def test_the_pixelcnns_probabilities_of_all_images_sum_to_one(channels, levels, shape):
    model = made(PixelCNN, channels, levels, width=12, layers=2).double()
    images = every(levels, channels, *shape)
    likelihood = model.log_likelihood(images).exp()
    assert likelihood.sum().item() == pytest.approx(1, abs=1e-9)
    assert likelihood.std() > 0


def test_bits_a_value_are_those_of_the_likelihood_and_no_model_costs_the_logarithm_of_the_levels():
    model = made(PixelCNN, levels=8, width=12, layers=1)
    images = torch.randint(8, (2, 3, 4, 4), generator=seeded())
    torch.testing.assert_close(-48 * math.log(2) * model.bits_per_dimension(images), model.log_likelihood(images))
    torch.nn.init.zeros_(model.last.weight)
    torch.nn.init.zeros_(model.last.bias)
    torch.testing.assert_close(model.bits_per_dimension(images), torch.full((2,), 3.0))


def test_the_pixelcnn_draws_by_its_probabilities():
    model = made(PixelCNN, channels=1, levels=2, width=8, layers=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)  # far from uniform
    images = every(2, 1, 2, 2)
    expected = model.log_likelihood(images).exp()
    drawn = model.sample(4000, 2, seeded()).flatten(1) @ torch.tensor([8, 4, 2, 1])
    found = torch.bincount(drawn, minlength=16) / 4000
    assert expected.max() > 3 / 16
    assert ((found - expected).abs() < 5 * (expected * (1 - expected) / 4000).sqrt() + 1e-9).all()


def test_drawing_looks_no_further_up_than_it_must_and_comes_out_the_same():
    model = made(PixelCNN, channels=3, levels=4, width=6, layers=1)
    drawn = model.sample(2, 7, seeded())
    random, values = seeded(), torch.zeros(2, 3, 7, 7, dtype=torch.long)
    for row, column, channel in itertools.product(range(7), range(7), range(3)):
        chances = model(values)[:, :, channel, row, column].softmax(1)
        values[:, channel, row, column] = chances.multinomial(1, generator=random).squeeze(1)
    assert torch.equal(drawn, values)


def test_drawing_keeps_the_rows_that_are_given():
    model = made(PixelCNN, channels=3, levels=4, width=6, layers=1)
    given = torch.randint(4, (2, 3, 5, 7), generator=seeded())
    drawn = model.sample(2, 7, seeded(), given)
    assert torch.equal(drawn[:, :, :5], given)
    assert drawn[:, :, 5:].any()


def test_the_pixelcnn_says_which_width_its_channels_need():
    with pytest.raises(ValueError, match="width is 32: its feature maps are shared by 3 channels: give a multiple"):
        PixelCNN(channels=3, width=32)


@pytest.fixture(scope="module")
def vae():
    """A small autoencoder, trained for a moment on images of two grey levels each; and the images."""
    model = made(VAE, image_size=8, channels=1, latent_dim=3, width=8)
    random = seeded()
    images = torch.rand(64, 1, 2, 1, generator=random).repeat_interleave(4, 2).repeat_interleave(8, 3) * 1.6 - 0.8
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        fit, divergence = model.terms(images, random)
        loss = (divergence - fit).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval().requires_grad_(False), images


def test_the_terms_of_the_bound_are_their_definitions(vae):
    model, images = vae
    fit, divergence = model.terms(images, seeded())
    mean, log_deviation = model.encode(images)
    posterior, prior = Normal(mean, log_deviation.exp()), Normal(torch.zeros(3), torch.ones(3))
    torch.testing.assert_close(divergence, kl_divergence(posterior, prior).sum(1), rtol=1e-3, atol=1e-3)
    z = mean + log_deviation.exp() * torch.randn(64, 3, generator=seeded())
    expected = Normal(model.decoder(z), model.log_spread.exp()).log_prob(images).flatten(1).sum(1)
    torch.testing.assert_close(fit, expected, rtol=1e-3, atol=1e-2)


def test_the_bound_lies_below_an_importance_sampled_likelihood_and_one_draw_gives_the_bound(vae):
    model, images = vae
    bounds = torch.stack([torch.sub(*model.terms(images, seeded(s))).mean() for s in range(60)])
    singles = torch.stack([model.log_likelihood(images, 1, seeded(100 + s)).mean() for s in range(60)])
    error = ((bounds.var() + singles.var()) / 60).sqrt()
    assert abs(bounds.mean() - singles.mean()) < 5 * error
    few, many = (model.log_likelihood(images, draws, seeded()).mean() for draws in (10, 400))
    assert bounds.mean() + 3 * error < few < many


def test_the_autoencoder_has_learnt_what_its_code_is_for(vae):
    model, images = vae
    mean, _ = model.encode(images)
    assert (model.decoder(mean) - images).square().mean() < 0.2 * images.var()
    drawn = model.sample(200, seeded())
    assert drawn.shape == (200, 1, 8, 8)
    assert abs(drawn.mean() - images.mean()) < 0.2
    assert drawn.std() > 0.5 * images.std()


@pytest.mark.parametrize("size", [8, 16, 64])
def test_the_autoencoder_takes_any_power_of_two(size):
    model = made(VAE, image_size=size, latent_dim=5, width=4)
    images = torch.zeros(2, 3, size, size)
    fit, divergence = model.terms(images)
    assert fit.shape == divergence.shape == (2,)
    assert model.sample(3).shape == (3, 3, size, size)


@pytest.fixture(scope="module")
def machine():
    """A Boltzmann machine of 5 and 4 units whose probabilities are far from equal, and its exact log p of all v."""
    model = BoltzmannMachine(5, 4, seeded())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(len(parameter))))
    return model, every(2, 5).float()


def test_free_energy_is_what_the_hidden_units_leave_when_they_are_summed_out(machine):
    model, images = machine
    h = every(2, 4).float()
    joint = images @ model.weight @ h.T + (images @ model.visible_bias)[:, None] + h @ model.hidden_bias
    torch.testing.assert_close(model.free_energy(images), -joint.logsumexp(1))


def exact(model, images):
    """log p of every v."""
    return -model.free_energy(images) - (-model.free_energy(images)).logsumexp(0)


def test_gibbs_steps_end_in_the_machines_own_distribution(machine):
    model, images = machine
    expected = exact(model, images).exp().detach()
    v, likely = model.gibbs(torch.zeros(20_000, 5), 60, seeded())
    found = torch.bincount((v @ torch.tensor([16.0, 8, 4, 2, 1])).long(), minlength=32) / 20_000
    assert expected.max() > 5 / 32
    assert ((found - expected).abs() < 5 * (expected * (1 - expected) / 20_000).sqrt() + 1e-9).all()
    torch.testing.assert_close(likely.mean(0), expected @ images, atol=0.02, rtol=0)


def test_the_contrasts_gradient_is_that_of_the_likelihood(machine):
    model, images = machine
    data = images[[3, 3, 7, 21, 30]]
    likelihood = -exact(model, images)[[3, 3, 7, 21, 30]].mean()
    expected = torch.autograd.grad(likelihood, list(model.parameters()))
    fair, _ = model.gibbs(torch.zeros(40_000, 5), 60, seeded())
    found = torch.autograd.grad(model.contrast(data, fair), list(model.parameters()))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=5 * 0.5 / 200, rtol=0)  # five standard errors of a mean of bits


def test_contrastive_divergence_teaches_a_machine_two_patterns():
    model, random = BoltzmannMachine(9, 8, seeded()), seeded(2)
    patterns = torch.tensor([[1, 1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1, 1]]).float()
    data = patterns.repeat(50, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
    for _ in range(400):
        v, _ = model.gibbs(data, 1, random)
        optimizer.zero_grad()
        model.contrast(data, v).backward()
        optimizer.step()
    images = every(2, 9).float()
    chances = exact(model, images).exp()
    known = [(images == pattern).all(1).nonzero().item() for pattern in patterns]
    assert chances[known].sum() > 0.5  # of 512 images
    assert model.free_energy(patterns).max() < model.free_energy(images).median()
