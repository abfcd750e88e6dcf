"""A PixelCNN: the exact probability of an image, value by value (van den Oord et al. 2016)."""

import math

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
