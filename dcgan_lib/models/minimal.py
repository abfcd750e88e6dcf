"""The minimal encoder-decoder GAN: two networks for 64×64 images, as its article has them a fifth the size of DCGAN's.

The article trains it with Keras; weights are drawn as Keras draws them (Glorot & Bengio 2010), biases are zero. Its two
knobs are the networks' capacity (`width`) and the size of their filters (`kernel`, an odd number).
"""

from itertools import pairwise

from torch import Tensor, nn

SLOPE = 0.3  # of LeakyReLU below zero: the default of Keras


class MinimalGenerator(nn.Module):
    """Noise (N, latent_dim) becomes images (N, channels, 64, 64) in [-1, 1], through a dense layer and four doublings.

    Takes (N, latent_dim, 1, 1) as well. `width`: feature maps of the last hidden block.
    """

    def __init__(self, channels: int = 3, latent_dim: int = 100, width: int = 16, kernel: int = 5) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        first, same = 8 * width, kernel // 2  # this padding keeps the side
        layers = [nn.Linear(latent_dim, first * 4 * 4), nn.Unflatten(1, (first, 4, 4)), nn.BatchNorm2d(first)]
        for inputs, outputs in pairwise((first, 4 * width, 2 * width, width, width)):  # each doubles the side
            layers += [
                nn.ConvTranspose2d(inputs, outputs, kernel, stride=2, padding=same, output_padding=1),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(SLOPE, inplace=True),
            ]
        self.main = nn.Sequential(*layers, nn.Conv2d(width, channels, kernel, padding=same), nn.Tanh()).apply(_glorot)

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z.flatten(1))


class MinimalDiscriminator(nn.Module):
    """Images (N, channels, 64, 64) become logits (N,): four halvings, the mean over all places, one unit.

    `width`: feature maps of the first block.
    """

    def __init__(self, channels: int = 3, width: int = 16, kernel: int = 5) -> None:
        super().__init__()
        layers, same = [], kernel // 2
        for inputs, outputs in pairwise((channels, width, 2 * width, 4 * width, 8 * width)):  # each halves the side
            layers += [
                nn.Conv2d(inputs, outputs, kernel, padding=same),
                nn.BatchNorm2d(outputs),
                nn.Conv2d(outputs, outputs, kernel, stride=2, padding=same),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(SLOPE, inplace=True),
            ]
        end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, 1)]
        self.main = nn.Sequential(*layers, *end).apply(_glorot)

    def forward(self, images: Tensor) -> Tensor:
        return self.main(images).flatten()


def _glorot(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
