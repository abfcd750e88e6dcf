"""Notebook 8's exercises."""

import math

import pytest
import torch

from dcgan_lib.exercises import models as check


def bits(nats, values):
    return -nats / (values * math.log(2)) + math.log2(127.5)


def alone(v, white):
    return -(v * white.log() + (1 - v) * (1 - white).log()).sum(1)


def test_bits_a_byte_with_the_notebooks_own():
    assert check.bits_a_byte(bits)
    assert "the VAE's faces cost 5.50 bits a byte" in check.bits_a_byte(bits, torch.full((5,), 3191.0), 3072).says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda nats, values: -nats / (values * math.log(2)), "how wide is a byte"),
        (lambda nats, values: -nats / values, "those are nats, of the density"),
        (lambda nats, values: -nats / values + math.log2(127.5), "how many nats are a bit"),
        (lambda nats, values: nats / (values * math.log(2)) + math.log2(127.5), "the sign is wrong"),
        (lambda nats, values: -nats / (values * math.log(2)) - math.log2(127.5), "the wrong way round"),
        (lambda nats, values: -nats / (values * math.log(2)) + 7, "nearly"),
        (lambda nats, values: values * bits(nats, values), "of a whole image"),
        (lambda nats, values: (math.log2(127.5) - nats / math.log(2)) / values, "counts for each value"),
        (lambda nats, values: 0.9 * bits(nats, values), "by the answer"),
        (lambda nats, values: bits(nats, values).mean(), "two numbers should come out"),
        (lambda nats, values: ..., "not answered yet"),
    ],
)
def test_other_bits_are_named(answer, says):
    verdict = check.bits_a_byte(answer)
    assert not verdict
    assert says in verdict.says


@pytest.fixture
def kinds():
    random = torch.Generator().manual_seed(0)
    white = 0.05 + 0.9 * torch.rand(64, generator=random)
    return white, {"noise": torch.full((9, 64), 0.5).bernoulli(generator=random), "own": white.round().expand(9, -1)}


def test_independent_pixels_and_their_order(kinds):
    verdict = check.alone(alone, *kinds)
    assert verdict
    assert verdict.says.index("own") < verdict.says.index("noise")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda v, white: -alone(v, white), "the sign is wrong"),
        (lambda v, white: alone(v, white) / v.shape[1], "the mean over the pixels"),
        (lambda v, white: -(v * white.log()).sum(1), "black ones don't"),
        (lambda v, white: -((1 - v) * (1 - white).log()).sum(1), "white ones don't"),
        (lambda v, white: alone(v, white) / math.log(2), "give nats"),
        (lambda v, white: alone(v, white).mean(), "20 numbers should come out"),
        (lambda v, white: (v - white).square().sum(1), "by the answer"),
    ],
)
def test_other_energies_are_named(answer, says, kinds):
    verdict = check.alone(answer, *kinds)
    assert not verdict
    assert says in verdict.says
