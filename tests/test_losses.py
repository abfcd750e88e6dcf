"""The objectives against their formulas, and where the formulas would break."""

import math

import pytest
import torch

from dcgan_lib import config
from dcgan_lib.losses import (
    OBJECTIVES,
    discriminator_loss,
    generator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    r1_penalty,
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
    assert tuple(OBJECTIVES) == config.OBJECTIVES
    assert OBJECTIVES["non-saturating"] == (discriminator_loss, generator_loss)
    assert OBJECTIVES["hinge"] == (hinge_discriminator_loss, hinge_generator_loss)


def test_hinge_is_its_formula():
    # On real images max(0, 1 - logit) is 0, 2 and 0.5; on fakes max(0, 1 + logit) is 0, 1 and 2.
    assert hinge_discriminator_loss(REAL, FAKE).item() == pytest.approx(2.5 / 3 + 3 / 3)
    assert hinge_generator_loss(FAKE).item() == pytest.approx(2 / 3)


def test_hinge_learns_nothing_from_what_is_judged_rightly_by_the_margin():
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    slopes = torch.autograd.grad(hinge_discriminator_loss(real, fake), [real, fake])
    assert [slope.tolist() for slope in slopes] == [[0, -1 / 3, -1 / 3], [0, 1 / 3, 1 / 3]]


def test_hinge_has_no_labels_to_smooth():
    with pytest.raises(ValueError, match=r"label_smoothing is 0\.1, but hinge has no labels: set it to 0"):
        hinge_discriminator_loss(REAL, FAKE, label_smoothing=0.1)


def test_r1_of_a_linear_discriminator_is_half_its_squared_weight():
    weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    real = torch.ones(5, 3, 4, 4, requires_grad=True)
    penalty = r1_penalty((real * weight).sum(dim=(1, 2, 3)), real)
    torch.testing.assert_close(penalty, weight.square().sum() / 2)
    (slope,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(slope, weight)


def test_r1_is_averaged_over_the_images():
    real = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    lengths = real.square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(r1_penalty(lengths / 2, real), lengths.mean() / 2)  # the gradient of |x|²/2 is x
