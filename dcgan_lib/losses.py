"""The objectives of the game, as plain functions of the discriminator's logits."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """What D minimises: −log D(x) − log(1 − D(G(z))), each averaged over its batch (Goodfellow et al. 2014, eq. 1).

    Logits of shape (N,), in float32 at least; a scalar. `label_smoothing` s tells D 1 − s for real images and still 0
    for fakes (one-sided; Salimans et al. 2016, section 3.4): smoothed fakes would teach D to prize G's errors.
    At a D that can't tell, both terms are log 2.
    """
    real_label = torch.full_like(real_logits, 1.0 - label_smoothing)
    loss_real = F.binary_cross_entropy_with_logits(real_logits, real_label)
    loss_fake = F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    return loss_real + loss_fake


def generator_loss(fake_logits: Tensor) -> Tensor:
    """What G minimises in practice: −log D(G(z)), the non-saturating loss (Goodfellow et al. 2014, section 3).

    Logits of shape (N,), in float32 at least; a scalar. The game's own log(1 − D(G(z))) has the same fixed point, but
    almost no gradient where D rejects every fake, which is where a generator starts.
    """
    return F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """What D minimises: max(0, 1 - logit) on real images and max(0, 1 + logit) on fakes, each averaged over its batch.

    Logits of shape (N,), in float32 at least; a scalar (Lim & Ye 2017; Miyato et al. 2018, eq. 16). An image that D
    judges rightly by a margin of 1 teaches it nothing more. There are no labels: `ValueError` where they are smoothed.
    """
    if label_smoothing:
        raise ValueError(f"label_smoothing is {label_smoothing}, but hinge has no labels: set it to 0")
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def hinge_generator_loss(fake_logits: Tensor) -> Tensor:
    """What G minimises against a hinge D: the mean of -logit (Miyato et al. 2018, eq. 17). Logits (N,); a scalar."""
    return -fake_logits.mean()


def r1_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """Half the squared length of D's gradient at real images, averaged over them (Mescheder et al. 2018, eq. 9).

    `real` (N, C, S, S) must have required a gradient when D made `real_logits` (N,) of it; a scalar, whose own
    gradient reaches D's weights. Times gamma, it keeps D flat around the data, where the game else circles for ever.
    """
    (slope,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return slope.float().square().sum(dim=(1, 2, 3)).mean() / 2


class Objective(NamedTuple):
    """What D minimises, of (real_logits, fake_logits, label_smoothing), and what G minimises, of (fake_logits)."""

    discriminator: Callable[..., Tensor]
    generator: Callable[[Tensor], Tensor]


OBJECTIVES = {
    "non-saturating": Objective(discriminator_loss, generator_loss),
    "hinge": Objective(hinge_discriminator_loss, hinge_generator_loss),
}
