"""From a Config to its two networks."""

import torch
from torch import nn

from dcgan_lib.config import Config
from dcgan_lib.models.dcgan import Discriminator, Generator, init_weights
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


def draw_networks(config: Config, draw: torch.Generator) -> tuple[nn.Module, nn.Module]:
    """Both networks with their first weights, DCGAN's from `draw`; the global random state stays as it is."""
    with torch.random.fork_rng(devices=[]):  # PyTorch draws weights of its own first, from the global source
        torch.default_generator.manual_seed(config.seed)  # spectral norm keeps a drawn vector
        generator, discriminator = make_networks(config)
    if config.architecture == "dcgan":
        init_weights(generator, draw)
        init_weights(discriminator, draw, he=config.discriminator_norm == "none")
    return generator, discriminator
