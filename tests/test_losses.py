"""The objectives against their formulas, and where the formulas would break."""

import math

import pytest
import torch

from dcgan_lib.config import CHOICES
from dcgan_lib.losses import (
    OBJECTIVES,
    between,
    critic_generator_loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    hinge_discriminator_loss,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    saturating_generator_loss,
    slope_penalty,
    wasserstein_discriminator_loss,
)

REAL = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
FAKE = torch.tensor([-3.0, 0.0, 1.0], dtype=torch.float64)


def test_discriminator_loss_is_the_value_function_negated():
    expected = -(REAL.sigmoid().log().mean() + (1 - FAKE.sigmoid()).log().mean())
    torch.testing.assert_close(discriminator_loss(REAL, FAKE), expected)


def test_smoothing_touches_the_real_label_only():
    s, d = 0.1, REAL.sigmoid()
    expected = -((1 - s) * d.log() + s * (1 - d).log()).mean() - (1 - FAKE.sigmoid()).log().mean()
    torch.testing.assert_close(discriminator_loss(REAL, FAKE, label_smoothing=s), expected)


def test_generator_loss_is_minus_log_d():
    torch.testing.assert_close(generator_loss(FAKE), -FAKE.sigmoid().log().mean())


def test_a_discriminator_that_cannot_tell_pays_two_log_two():
    assert discriminator_loss(torch.zeros(8), torch.zeros(8)).item() == pytest.approx(2 * math.log(2))


def test_confident_logits_stay_finite_where_the_log_of_a_sigmoid_does_not():
    assert generator_loss(torch.tensor([-200.0])).item() == pytest.approx(200)
    assert torch.log(torch.tensor([-200.0]).sigmoid()).item() == -math.inf


def test_the_generator_still_learns_from_a_discriminator_that_rejects_it():
    logits = torch.tensor([-10.0], requires_grad=True)
    (slope,) = torch.autograd.grad(generator_loss(logits), logits)
    (saturated,) = torch.autograd.grad((1 - logits.sigmoid()).log().mean(), logits)
    assert abs(slope) > 0.99
    assert abs(saturated) < 1e-4


def test_every_objective_that_a_config_may_name_is_here():
    assert tuple(OBJECTIVES) == CHOICES["objective"]
    pairs = {name: objective[:2] for name, objective in OBJECTIVES.items()}
    assert pairs == {
        "non-saturating": (discriminator_loss, generator_loss),
        "saturating": (discriminator_loss, saturating_generator_loss),
        "least-squares": (least_squares_discriminator_loss, least_squares_generator_loss),
        "hinge": (hinge_discriminator_loss, critic_generator_loss),
        "wasserstein": (wasserstein_discriminator_loss, critic_generator_loss),
        "relativistic": (relativistic_discriminator_loss, relativistic_generator_loss),
    }
    assert [name for name, objective in OBJECTIVES.items() if objective.paired] == ["relativistic"]


def test_an_objective_says_what_d_of_x_is_and_from_where_on_it_means_real():
    for name in ("non-saturating", "saturating", "hinge"):
        assert torch.equal(OBJECTIVES[name].output(REAL), REAL.sigmoid())
        assert OBJECTIVES[name].boundary == 0.5
    assert torch.equal(OBJECTIVES["least-squares"].output(REAL), REAL)  # it is taught 1 for real images, 0 for fakes
    assert OBJECTIVES["least-squares"].boundary == 0.5
    for name in ("wasserstein", "relativistic"):  # only differences mean anything
        assert torch.equal(OBJECTIVES[name].output(REAL), REAL)
        assert OBJECTIVES[name].boundary is None


def test_the_saturating_loss_is_the_games_own_and_flat_where_fakes_are_rejected():
    torch.testing.assert_close(saturating_generator_loss(FAKE), (1 - FAKE.sigmoid()).log().mean())
    logits = torch.tensor([-10.0, 200.0], requires_grad=True)
    loss = saturating_generator_loss(logits)
    slopes = torch.autograd.grad(loss, logits)[0]
    assert loss.item() == pytest.approx(-100, abs=0.01)  # where log(1 - sigmoid) would be -inf
    assert abs(slopes[0]) < 1e-4


def test_least_squares_is_its_formula():
    # Half of: real images less 1 are 1, -2, -0.5, so 5.25 / 3; fakes are -3, 0, 1, so 10 / 3, and less 1 -4, -1, 0.
    assert least_squares_discriminator_loss(REAL, FAKE).item() == pytest.approx((5.25 + 10) / 6)
    assert least_squares_generator_loss(FAKE).item() == pytest.approx(17 / 6)
    smoothed = ((REAL - 0.9) ** 2).mean() / 2 + (FAKE**2).mean() / 2
    torch.testing.assert_close(least_squares_discriminator_loss(REAL, FAKE, label_smoothing=0.1), smoothed)


