"""Notebook 0's exercises: right answers pass, typical wrong ones are named."""

import pytest

from dcgan_lib.exercises import first_gan


def test_the_best_d():
    assert first_gan.best_d(lambda p_real, p_fake: p_real / (p_real + p_fake))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda p_real, p_fake: p_real / p_fake, "at the densities 0.5 and 0.5 it is 1: a probability"),
        (lambda p_real, p_fake: p_real - p_fake, "it is 0: a probability"),
        (lambda p_real, p_fake: 0.5, "at the densities 0.3 and 0.1 it is 0.5, and a D that says more"),
        (lambda p_real, p_fake: p_fake / (p_real + p_fake), "0.3 and 0.1 it is 0.25, and a D that says more"),
        (lambda p_real, p_fake: p_real**2 / (p_real**2 + p_fake**2), "0.3 and 0.1 it is 0.9, and a D that says less"),
    ],
)
def test_a_d_that_is_not_the_best(answer, says):
    verdict = first_gan.best_d(answer)
    assert not verdict
    assert says in verdict.says


def test_a_rate_that_covers_all_modes_for_each_seed():
    assert first_gan.rate_of_d(8e-3, 2e-3, lambda rate, seed: 8)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (-1.0, "no learning rate"),
        (1e-3, "slower still"),
        (4e-3, "covers only 1 with seed 2, of 8"),
        (..., "not answered yet"),
    ],
)
def test_a_rate_that_does_not(answer, says):
    verdict = first_gan.rate_of_d(answer, 2e-3, lambda rate, seed: 1 if seed == 2 else 8)
    assert not verdict
    assert says in verdict.says
