"""Notebook 10's exercises: right answers pass, typical wrong ones are told what is wrong with them."""

import pytest
import torch
from torch.nn import functional as F

from dcgan_lib.exercises import beyond as check


def spread(kernel, parts=4):
    """The sum of the first so many of the four stamps."""
    places = [(right, down) for right in (0, 1) for down in (0, 1)][:parts]
    return sum(F.pad(kernel, (right, 1 - right, down, 1 - down)) for right, down in places)


@pytest.mark.parametrize(
    "answer",
    [
        lambda real, fake: -F.logsigmoid(real - fake).mean(),
        lambda real, fake: F.softplus(fake - real).mean(),
    ],
)
def test_the_loss_passes_however_it_is_written(answer):
    verdict = check.paired_loss(answer)
    assert verdict
    assert "0.6931" in verdict.says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda real, fake: -F.logsigmoid(fake - real).mean(), "the fakes for the more real"),
        (lambda real, fake: -F.logsigmoid(real - fake), "one number"),
        (lambda real, fake: -F.logsigmoid(real - fake).sum(), "a sum"),
        (lambda real, fake: -F.logsigmoid((real - fake).mean()), "the mean comes last"),
        (lambda real, fake: -F.logsigmoid(real[:, None] - fake).mean(), "pair them by their place"),
        (lambda real, fake: (real - fake).sigmoid().mean(), "minus its logarithm"),
        (lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(), "compares no pairs"),
        (lambda real, fake: -(real - fake).sigmoid().log().mean(), "not finite"),
        (lambda real, fake: real.mean(), "another loss"),
        (lambda real, fake: ..., "not answered yet"),
    ],
)
def test_another_loss_is_named(answer, says):
    verdict = check.paired_loss(answer)
    assert not verdict
    assert says in verdict.says


def test_a_stamp_spread_over_four_places_passes():
    verdict = check.spread(spread)
    assert verdict
    assert "one transposed convolution does what the two do" in verdict.says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda kernel: kernel, "4 by 4"),
        (lambda kernel: spread(kernel) / 4, "added, not averaged"),
        (lambda kernel: spread(kernel, parts=1), "each of them stamps"),
        (lambda kernel: 4 * spread(kernel, parts=1), "not each in another of the four places"),
        (lambda kernel: spread(kernel, parts=2), "not the sum of four stamps"),
        (lambda kernel: torch.ones(4, 4), "not the sum of four stamps"),
    ],
)
def test_another_stamp_is_told_what_it_overlooks(answer, says):
    verdict = check.spread(answer)
    assert not verdict
    assert says in verdict.says
