"""Ways through the latent space, and how far they are: vectors in, vectors out."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dcgan_lib.config import Config


def noise_deviation(config: Config) -> float:
    """The standard deviation of each number in z: 1 for normal noise, 1/√3 for uniform noise in [-1, 1]."""
    return 1.0 if config.noise == "normal" else 3**-0.5


def noise_radius(config: Config) -> float:
    """The length that nearly all z have: √latent_dim times their deviation; the more numbers, the less it varies."""
    return config.latent_dim**0.5 * noise_deviation(config)


def on_sphere(z: Tensor, radius: float) -> Tensor:
    """The vectors (…, latent_dim), each stretched or shortened to the length `radius`."""
    return z * (radius / z.norm(dim=-1, keepdim=True).clamp_min(1e-12))


def straight(a: Tensor, b: Tensor, share: float | Sequence[float] | Tensor) -> Tensor:
    """The straight line from a to b, (latent_dim,) each, at a share of the way, or at several: (len(share), …)."""
    share = torch.as_tensor(share, dtype=a.dtype)[..., None]
    return a + share * (b - a)


def slerp(a: Tensor, b: Tensor, share: float | Sequence[float] | Tensor) -> Tensor:
    """The walk on the sphere from a to b, as `straight`: it turns evenly, its length goes evenly from a's to b's.

    Spherical interpolation (White 2016, section 2.1). Two vectors in one line are joined by that line: no single arc
    joins them.
    """
    share = torch.as_tensor(share, dtype=a.dtype)[..., None]
    one, other = on_sphere(a, 1.0), on_sphere(b, 1.0)
    angle = (one @ other).clamp(-1, 1).acos()
    if angle.sin() < 1e-4:
        return straight(a, b, share[..., 0])
    turned = (((1 - share) * angle).sin() * one + (share * angle).sin() * other) / angle.sin()
    return turned * ((1 - share) * a.norm() + share * b.norm())


def loop(points: Tensor, steps: int) -> Tensor:
    """A walk on the sphere from each of the points (K, latent_dim) to the next, and from the last one to the first.

    (K × steps, latent_dim), each point once: an animation of it has no end.
    """
    share = torch.arange(steps) / steps
    return torch.cat([slerp(a, b, share) for a, b in zip(points, points.roll(-1, 0), strict=True)])


def step_lengths(stages: Tensor) -> Tensor:
    """How far each stage of a walk is from the one before, root-mean-square: (T, …) → (T − 1,).

    Of images or of a classifier's features: their sum is how much changes on the way, and how even they are says
    whether it changes bit by bit or in jumps.
    """
    return (stages[1:] - stages[:-1]).flatten(1).square().mean(1).sqrt()
