"""Flow matching, held against velocities that are known in closed form: those of normal distributions and mixtures."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from dcgan_lib.models.flow_matching import FlowMatching, VelocityNet
from dcgan_lib.models.learning import minimise
from dcgan_lib.models.points import NormalMixture, PointVelocity

MEAN, SPREAD = torch.tensor([0.5, -1.0]), torch.tensor([0.3, 2.0])


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def exact(x, t):
    """The velocity from noise to normal values of this mean and spread: E[data − noise | x]."""
    variance = (1 - t) ** 2 + (t * SPREAD) ** 2
    return MEAN + (t * SPREAD**2 - (1 - t)) / variance * (x - t * MEAN)


def points(count, random):
    return MEAN + SPREAD * torch.randn(count, 2, generator=random)


@pytest.fixture(scope="module")
def ideal():
    return FlowMatching(exact, (2,))


def test_noise_arrives_with_the_datas_mean_and_spread(ideal):
    drawn = ideal.sample(20_000, 200, seeded())
    torch.testing.assert_close(drawn.mean(0), MEAN, atol=0.05, rtol=0)  # five standard errors of the wider
    torch.testing.assert_close(drawn.std(0), SPREAD, atol=0.0, rtol=0.04)


def test_the_way_to_a_normal_distribution_is_the_known_one(ideal):
    noise = torch.randn(50, 2, generator=seeded())
    way = ideal.way(noise, 1000)
    assert way.shape == (1001, 50, 2)
    for step in (0, 250, 700, 1000):  # every point keeps its place among the others: x = t mean + deviation · noise
        t = step / 1000
        expected = t * MEAN + ((1 - t) ** 2 + (t * SPREAD) ** 2).sqrt() * noise
        torch.testing.assert_close(way[step], expected, atol=0.02, rtol=0)


def test_one_step_leads_every_noise_to_the_mean(ideal):
    torch.testing.assert_close(ideal.sample(100, 1, seeded()), MEAN.expand(100, 2))


def test_the_likelihood_is_that_of_the_normal_distribution(ideal):
    x = points(500, seeded())
    expected = Normal(MEAN, SPREAD).log_prob(x).sum(1)
    torch.testing.assert_close(ideal.log_likelihood(x, 100, seeded(2)), expected, atol=5e-3, rtol=0)


def test_the_divergence_is_right_on_average_where_directions_are_mixed():
    turned = torch.tensor([[0.4, 1.5], [-0.7, -0.9]])
    linear = FlowMatching(lambda x, t: x @ turned.T, (2,))
    x = torch.randn(1, 2, generator=seeded())
    found = linear.log_likelihood(x.expand(4000, 2), 50, seeded(2))
    noise = torch.linalg.matrix_exp(-turned) @ x[0]  # where x came from
    expected = Normal(0, 1).log_prob(noise).sum() - turned.trace()
    assert found.std() > 0.01
    assert abs(found.mean() - expected) < 5 * found.std() / math.sqrt(4000) + 2e-3


def test_the_loss_is_least_at_the_exact_velocity_and_there_what_lines_leave_open(ideal):
    data = points(40_000, seeded())
    least = ideal.loss(data, seeded(2)).item()
    t = torch.linspace(0, 1, 10_001)[:, None]
    left = SPREAD**2 / ((1 - t) ** 2 + (t * SPREAD) ** 2)  # variance of data − noise at a place
    assert least == pytest.approx(left.mean().item(), rel=0.02)
    for wrong in (lambda x, t: exact(x, t) + 0.1, lambda x, t: exact(x, t) * 1.1, lambda x, t: exact(x, 1 - t)):
        assert FlowMatching(wrong, (2,)).loss(data, seeded(2)).item() > least


@pytest.fixture(scope="module")
def groups():
    return NormalMixture(torch.tensor([[2.0, 0.0], [-1.0, 1.5], [0.0, -2.0]]), 0.3)


def test_the_velocity_of_a_mixture_carries_noise_to_it_by_both_of_its_formulas(groups):
    flow = FlowMatching(groups.velocity, (2,))
    x = groups.sample(400, seeded())
    found = torch.stack([flow.log_likelihood(x, 100, seeded(seed)) for seed in range(8)])
    error = found.std(0) / math.sqrt(8)
    assert ((found.mean(0) - groups.log_density(x)).abs() < 6 * error + 0.02).all()
    gaps = torch.cdist(flow.sample(3000, 100, seeded(2)), groups.centres)
    shares = gaps.argmin(1).bincount() / 3000
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=5 * math.sqrt(2) / 3 / math.sqrt(3000), rtol=0)
    assert (gaps.amin(1) < 4 * 0.3).float().mean() > 0.99


def test_the_velocity_of_a_mixture_has_the_least_loss_and_that_of_one_group_is_the_normal_ones(groups):
    data = groups.sample(20_000, seeded())
    least = FlowMatching(groups.velocity, (2,)).loss(data, seeded(2))
    for factor in (0.97, 1.03):
        wrong = FlowMatching(lambda x, t, factor=factor: factor * groups.velocity(x, t), (2,))
        assert wrong.loss(data, seeded(2)) > least
    x, t = torch.randn(50, 2, generator=seeded()), torch.rand(50, 1, generator=seeded(2))
    alone = NormalMixture(MEAN[None], 0.3).velocity(x, t)
    variance = (1 - t) ** 2 + (0.3 * t) ** 2
    torch.testing.assert_close(alone, MEAN + (0.09 * t - (1 - t)) / variance * (x - t * MEAN))


def test_a_mixtures_density_sums_to_one(groups):
    ticks = torch.linspace(-5, 5, 501)
    assert groups.log_density(torch.cartesian_prod(ticks, ticks)).exp().sum() * 0.02**2 == pytest.approx(1, abs=1e-4)


def test_a_network_learns_the_velocity_by_the_loss():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = PointVelocity(width=32)
    flow, random = FlowMatching(network, (2,)), seeded()
    minimise(flow, lambda rows: [flow.loss(points(256, random), random)], 400, 1e-2, 0, rows=np.arange(1))
    x, t = points(500, random), torch.rand(500, 1, generator=random)
    x = (1 - t) * torch.randn(500, 2, generator=random) + t * x
    assert (network(x, t) - exact(x, t)).square().mean() < 0.05 * exact(x, t).var()


def test_the_same_seed_draws_the_same(ideal):
    assert torch.equal(ideal.sample(5, 3, seeded()), ideal.sample(5, 3, seeded()))
    assert torch.equal(ideal.loss(MEAN[None], seeded()), ideal.loss(MEAN[None], seeded()))


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (32, 3)])
def test_an_untrained_network_is_the_velocity_to_independent_values(size, channels):
    network = VelocityNet(size, channels, width=8, deviation=0.4)
    flow = FlowMatching(network, (channels, size, size))
    assert flow.sample(400, 50, seeded()).std().item() == pytest.approx(0.4, rel=0.05)
    images = 0.4 * torch.randn(2, channels, size, size, generator=seeded())
    expected = Normal(0, 0.4).log_prob(images).flatten(1).sum(1)
    torch.testing.assert_close(flow.log_likelihood(images, 50, seeded()), expected, rtol=2e-3, atol=0.1)
    assert not network.up[-1].weight.any()


def test_all_of_the_network_learns_time_matters_and_details_take_the_short_way():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network, plain = VelocityNet(16, 3, width=8), VelocityNet(16, 3, width=8)
        torch.nn.init.normal_(network.up[-1].weight)  # the other stays as it is: what is there untrained
    flow, images = FlowMatching(network, (3, 16, 16)), torch.rand(4, 3, 16, 16, generator=seeded())
    flow.loss(images, seeded()).backward()
    assert all(parameter.grad.any() for parameter in flow.parameters())

    def learnt(t):
        scale = ((1 - t) ** 2 + 0.25 * t**2) ** 0.5
        t = torch.full((4, 1, 1, 1), t)
        return scale * (network(images, t) - plain(images, t))

    assert (learnt(0.5) - learnt(0.9)).abs().max() > 1e-2
    for parameter in network.whole.parameters():
        torch.nn.init.zeros_(parameter)
    assert learnt(0.5).std(0).max() > 1e-2  # by what the levels hand over, each image its own


def test_what_has_another_shape_and_no_step_are_refused(ideal):
    for call in (ideal.loss, ideal.way, ideal.log_likelihood):
        with pytest.raises(ValueError, match=r"one of the batch has shape \(3,\): this flow carries \(2,\)"):
            call(torch.zeros(4, 3))
    for call in (lambda: ideal.sample(1, 0), lambda: ideal.log_likelihood(torch.zeros(1, 2), 0)):
        with pytest.raises(ValueError, match="steps is 0: the way between noise and data takes at least one"):
            call()
