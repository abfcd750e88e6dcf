"""The objectives of the game, as plain functions of the discriminator's logits."""

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
