"""The objectives of the game, as plain functions of the discriminator's logits."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dcgan_lib.images.chance import drawn


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


def saturating_generator_loss(fake_logits: Tensor) -> Tensor:
    """What G minimises by the letter of the game: log(1 − D(G(z))) (Goodfellow et al. 2014, eq. 1).

    Logits of shape (N,), in float32 at least; a scalar. Where D rejects a fake it is flat, and G learns nothing.
    """
    return -F.softplus(fake_logits).mean()


def least_squares_discriminator_loss(real_logits: Tensor, fake_logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """What D minimises: ½ (D(x) − 1)² + ½ D(G(z))², each averaged over its batch (Mao et al. 2017, eq. 9).

    D is the logit itself here, of shape (N,); a scalar. `label_smoothing` s puts 1 − s in the place of real images' 1.
    """
    return ((real_logits - (1 - label_smoothing)).square().mean() + fake_logits.square().mean()) / 2


def least_squares_generator_loss(fake_logits: Tensor) -> Tensor:
    """What G minimises: ½ (D(G(z)) − 1)² (Mao et al. 2017, eq. 9): a fake is also drawn back from far beyond 1.

    D's outputs of shape (N,); a scalar.
    """
    return (fake_logits - 1).square().mean() / 2


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """What D minimises: max(0, 1 - logit) on real images and max(0, 1 + logit) on fakes, each averaged over its batch.

    Logits of shape (N,), in float32 at least; a scalar (Lim & Ye 2017; Miyato et al. 2018, eq. 16). An image that D
    judges rightly by a margin of 1 teaches it nothing more.
    """
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()


def wasserstein_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """What a critic minimises: its mean output on fakes minus that on real images (Arjovsky et al. 2017, algorithm 1).

    Outputs of shape (N,); a scalar. Its negative estimates the distance of the two distributions, as long as the
    critic's slope is held near 1 by `gradient_penalty`, or roughly bounded by spectral norm, both in a D without
    BatchNorm; otherwise it falls for ever.
    """
    return fake_logits.mean() - real_logits.mean()


def critic_generator_loss(fake_logits: Tensor) -> Tensor:
    """What G minimises against a hinge D or a Wasserstein critic: the mean of −logit (Miyato et al. 2018, eq. 17).

    Logits (N,); a scalar.
    """
    return -fake_logits.mean()


def relativistic_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """What D minimises: −log σ(l(x) − l(G(z))), over pairs of a real image and a fake (Jolicoeur-Martineau 2019).

    Logits of shape (N,) each, in float32 at least; a scalar. D says which of two images is more real, and no more: an
    amount that is added to all its logits changes nothing. At a D that can't tell it is log 2.
    """
    return F.softplus(fake_logits - real_logits).mean()


def relativistic_generator_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """What G minimises: −log σ(l(G(z)) − l(x)), over pairs (Jolicoeur-Martineau 2019; Huang et al. 2024, eq. 2).

    Logits of shape (N,) each, in float32 at least; a scalar. Near every real image there must be a fake that D takes
    for as real: where all fakes sit at one mode, D has them all at a disadvantage at the others.
    """
    return F.softplus(real_logits - fake_logits).mean()


def slope_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Half the squared length of D's gradient at images, averaged over them (Mescheder et al. 2018, eq. 9).

    R1 at real images, R2 at fakes; times gamma, it keeps D flat there: the game may circle for ever without. `images`
    (N, C, S, S) must have required a gradient when D made `logits` (N,) of them; a scalar, whose gradient reaches D.
    """
    return _slopes(logits, images).square().sum(dim=(1, 2, 3)).mean() / 2


def between(real: Tensor, fake: Tensor, random: torch.Generator | None = None) -> Tensor:
    """For each pair of images (N, C, S, S) a random one on the straight line between them, which requires a gradient.

    Where `gradient_penalty` looks; `random` is the source of chance, on the images' device.
    """
    share = drawn(torch.rand, len(real), 1, 1, 1, random=random, device=real.device)
    return torch.lerp(fake.detach().to(real.dtype), real.detach(), share.to(real.dtype)).requires_grad_()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """(‖slope‖ − 1)², the slope being that of D at the images, averaged over them (Gulrajani et al. 2017, eq. 3).

    `images` (N, C, S, S) of `between`, of which D made `logits` (N,); a scalar; its own gradient reaches D's weights.
    It is defined an image at a time: D must have no BatchNorm.
    """
    squares = _slopes(logits, images).square().sum(dim=(1, 2, 3))
    return ((squares + 1e-12).sqrt() - 1).square().mean()  # a root has no derivative at 0


def _slopes(logits: Tensor, images: Tensor) -> Tensor:
    """The gradient of each logit at its own image, (N, C, S, S) in float32 at least; it can be derived again."""
    (slopes,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slopes.float() if slopes.dtype == torch.bfloat16 else slopes


class Objective(NamedTuple):
    """What D minimises, of (real_logits, fake_logits), and what G minimises, of (fake_logits).

    Where there are labels, D's also takes `label_smoothing`; where `paired`, G's also takes (real_logits).
    `output` makes what is shown as D(x) of a logit: the logit itself (`torch.clone`) where it is taught to be 1 or 0,
    or has no scale. `boundary` is the D(x) above which D says 'real', None where there is none.
    """

    discriminator: Callable[..., Tensor]
    generator: Callable[..., Tensor]
    output: Callable[[Tensor], Tensor] = torch.sigmoid
    boundary: float | None = 0.5
    paired: bool = False


OBJECTIVES = {
    "non-saturating": Objective(discriminator_loss, generator_loss),
    "saturating": Objective(discriminator_loss, saturating_generator_loss),
    "least-squares": Objective(least_squares_discriminator_loss, least_squares_generator_loss, torch.clone),
    "hinge": Objective(hinge_discriminator_loss, critic_generator_loss),
    "wasserstein": Objective(wasserstein_discriminator_loss, critic_generator_loss, torch.clone, None),
    "relativistic": Objective(relativistic_discriminator_loss, relativistic_generator_loss, torch.clone, None, True),
}
