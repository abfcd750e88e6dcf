"""The objectives against their formulas, and where the formulas would break."""

import math

import pytest
import torch

from dcgan_lib.losses import discriminator_loss, generator_loss

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
