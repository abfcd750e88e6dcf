"""A variational autoencoder: a code for every image, and a lower bound of its probability (Kingma & Welling 2014)."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


class VAE(nn.Module):
    """A variational autoencoder: an encoder q(z|x), a decoder p(x|z), and standard normal z (Kingma & Welling 2014).

    Images (N, channels, S, S) in [-1, 1], S a power of two from 8. Given z, each value is normal around the decoder's
    output, with one spread for all, which is learnt as well.
    """

    def __init__(self, image_size: int = 64, channels: int = 3, latent_dim: int = 64, width: int = 32) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        widths = [channels, *(width * min(2**i, 4) for i in range(image_size.bit_length() - 3))]
        down, up = [], []
        for inputs, outputs in pairwise(widths):  # each halves the side, down to 4
            down += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        for inputs, outputs in pairwise(widths[::-1]):
            up += [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs)]
        inside = widths[-1] * 4 * 4
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(inside, 2 * latent_dim))
        start = [nn.Linear(latent_dim, inside), nn.Unflatten(1, (widths[-1], 4, 4)), nn.BatchNorm2d(widths[-1])]
        self.decoder = nn.Sequential(*start, *up[:-1], nn.Tanh())
        self.log_spread = nn.Parameter(torch.tensor(-1.0))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """q(z|x) as its mean and the logarithm of its standard deviation: (N, latent_dim) each."""
        return self.encoder(images).chunk(2, dim=1)

    def terms(self, images: Tensor, random: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """The two terms of the bound for one z of each image: log p(x|z), and KL(q(z|x) ‖ p(z)); (N,) each, in nats.

        Their difference is on average at most log p(x) (Kingma & Welling 2014, eq. 10); training maximises it. To look
        at single images, call it in eval mode: in training BatchNorm mixes those of a batch.
        """
        mean, log_deviation = self.encode(images)
        z = mean + log_deviation.exp() * _normal_like(mean, random)
        divergence = (mean.square() + (2 * log_deviation).exp() - 1) / 2 - log_deviation
        return self._log_normal(images, self.decoder(z), self.log_spread), divergence.sum(1)

    @torch.no_grad()
    def log_likelihood(self, images: Tensor, draws: int = 100, random: torch.Generator | None = None) -> Tensor:
        """log p(x) estimated from below by importance sampling, closer with more draws: (N,) (Burda et al. 2016).

        Call it in eval mode: in training BatchNorm mixes the images of a batch.
        """
        mean, log_deviation = self.encode(images)
        weights = []
        for _ in range(draws):
            z = mean + log_deviation.exp() * _normal_like(mean, random)
            prior = self._log_normal(z, torch.zeros_like(z), torch.zeros(()))
            weights.append(
                self._log_normal(images, self.decoder(z), self.log_spread)
                + prior
                - self._log_normal(z, mean, log_deviation)
            )
        return torch.stack(weights).logsumexp(0) - math.log(draws)

    @torch.no_grad()
    def sample(self, count: int, random: torch.Generator | None = None) -> Tensor:
        """Draw images (count, channels, S, S): the decoder's mean for random z."""
        return self.decoder(torch.randn(count, self.latent_dim, generator=random))

    @staticmethod
    def _log_normal(x: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
        """log density of independent normal values, summed over all but the first dimension."""
        each = -((x - mean) / log_deviation.exp()).square() / 2 - log_deviation - math.log(2 * math.pi) / 2
        return each.flatten(1).sum(1)


def _normal_like(mean: Tensor, random: torch.Generator | None) -> Tensor:
    return torch.randn(mean.shape, generator=random, device=mean.device, dtype=mean.dtype)
