"""Checks of notebook 8's exercises."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from dcgan_lib.exercises import WrongAnswer, exercise
from dcgan_lib.images.grid import to_floats


@exercise
def bits_a_byte(answer: Callable[[Tensor, int], Tensor], nats: Tensor | None = None, values: int = 3072) -> str:
    """Whether the answer turns log densities on the scale of [-1, 1] into bits a byte; `nats` are the notebook's own.

    Held against normal densities: what their masses on bytes cost.
    """
    for spread in (0.2, 0.4):  # wide beside a byte: a density hardly changes within one
        for count in (48, 768):
            x = to_floats(torch.arange(2 * count).mul(37).remainder(256).reshape(2, count, 1, 1).byte()).reshape(
                2, count
            )
            normal = Normal(0.3, spread)
            masses = normal.cdf(x.double() + 1 / 255) - normal.cdf(x.double() - 1 / 255)
            log_density = normal.log_prob(x)
            found = torch.as_tensor(answer(log_density.sum(1), count), dtype=torch.float)
            _compare(found, -masses.log2().mean(1).float(), -log_density.mean(1) / math.log(2), count)
    says = "normal densities cost what their masses on the bytes do"
    return says if nats is None else f"{says}; the VAE's faces cost {answer(nats, values).mean():.2f} bits a byte"


def _compare(found: Tensor, right: Tensor, density: Tensor, count: int) -> None:
    """Raise `WrongAnswer` for bits that are not the right ones; `density`: bits of that on the scale of [-1, 1]."""
    if found.shape != right.shape:
        raise WrongAnswer(f"two images went in: two numbers should come out, not the shape {tuple(found.shape)}")
    if torch.allclose(found, right, atol=2e-3, rtol=0):
        return
    width = math.log2(127.5)
    wrong = {
        "those are bits of the density on the scale of [-1, 1]: how wide is a byte on it?": density,
        "the width of a byte counts the wrong way round": density - width,
        "those are nats, of the density on the scale of [-1, 1]": density * math.log(2),
        "those are nats a byte: how many nats are a bit?": density * math.log(2) + width,
        "the sign is wrong: what is likely costs few bits": -density + width,
        "those are the bits of a whole image, not of one of its bytes": (density + width) * count,
        "the width of a byte counts for each value, not once for an image": density + width / count,
        "nearly: how far apart are two neighbouring bytes on the scale of [-1, 1], exactly?": density + 7,
    }
    for says, bits in wrong.items():
        if torch.allclose(found, bits, atol=2e-3, rtol=1e-4):
            raise WrongAnswer(says)
    raise WrongAnswer(f"an image of {count} values costs {right[0]:.3f} bits a byte, by the answer {found[0]:.3f}")


@exercise
def alone(answer: Callable[[Tensor, Tensor], Tensor], white: Tensor, kinds: Mapping[str, Tensor]) -> str:
    """Whether the answer is −log p of independent pixels; tells in which order it finds the kinds of images likely."""
    random = torch.Generator().manual_seed(0)
    for pixels in (3, 50):
        chances = 0.05 + 0.9 * torch.rand(pixels, generator=random)
        v = torch.bernoulli(torch.full((20, pixels), 0.5), generator=random)
        each = -Bernoulli(chances).log_prob(v)
        found = torch.as_tensor(answer(v, chances))
        if found.shape != (20,):
            raise WrongAnswer(f"20 images went in: 20 numbers should come out, its shape is {tuple(found.shape)}")
        wrong = {
            "the sign is wrong: what is likely should come out low": -each.sum(1),
            "that is the mean over the pixels: the logarithm of a product is a sum": each.mean(1),
            "white pixels count, black ones don't: how likely is black?": (each * v).sum(1),
            "black pixels count, white ones don't": (each * (1 - v)).sum(1),
            "those are bits: give nats": each.sum(1) / math.log(2),
        }
        if torch.allclose(found, each.sum(1), rtol=1e-3):
            continue
        for says, values in wrong.items():
            if torch.allclose(found, values, rtol=1e-3):
                raise WrongAnswer(says)
        raise WrongAnswer(f"an image of {pixels} pixels costs {each[0].sum():.3f} nats, by the answer {found[0]:.3f}")
    medians = {kind: answer(v, white).median().item() for kind, v in kinds.items()}
    order = ", ".join(f"{kind} {medians[kind]:,.0f}" for kind in sorted(medians, key=medians.get))
    return f"independent pixels, from likely to unlikely, in nats: {order}"
