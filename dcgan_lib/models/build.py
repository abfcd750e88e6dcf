"""From a Config to its two networks."""

from torch import nn

from dcgan_lib.config import Config
from dcgan_lib.models.dcgan import Discriminator, Generator
from dcgan_lib.models.minimal import MinimalDiscriminator, MinimalGenerator


def make_networks(config: Config) -> tuple[nn.Module, nn.Module]:
    """The generator and the discriminator that a Config describes, before DCGAN's own initialisation."""
    if config.architecture == "minimal":
        size = {"channels": config.channels, "kernel": config.minimal_kernel}
        generator = MinimalGenerator(**size, latent_dim=config.latent_dim, width=config.generator_width)
        return generator, MinimalDiscriminator(**size, width=config.discriminator_width)
    if config.architecture != "dcgan":
        raise ValueError(f"architecture is {config.architecture!r}, which make_networks can't build: add it there")
    size = {"image_size": config.image_size, "channels": config.channels}
    discriminator = Discriminator(
        **size,
        width=config.discriminator_width,
        spectral_norm=config.spectral_norm,
        norm=config.discriminator_norm,
        slope=config.discriminator_slope,
    )
    generator = Generator(
        **size, latent_dim=config.latent_dim, width=config.generator_width, upsampling=config.upsampling
    )
    return generator, discriminator