def test_a_critics_loss_is_the_difference_of_its_means():
    assert wasserstein_discriminator_loss(REAL, FAKE).item() == pytest.approx(-2 / 3 - 1.5 / 3)
    assert critic_generator_loss(FAKE).item() == pytest.approx(2 / 3)


def test_relativistic_losses_are_log_two_for_a_d_that_cannot_tell_and_blind_to_an_amount_added_to_all():
    assert relativistic_discriminator_loss(REAL, REAL).item() == pytest.approx(math.log(2))
    expected = -(REAL - FAKE).sigmoid().log().mean()
    torch.testing.assert_close(relativistic_discriminator_loss(REAL, FAKE), expected)
    torch.testing.assert_close(relativistic_discriminator_loss(REAL + 7, FAKE + 7), expected)
    torch.testing.assert_close(relativistic_generator_loss(FAKE, REAL), -(FAKE - REAL).sigmoid().log().mean())


def test_a_relativistic_g_learns_most_where_its_fake_is_furthest_behind_the_real_image():
    fake = FAKE.clone().requires_grad_()
    (slope,) = torch.autograd.grad(relativistic_generator_loss(fake, REAL), fake)
    torch.testing.assert_close(-3 * slope, (REAL - FAKE).sigmoid())


def test_hinge_is_its_formula():
    # On real images max(0, 1 - logit) is 0, 2 and 0.5; on fakes max(0, 1 + logit) is 0, 1 and 2.
    assert hinge_discriminator_loss(REAL, FAKE).item() == pytest.approx(2.5 / 3 + 3 / 3)
    assert critic_generator_loss(FAKE).item() == pytest.approx(2 / 3)


def test_hinge_learns_nothing_from_what_is_judged_rightly_by_the_margin():
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    slopes = torch.autograd.grad(hinge_discriminator_loss(real, fake), [real, fake])
    assert [slope.tolist() for slope in slopes] == [[0, -1 / 3, -1 / 3], [0, 1 / 3, 1 / 3]]


@pytest.mark.parametrize("length", [0.25, 1.0, 3.0])
def test_the_gradient_penalty_of_a_linear_critic_is_how_far_its_slope_is_from_one(length):
    draw = torch.Generator().manual_seed(1)
    weight = torch.nn.functional.normalize(torch.randn(48, generator=draw), dim=0).view(3, 4, 4)
    weight = (length * weight).requires_grad_()
    real, fake = torch.randn(2, 5, 3, 4, 4, generator=draw)
    images = between(real, fake, draw)
    penalty = gradient_penalty((images * weight).sum(dim=(1, 2, 3)), images)
    assert penalty.item() == pytest.approx((length - 1) ** 2, abs=1e-6)
    (slope,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(slope, 2 * (1 - 1 / length) * weight, rtol=1e-4, atol=1e-6)


def test_a_critic_without_any_slope_still_gets_a_gradient_that_is_a_number():
    weight = torch.zeros(3, 4, 4, requires_grad=True)
    images = torch.ones(2, 3, 4, 4, requires_grad=True)
    penalty = gradient_penalty((images * weight).sum(dim=(1, 2, 3)), images)
    assert penalty.item() == pytest.approx(1, abs=1e-5)
    assert torch.autograd.grad(penalty, weight)[0].isfinite().all()


def test_the_penalty_looks_at_one_random_place_on_each_line_from_a_fake_to_its_real_image():
    draw = torch.Generator().manual_seed(2)
    real, fake = torch.randn(2, 400, 1, 2, 2, generator=draw)
    images = between(real, fake.requires_grad_(), draw)
    shares = ((images - fake) / (real - fake)).flatten(1)
    assert images.requires_grad
    assert images.is_leaf  # nothing of it reaches G
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares), rtol=1e-3, atol=1e-3)
    assert shares.min() >= -1e-3
    assert shares.max() <= 1.001
    assert abs(shares[:, 0].mean() - 0.5) < 5 / (12 * 400) ** 0.5  # five standard errors of a uniform share


def test_r1_of_a_linear_discriminator_is_half_its_squared_weight():
    weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    real = torch.ones(5, 3, 4, 4, requires_grad=True)
    penalty = slope_penalty((real * weight).sum(dim=(1, 2, 3)), real)
    torch.testing.assert_close(penalty, weight.square().sum() / 2)
    (slope,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(slope, weight)


def test_r1_is_averaged_over_the_images():
    real = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    lengths = real.square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(slope_penalty(lengths / 2, real), lengths.mean() / 2)  # the gradient of |x|²/2 is x
