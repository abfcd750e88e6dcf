"""Notebook 9's exercises: right answers pass, typical wrong ones are told what is wrong with them."""

import pytest

from dcgan_lib.exercises import latent as check


def apart(direction, other):
    other = other / other.norm()
    left = direction - (direction @ other) * other
    return left / left.norm()


def test_the_length_of_a_sum_of_means_is_foretold():
    verdict = check.expected_length(lambda count, latent_dim: (3 * latent_dim / count) ** 0.5)
    assert verdict
    assert "as long as one z" in verdict.says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda count, latent_dim: latent_dim**0.5, "a single z is as long as that"),
        (lambda count, latent_dim: (latent_dim / (count + 1)) ** 0.5, "the variances add"),
        (lambda count, latent_dim: 3 * (latent_dim / count) ** 0.5, "at right angles"),
        (lambda count, latent_dim: (3 * latent_dim) ** 0.5, "a mean of several is shorter"),
        (lambda count, latent_dim: (3 * latent_dim) ** 0.5 / count, "falls as 1/count, not its deviation"),
        (lambda count, latent_dim: (latent_dim / count) ** 0.5, "one mean is as long as that"),
        (lambda count, latent_dim: 3 * latent_dim / count, "the square of the length"),
        (lambda count, latent_dim: ..., "not answered yet"),
    ],
)
def test_another_length_is_named(answer, says):
    verdict = check.expected_length(answer)
    assert not verdict
    assert says in verdict.says


def test_a_direction_without_another_passes():
    verdict = check.without(apart)
    assert verdict
    assert "nothing of the other is left" in verdict.says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda d, o: d, "nothing was taken out"),
        (lambda d, o: d - o, "all of the other was taken out"),
        (lambda d, o: d + (d @ o) * o, "it was put in once more"),
        (lambda d, o: apart(d, o) + 0.3 * o, "how far the direction goes along it"),
        (lambda d, o: (d - (d @ o) * o) / (d - (d @ o) * o).norm(), "the other's own length must not count"),
        (lambda d, o: 0.5 * apart(d, o), "give it length 1"),
        (lambda d, o: apart(d, o)[None], "a direction has shape (100,)"),
        (lambda d, o: -apart(d, o), "doesn't go along the direction itself"),
        (lambda d, o: ..., "not answered yet"),
    ],
)
def test_another_direction_is_told_what_is_wrong(answer, says):
    verdict = check.without(answer)
    assert not verdict
    assert says in verdict.says
