"""Checks of notebook 10's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from dcgan_lib.exercises import WrongAnswer, exercise
from dcgan_lib.losses import relativistic_discriminator_loss


@exercise
def paired_loss(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Whether the answer is D's relativistic loss of (real_logits, fake_logits)."""
    real, fake = 3 * torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    right, said = relativistic_discriminator_loss(real, fake), torch.as_tensor(answer(real, fake))
    if said.shape != ():
        raise WrongAnswer(f"it returns shape {tuple(said.shape)}: a loss is one number, the mean over the pairs")
    if not torch.isclose(said, right, rtol=1e-4):
        raise WrongAnswer(f"for six pairs it is {said:.3f}: {_why_another(said, real, fake)}")
    far = torch.tensor([400.0]), torch.tensor([-400.0])
    if not all(torch.isfinite(answer(*pair)) for pair in (far, far[::-1])):
        raise WrongAnswer("right, but not finite for a difference of 800: `logsigmoid` and `softplus` are safe there")
    same = answer(torch.zeros(4), torch.zeros(4)).item()
    return f"at a D that can't tell it is {same:.4f}, which is log 2; an amount added to all logits changes nothing"


def _why_another(said: Tensor, real: Tensor, fake: Tensor) -> str:
    """Which loss it is instead, where that can be told."""
    others = {
        relativistic_discriminator_loss(fake, real): "as if D were to take the fakes for the more real ones",
        F.softplus(fake.mean() - real.mean()): "the mean comes last, over the losses of the pairs",
        F.softplus(fake - real).sum(): "a sum; the mean does not depend on the size of the batch",
        F.softplus(fake[:, None] - real).mean(): "each fake is held against all real images; pair them by their place",
        (real - fake).sigmoid().mean(): "a probability; D minimises minus its logarithm",
        F.softplus(-real).mean() + F.softplus(fake).mean(): "DCGAN's own loss, which compares no pairs",
    }
    return next((why for other, why in others.items() if torch.isclose(said, other, rtol=1e-4)), "another loss")


@exercise
def spread(answer: Callable[[Tensor], Tensor]) -> str:
    """Whether the answer is the 4×4 stamp that a 3×3 one makes of a pixel that was repeated in 2×2 places."""
    kernel = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    stamp = torch.as_tensor(answer(kernel))
    if stamp.shape != (4, 4):
        raise WrongAnswer(f"it returns shape {tuple(stamp.shape)}: the stamp is 4 by 4")
    right = sum(F.pad(kernel, (right, 1 - right, down, 1 - down)) for right in (0, 1) for down in (0, 1))
    if not torch.allclose(stamp, right, atol=1e-5):
        raise WrongAnswer(_why_no_stamp(stamp, kernel, right))
    maps = torch.randn(1, 1, 5, 5, generator=torch.Generator().manual_seed(1))
    repeated = F.interpolate(maps, scale_factor=2, mode="nearest")
    slow = F.conv_transpose2d(repeated, kernel[None, None], padding=1)
    fast = F.conv_transpose2d(maps, stamp[None, None], stride=2, padding=1)
    return f"one transposed convolution does what the two do, to {(slow - fast).abs().max():.0e}"


def _why_no_stamp(stamp: Tensor, kernel: Tensor, right: Tensor) -> str:
    """What was overlooked, where that can be told."""
    if torch.allclose(4 * stamp, right, atol=1e-5):
        return "a quarter of it: the four stamps are added, not averaged"
    if torch.allclose(stamp.sum(), kernel.sum(), atol=1e-4):
        return "one stamp of 3 by 3: the pixel stands in four places, and each of them stamps"
    if torch.allclose(stamp.sum(), right.sum(), atol=1e-4):
        return "four stamps, but not each in another of the four places: one to the right, one down, one both"
    return "not the sum of four stamps, each moved by one place"
