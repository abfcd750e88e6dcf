"""A second generator whose weights are a moving average of the first one's (Karras et al. 2018)."""

import weakref
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from dcgan_lib.gan import GAN

SHARE = 0.1  # of the images seen, the longest half-life; benchmarks/averaging.py has others beside it


class Follower:
    """A hook of G's that tells its GAN of weights that were put into G.

    It holds no reference that a copy would follow: a copy of G alone, or its file, would else have the whole GAN in it.
    """

    def __init__(self, gan: "GAN | None" = None) -> None:
        self.gan = weakref.ref(gan) if gan else lambda: None

    def __call__(self, generator: nn.Module, _: Any) -> None:
        if gan := self.gan():
            gan.follow(generator)

    def __deepcopy__(self, copied: dict[int, Any]) -> Self:
        return type(self)(copied.get(id(self.gan())))  # the copy of the GAN, where all of it is copied

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


@torch.no_grad()
def move_towards(
    averaged: nn.Module, current: nn.Module, images: int, half_life: float, seen: float, share: float = SHARE
) -> None:
    """Move a network's weights towards another's by `images` images: after `half_life` half of the way is left.

    At first the half-life is no more than this share of the images seen so far: weights that change fast would else be
    mixed with what they were long ago (the ramp of Karras et al. 2020, who take a twentieth).
    """
    half_life = min(half_life, max(images, seen * share))
    ours, theirs = (list(network.parameters()) for network in (averaged, current))
    torch._foreach_lerp_(ours, theirs, 1 - 0.5 ** (images / half_life))


def matched(z: Tensor) -> Tensor:
    """Noise (N, latent_dim), turned and scaled so that its numbers have mean 0, one variance, and no correlation.

    Exactly so, as those of infinitely many have: what G's first layer makes of it has then the right mean and variance.
    Where there are less than twice as many z as numbers in one, the mean alone is mended.
    """
    kind, z = z.dtype, z.double()
    z = z - z.mean(0)
    if len(z) > 2 * z.shape[1]:
        lower = torch.linalg.cholesky(z.T @ z / len(z))
        z = torch.linalg.solve_triangular(lower, z.T, upper=False).T * z.square().mean().sqrt()
    return z.to(kind)


@torch.no_grad()
def measure_statistics(network: nn.Module, z: Tensor) -> None:
    """Measure BatchNorm's statistics anew, on what the network makes of noise (N, latent_dim); it stays in train mode.

    Those of the current generator, averaged as the weights are, are not what averaged weights make of noise: the
    images come out blurred and off in tone (Izmailov et al. 2018, section 3, say the same of averaged classifiers).
    """
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # one batch: its own mean and variance
    network.train()(z)
