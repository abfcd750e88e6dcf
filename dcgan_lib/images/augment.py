"""DiffAugment: the same random changes for all that D sees, so that it can't learn a few images by heart."""

import torch
from torch import Tensor

from dcgan_lib.images.chance import drawn


def augment(images: Tensor, random: torch.Generator | None = None) -> Tensor:
    """Recolour, shift and cut images at random, each in its own way (Zhao et al. 2020, "color, translation, cutout").

    images: (N, C, S, S) in [-1, 1]; returns the same shape, in about [-2, 2]. Gradients pass through, so that G learns
    from what D sees; `random` is the source of chance, on the images' device.
    """
    return _cut(_shift(_recolour(images, random), random), random)


def _uniform(images: Tensor, random: torch.Generator | None) -> Tensor:
    """A number in [0, 1) for each image: (N, 1, 1, 1)."""
    return drawn(torch.rand, len(images), 1, 1, 1, random=random, device=images.device)


def _recolour(images: Tensor, random: torch.Generator | None) -> Tensor:
    """Brightness by up to 0.5, saturation by 0 to 2, contrast by 0.5 to 1.5."""
    images = images + (_uniform(images, random) - 0.5).to(images.dtype)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (2 * _uniform(images, random)).to(images.dtype)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (0.5 + _uniform(images, random)).to(images.dtype)


def _shift(images: Tensor, random: torch.Generator | None) -> Tensor:
    """Move by up to an eighth of the side each way; what comes in is grey (0, as in the authors' code)."""
    size = images.shape[-1]
    most = size // 8
    place = torch.arange(size, device=images.device)
    picked = []
    for _ in range(2):
        offset = (_uniform(images, random).view(-1, 1) * (2 * most + 1)).long() - most
        picked.append((place + offset + 1).clamp(0, size + 1))  # in an image with a border of one pixel
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    rows, columns = picked
    each = torch.arange(len(images), device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _cut(images: Tensor, random: torch.Generator | None) -> Tensor:
    """Grey out a square of half the side, which may hang over the edge."""
    size = images.shape[-1]
    place = torch.arange(size, device=images.device)
    inside = []
    for _ in range(2):
        centre = (_uniform(images, random).view(-1, 1) * (size + 1)).long()
        inside.append((place - centre >= -(size // 4)) & (place - centre < size // 4))
    rows, columns = inside
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill(hole, 0.0)
