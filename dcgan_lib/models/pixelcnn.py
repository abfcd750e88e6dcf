"""Three other families of generative models, small and whole: a PixelCNN, a variational autoencoder, an RBM.

A GAN can only draw. Each of these can also say something about an image that it is shown: the PixelCNN its exact
probability, the autoencoder a lower bound of it and a code, the Boltzmann machine an energy.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MaskedConv2d(nn.Conv2d):
    """A convolution that at each pixel sees only what comes before it: the rows above, and what is to its left.

    Of the pixel itself it sees the colour channels before its own, with `own` also its own. Feature maps belong to the
    `channels` in equal groups, first those of the first (van den Oord et al. 2016, section 3.4; `own=False` is mask A).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, channels: int, own: bool) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        theirs, ours = (torch.arange(maps) * channels // maps for maps in (inputs, outputs))
        middle = kernel // 2
        mask = torch.ones_like(self.weight)
        mask[:, :, middle, middle] = (theirs <= ours[:, None] if own else theirs < ours[:, None]).float()
        mask[:, :, middle, middle + 1 :] = 0
        mask[:, :, middle + 1 :] = 0
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class PixelCNN(nn.Module):
    """A fully visible belief network: p(x) is a product, over all values in reading order, of p(value | those before).

    Images are whole numbers (N, channels, S, S) from 0 to `levels` − 1. The conditionals come from one network of
    masked convolutions, so a training step looks at all of them at once; drawing has to go value by value (van den Oord
    et al. 2016, section 3.5). Each pixel is also told where in the image it is, which is no part of x.
    """

    def __init__(self, channels: int = 3, levels: int = 16, width: int = 60, layers: int = 5) -> None:
        super().__init__()
        if width % channels:
            raise ValueError(f"width is {width}: its feature maps are shared by {channels} channels: give a multiple")
        self.channels, self.levels, self.reach = channels, levels, 3 + layers  # rows above that a pixel can see
        self.place = nn.Sequential(nn.Conv2d(2, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1))
        self.first = MaskedConv2d(channels, width, 7, channels, own=False)
        self.hidden = nn.ModuleList(MaskedConv2d(width, width, 3, channels, own=True) for _ in range(layers))
        self.last = MaskedConv2d(width, channels * levels, 1, channels, own=True)

    def forward(self, values: Tensor, row: int = 0) -> Tensor:
        """Logits (N, levels, channels, S, S) of each value, given those before it.

        row: the place in the whole image of the values' first row, where they are a part of it.
        """
        height, width = values.shape[2:]
        values = values.to(self.first.weight.dtype)
        steps = [torch.arange(row, row + height), torch.arange(width)]
        place = torch.stack(torch.meshgrid(steps, indexing="ij")).to(values) / width * 2 - 1
        x = self.first(2 * values / (self.levels - 1) - 1) + self.place(place)
        for layer in self.hidden:
            x = x + layer(F.relu(x))
        logits = self.last(F.relu(x))
        return logits.unflatten(1, (self.channels, self.levels)).transpose(1, 2)

    def log_likelihood(self, values: Tensor) -> Tensor:
        """The exact log p(x) of each image, in nats: (N,)."""
        return -F.cross_entropy(self(values), values, reduction="none").flatten(1).sum(1)

    def bits_per_dimension(self, values: Tensor) -> Tensor:
        """What an image would cost in a file, in bits a value: (N,); log2 of `levels` is what no model at all gives."""
        return -self.log_likelihood(values) / (values[0].numel() * math.log(2))

    @torch.no_grad()
    def sample(
        self, count: int, size: int, random: torch.Generator | None = None, given: Tensor | None = None
    ) -> Tensor:
        """Draw images (count, channels, size, size), value by value; below the rows of `given`, where there are some.

        given: the upper rows of the images, (count, channels, rows, size).
        """
        values = torch.zeros(count, self.channels, size, size, dtype=torch.long)
        known = 0 if given is None else given.shape[2]
        if known:
            values[:, :, :known] = given
        for row in range(known, size):
            top = max(0, row - self.reach)  # what is further up has no influence
            seen = values[:, :, top : row + 1]
            for column in range(size):
                for channel in range(self.channels):
                    logits = self(seen, top)[:, :, channel, -1, column]
                    seen[:, channel, -1, column] = logits.softmax(1).multinomial(1, generator=random).squeeze(1)
        return values


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


class BoltzmannMachine(nn.Module):
    """A restricted Boltzmann machine: p(v, h) ∝ exp(b·v + c·h + v·W·h), of values 0 and 1 (Hinton 2002).

    v: (N, visible), what is seen; h: (N, hidden), what explains it. No two of one kind are coupled, so that all of one
    kind are drawn at once, given the others.
    """

    def __init__(self, visible: int, hidden: int, random: torch.Generator | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.01 * torch.randn(visible, hidden, generator=random))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))

    def free_energy(self, v: Tensor) -> Tensor:
        """−log of the sum over all h of exp(b·v + c·h + v·W·h): low where v is likely; (N,)."""
        return -(v @ self.visible_bias) - F.softplus(v @ self.weight + self.hidden_bias).sum(1)

    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int, random: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """`steps` times h given v, then v given h: the new v, and the probabilities that it was drawn from."""
        for _ in range(steps):
            h = torch.bernoulli((v @ self.weight + self.hidden_bias).sigmoid(), generator=random)
            likely = (h @ self.weight.T + self.visible_bias).sigmoid()
            v = torch.bernoulli(likely, generator=random)
        return v, likely

    def contrast(self, v: Tensor, from_model: Tensor) -> Tensor:
        """What training minimises: the free energy of real v less that of the machine's own, a scalar.

        Its gradient is that of −log p(v) where `from_model` are fair draws; contrastive divergence takes what a few
        Gibbs steps make of the real v instead (Hinton 2002, section 3).
        """
        return self.free_energy(v).mean() - self.free_energy(from_model).mean()


def _normal_like(mean: Tensor, random: torch.Generator | None) -> Tensor:
    return torch.randn(mean.shape, generator=random, device=mean.device, dtype=mean.dtype)
