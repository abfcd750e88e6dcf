"""A GAN whose images are its z, written into pixels, and a classifier whose logits are known sums of these."""

import pytest
import torch
from torch import nn

from dcgan_lib.gan import GAN


class Written(nn.Module):
    """z (N, 10) → images (N, 3, 16, 16): a tenth of its numbers, in the first ten pixels."""

    def forward(self, z):
        return nn.functional.pad(z / 10, (0, 768 - 10)).reshape(-1, 3, 16, 16)


class Reader(nn.Module):
    """Reads z from such images; logits are 2 × w·z + offset, w a row of `weights` (A, 10)."""

    def __init__(self, weights, offsets, names):
        super().__init__()
        self.attributes = names
        self.head = nn.Linear(10, len(names))
        self.head.weight.data, self.head.bias.data = 2 * weights, offsets

    def read(self, images):
        features = images.flatten(1)[:, :10] * 10
        return features, self.head(features) > 0


@pytest.fixture(params=["normal", "uniform"])
def written(tiny, request) -> GAN:
    gan = GAN(tiny.replace(noise=request.param))
    gan.generator = Written()
    return gan


@pytest.fixture
def reader() -> Reader:
    """Two attributes at an angle, one that few have, and one that none has."""
    random = torch.Generator().manual_seed(0)
    weights = nn.functional.normalize(torch.randn(4, 10, generator=random), dim=1)
    return Reader(weights, torch.tensor([0.0, 0.3, -1.5, -30.0]), ["Even", "Common", "Rare", "Never"])
