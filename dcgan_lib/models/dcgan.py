"""The two networks of DCGAN at any size from 16 to 256, and how their weights are drawn."""

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

DOUBLE = partial(nn.ConvTranspose2d, kernel_size=4, stride=2, padding=1, bias=False)  # the side of its maps
LARGEST = 8  # times the width: the widest block at 64×64; larger sizes add blocks, not wider ones


def block_widths(image_size: int, width: int) -> list[int]:
    """Feature maps of the hidden blocks, from 4×4 upwards: [512, 256, 128, 64] for size 64 and width 64."""
    blocks = image_size.bit_length() - 3  # one for 4×4, one for each doubling up to half the size
    return [width * min(2**i, LARGEST) for i in reversed(range(blocks))]


class UpsampledConv(nn.ConvTranspose2d):
    """Every pixel four times, then a 3×3 convolution: resize-convolution (Odena et al. 2016), in one operation.

    (N, inputs, S, S) → (N, outputs, 2 S, 2 S). Both together are a transposed convolution whose 4×4 kernel is the 3×3
    one spread over 2×2 places, and so cost what DCGAN's own costs. But here every pixel of the output is reached by
    all of the kernel; there by a quarter of it, each of four neighbours by another: that draws checkerboards.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, stride=2, padding=1, bias=False)
        line = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])  # each weight counts in two places
        self.register_buffer("spread", torch.kron(line, line), persistent=False)  # (3 × 3, 4 × 4)

    def forward(self, maps: Tensor) -> Tensor:
        kernel = (self.weight.flatten(2) @ self.spread).unflatten(2, (4, 4))
        return nn.functional.conv_transpose2d(maps, kernel, stride=2, padding=1)


class Generator(nn.Module):
    """A vector of noise becomes an image through transposed convolutions (Radford et al. 2016, figure 1).

    Takes z of shape (N, latent_dim) or (N, latent_dim, 1, 1); returns images (N, channels, size, size) in [-1, 1].
    `upsampling`: how a block doubles the side, by "transposed" convolutions or by "nearest", `UpsampledConv`.
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        latent_dim: int = 100,
        width: int = 64,
        upsampling: str = "transposed",
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        widths = block_widths(image_size, width)
        layers = [  # 1×1 → 4×4
            nn.ConvTranspose2d(latent_dim, widths[0], 4, stride=1, padding=0, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        double = UpsampledConv if upsampling == "nearest" else DOUBLE
        for inputs, outputs in pairwise(widths):
            layers += [double(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        # No BatchNorm at the output: it would fix the mean and contrast of every batch of images.
        layers += [double(widths[-1], channels), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        z = z.flatten(1)
        if z.shape[1] != self.latent_dim:  # asks nothing of N, which stays free when the network is exported
            raise ValueError(f"z has {z.shape[1]} numbers: this generator takes (N, {self.latent_dim})")
        return self.main(z[:, :, None, None])


class Discriminator(nn.Module):
    """An image becomes one number through strided convolutions: the logit of 'this is a real image'.

    Takes images (N, channels, size, size) in [-1, 1]; returns logits (N,). Their sigmoid is D(x); the losses take
    the logits, since the logarithm of a sigmoid is exact only when both are computed together. `spectral_norm` divides
    each convolution's weight by its largest singular value (Miyato et al. 2018). `norm` is "batch" or "none", where
    the hidden convolutions have biases in its place; `slope` is LeakyReLU's below zero.
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        width: int = 64,
        spectral_norm: bool = False,
        norm: str = "batch",
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        self.input_shape = [channels, image_size, image_size]
        widths = block_widths(image_size, width)[::-1]
        # No BatchNorm at the input: the statistics of the images themselves are what D must judge.
        layers = [nn.Conv2d(channels, widths[0], 4, stride=2, padding=1, bias=False), nn.LeakyReLU(slope, inplace=True)]
        for inputs, outputs in pairwise(widths):  # each halves the side
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=norm == "none")]
            layers += [nn.BatchNorm2d(outputs)] if norm == "batch" else []
            layers += [nn.LeakyReLU(slope, inplace=True)]
        layers += [nn.Conv2d(widths[-1], 1, 4, stride=1, padding=0, bias=False)]  # 4×4 → 1×1
        if spectral_norm:
            layers = [parametrizations.spectral_norm(x) if isinstance(x, nn.Conv2d) else x for x in layers]
        self.main = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        if list(images.shape[1:]) != self.input_shape:
            given = list(images.shape[1:])
            raise ValueError(f"an image has shape {given}: this discriminator takes {self.input_shape}")
        return self.main(images).flatten()


@torch.no_grad()
def init_weights(network: nn.Module, generator: torch.Generator | None = None, he: bool = False) -> nn.Module:
    """Draw a network's weights as DCGAN prescribes, in place; returns the network.

    Convolutions of both kinds: N(0, 0.02), where 0.02 is the standard deviation (Radford et al. 2016, section 4). With
    `he`, √(2 / numbers that a weight's sum takes in) is, for a D without BatchNorm, which would else hand on a signal
    that dwindles from layer to layer (He et al. 2015, eq. 10).
    BatchNorm: scale N(1, 0.02), shift 0 (the authors' code). Every bias: 0. Layers are known by their type, so that
    wrapped ones are found too; `generator` makes the draw repeatable.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            weight = _weight(module)
            weight.normal_(0.0, (2 / weight[0].numel()) ** 0.5 if he else 0.02, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            _weight(module).normal_(1.0, 0.02, generator=generator)
            module.bias.zero_()
    return network


def _weight(module: nn.Module) -> Tensor:
    """The stored weight; that of a parametrised layer (spectral norm, say) is computed from another."""
    return module.parametrizations.weight.original if parametrize.is_parametrized(module, "weight") else module.weight
