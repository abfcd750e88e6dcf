"""Checks of notebook 9's exercises."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from dcgan_lib.exercises import WrongAnswer, exercise


@exercise
def expected_length(answer: Callable[[int, int], float]) -> str:
    """Whether the answer foretells how long A − B + C is, where each is the mean of `count` z of `latent_dim` numbers.

    Held against vectors that are drawn.
    """
    random, told = torch.Generator().manual_seed(0), []
    for count, latent_dim in ((12, 100), (3, 100), (1, 100), (3, 400)):
        a, b, c = torch.randn(3, 500, count, latent_dim, generator=random).mean(2)
        measured, said = (a - b + c).norm(dim=1).mean().item(), float(answer(count, latent_dim))
        if not math.isclose(measured, said, rel_tol=0.02):
            raise WrongAnswer(
                f"for means of {count} z of {latent_dim} numbers they are {measured:.1f} long, not {said:.1f}: "
                + _why_another(said, count, latent_dim)
            )
        told.append(f"{count} of {latent_dim}: {measured:.1f}")
    return f"as measured ({'; '.join(told)}): means of three z give a vector as long as one z"


def _why_another(said: float, count: int, latent_dim: int) -> str:
    """What was overlooked, where that can be told."""
    one = math.sqrt(latent_dim)
    others = {
        one: "a single z is as long as that",
        one / math.sqrt(count): "one mean is as long as that; three of them are added",
        3 * one / math.sqrt(count): "three vectors at right angles to each other: their squares add up",
        math.sqrt(3) * one: "a mean of several is shorter than one of them",
        math.sqrt(3) * one / count: "a mean's variance falls as 1/count, not its deviation",
        3 * latent_dim / count: "that is the square of the length",
    }
    return next((why for value, why in others.items() if math.isclose(value, said, rel_tol=0.01)), "the variances add")


@exercise
def without(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Whether the answer takes out of one direction what it shares with another, and returns it at length 1."""
    random = torch.Generator().manual_seed(0)
    direction = F.normalize(torch.randn(100, generator=random), dim=0)
    other = F.normalize(direction + 0.7 * F.normalize(torch.randn(100, generator=random), dim=0), dim=0)
    for scale in (1.0, 3.0):
        found = torch.as_tensor(answer(direction, scale * other))
        if found.shape != (100,):
            raise WrongAnswer(f"it returns shape {tuple(found.shape)}: a direction has shape (100,)")
        share, length = (found @ other).item(), found.norm().item()
        if abs(share) > 1e-3 * length:
            advice = "the other's own length must not count" if scale != 1 else _why_shared(found, direction, other)
            raise WrongAnswer(f"a step along it still goes {share:+.2f} along the other: {advice}")
        if abs(length - 1) > 1e-3:
            raise WrongAnswer(f"at right angles to the other, but {length:.2f} long: give it length 1")
        if found @ direction < 0.1:
            raise WrongAnswer("at right angles to the other, but it doesn't go along the direction itself any more")
    return f"nothing of the other is left, and {(found @ direction).item():.2f} of the direction itself"


def _why_shared(found: Tensor, direction: Tensor, other: Tensor) -> str:
    """What was subtracted in place of the shared part, where that can be told."""
    subtracted = {
        "nothing was taken out": direction,
        "all of the other was taken out; only what both share must go": direction - other,
        "it was put in once more, not taken out": direction + (direction @ other) * other,
    }
    alike = (why for why, vector in subtracted.items() if F.cosine_similarity(found, vector, dim=0) > 0.9999)
    return next(alike, "take out the other, times how far the direction goes along it")
