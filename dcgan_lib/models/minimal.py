"""The minimal encoder-decoder GAN: two networks of 5×5 convolutions, a fifth the size of DCGAN's, for 64×64 images.

After the article that trains it with Keras; weights are drawn as Keras draws them (Glorot & Bengio 2010), biases zero.
"""

from itertools import pairwise

from torch import Tensor, nn

SLOPE = 0.3  # of LeakyReLU below zero: the default of Keras


class MinimalGenerator(nn.Module):
    """Noise (N, latent_dim) becomes images (N, channels, 64, 64) in [-1, 1], through a dense layer and four doublings.

    Takes (N, latent_dim, 1, 1) as well.
    """

    def __init__(self, channels: int = 3, latent_dim: int = 100) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        layers = [nn.Linear(latent_dim, 128 * 4 * 4), nn.Unflatten(1, (128, 4, 4)), nn.BatchNorm2d(128)]
        for inputs, outputs in pairwise((128, 64, 32, 16, 16)):  # each doubles the side
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2, output_padding=1),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(SLOPE, inplace=True),
            ]
        self.main = nn.Sequential(*layers, nn.Conv2d(16, channels, 5, padding=2), nn.Tanh()).apply(_glorot)

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z.flatten(1))


class MinimalDiscriminator(nn.Module):
    """Images (N, channels, 64, 64) become logits (N,): four halvings, the mean over all places, one unit."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        layers = []
        for inputs, outputs in pairwise((channels, 16, 32, 64, 128)):  # each halves the side
            layers += [
                nn.Conv2d(inputs, outputs, 5, padding=2),
                nn.BatchNorm2d(outputs),
                nn.Conv2d(outputs, outputs, 5, stride=2, padding=2),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(SLOPE, inplace=True),
            ]
        self.main = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 1)).apply(_glorot)

    def forward(self, images: Tensor) -> Tensor:
        return self.main(images).flatten()


def _glorot(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
