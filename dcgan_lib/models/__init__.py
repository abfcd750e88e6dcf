"""The networks: DCGAN's, the minimal GAN's, and four other families of generative models."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "dcgan": ["Discriminator", "Generator", "init_weights"],
        "minimal": ["MinimalDiscriminator", "MinimalGenerator"],
        "pixelcnn": ["PixelCNN"],
        "vae": ["VAE"],
        "boltzmann": ["BoltzmannMachine"],
        "flow_matching": ["FlowMatching", "VelocityNet"],
        "learning": ["minimise"],
        "points": ["NormalMixture", "PointVelocity"],
    },
)
