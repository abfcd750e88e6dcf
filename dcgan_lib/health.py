"""What a step tells of the two players: the tutorial's statistics, and the signs by which a lost game is known."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from dcgan_lib.gan import GAN
from dcgan_lib.losses import OBJECTIVES

if TYPE_CHECKING:
    from dcgan_lib.train import Step

#: What the articles watch: both losses, D(x), and D(G(z)) before and after D's update.
STATISTICS = ("loss_d", "loss_g", "d_real", "d_fake_before", "d_fake_after")

#: The shares of real images and of fakes that D tells rightly, the lengths of both gradients, the share of the fakes'
#: pixel values at the ends of the range, how much the fakes differ from each other as a multiple of how much the real
#: images do, and the darkest and brightest value in the real ones.
HEALTH = ("accuracy_real", "accuracy_fake", "gradient_d", "gradient_g")
HEALTH += ("saturation", "variety", "real_low", "real_high")

SATURATED = 0.99  # from there on tanh lets next to no gradient through


@torch.no_grad()
def measure(gan: GAN, step: "Step") -> dict[str, Tensor]:
    """`STATISTICS` and `HEALTH` of a step just done, by what it has computed anyway.

    Scalars on the device: to read one is to wait for the step.
    """
    objective = OBJECTIVES[gan.config.objective]
    d_real, d_fake, d_fake_after = map(objective.output, (step.real_logits, step.fake_logits, step.fake_logits_after))
    statistics = (step.loss_d, step.loss_g, d_real.mean(), d_fake.mean(), d_fake_after.mean())
    boundary = (d_real.mean() + d_fake.mean()) / 2 if objective.boundary is None else objective.boundary
    real, fake = (images[:, :, ::4, ::4].float() for images in (step.real, step.fake))  # every 16th pixel is enough
    health = (
        (d_real > boundary).float().mean(),
        (d_fake < boundary).float().mean(),
        *(get_total_norm([p.grad for p in network.parameters()]) for network in (gan.discriminator, gan.generator)),
        (fake.abs() > SATURATED).float().mean(),
        fake.std(dim=0, correction=0).mean() / real.std(dim=0, correction=0).mean(),
        real.min(),
        real.max(),
    )
    return dict(zip(STATISTICS + HEALTH, statistics + health, strict=True))
