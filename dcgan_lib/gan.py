"""The pair of networks with all that training changes in them, and how that is saved and brought back."""

import copy
import math
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from dcgan_lib import checkpoint
from dcgan_lib.compute.device import choose_device, choose_precision
from dcgan_lib.compute.optimizers import make_adam, set_rate
from dcgan_lib.compute.random_states import random_states, set_random_states
from dcgan_lib.compute.states import put_back
from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet
from dcgan_lib.images.augment import augment
from dcgan_lib.images.chance import Stream, drawn
from dcgan_lib.models.averaging import Follower, matched, measure_statistics, move_towards
from dcgan_lib.models.build import draw_networks
from dcgan_lib.sharing import folder as folders
from dcgan_lib.sharing.card import model_card
from dcgan_lib.sharing.starting import Start

MEASURED = 512  # noise vectors that BatchNorm's statistics of the averaged generator are measured on


class GAN:
    """All that training changes: both networks, both optimisers, the averaged generator, the noise, the step.

    `fixed_noise` (sample_count, latent_dim) stays the same through a run, so that its images show the progress.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.device = choose_device(config.device)
        self.half_precision = choose_precision(config.precision, self.device) == "bf16"
        # Weights and fixed noise are drawn on the CPU, so that one seed gives one start on every device.
        draw = torch.Generator().manual_seed(config.seed)
        generator, discriminator = draw_networks(config, draw)
        self.fixed_noise = self.noise(config.sample_count, draw).to(self.device)
        self.random = Stream(self.device).manual_seed(config.seed)

        # Channels-last is how convolutions run fastest; on Apple's MPS it has given wrong results.
        layout = torch.contiguous_format if self.device.type == "mps" else torch.channels_last
        self.generator = generator.to(self.device, memory_format=layout)
        self.discriminator = discriminator.to(self.device, memory_format=layout)
        self.averaged = copy.deepcopy(self.generator) if config.average_half_life else None
        self.measured_at: int | None = None  # the step for which the averaged generator's statistics stand
        self.generator.register_load_state_dict_post_hook(Follower(self))

        adam = {"betas": (config.beta1, config.beta2), "graphed": self.device.type == "cuda" and config.cuda_graphs}
        self.optimizer_g = make_adam(self.generator, config.learning_rate_g, **adam)
        self.optimizer_d = make_adam(self.discriminator, config.learning_rate_d, **adam)
        self.step = 0
        self.start = Start.of(self)  # other weights, where the Config says so

    def noise(self, count: int, random: torch.Generator | None = None) -> Tensor:
        """`count` vectors z: (count, latent_dim), standard normal, or uniform in [-1, 1] where the Config says so.

        The next ones of the run's own stream, on its device; or those of `random`, on that one's.
        """
        random = random or self.random
        draw = torch.randn if self.config.noise == "normal" else torch.rand
        z = drawn(draw, count, self.config.latent_dim, random=random, device=random.device)
        return z if self.config.noise == "normal" else 2 * z - 1

    def set_rates(self, progress: float) -> None:
        """Let both rates fall by a cosine, at a place in the run from 0 to 1, where the Config says so."""
        if self.config.schedule == "cosine":
            share = (1 + math.cos(math.pi * progress)) / 2
            set_rate(self.optimizer_d, share * self.config.learning_rate_d)
            set_rate(self.optimizer_g, share * self.config.learning_rate_g)

    def generate(self, z: Tensor) -> Tensor:
        """G's images (N, channels, size, size) of z (N, latent_dim) as training has them, in the run's precision."""
        self.start.check(self.step)
        with self._autocast():
            return self.generator(z)

    def discriminate(self, images: Tensor) -> Tensor:
        """D's logits (N,) of images as training has them: augmented where the Config says so, in the run's precision.

        They come in float32 at least: in bf16 a sigmoid has three digits, and its logarithm fewer.
        """
        with self._autocast():
            logits = self.discriminator(augment(images, self.random) if self.config.augment else images)
        return logits.float() if logits.dtype == torch.bfloat16 else logits

    def follow(self, generator: nn.Module) -> None:
        """Let the averaged generator begin again from weights that were put into G: `sample` then draws with them."""
        if self.averaged and generator is self.generator:  # and not a copy of it
            self.averaged.load_state_dict(generator.state_dict())
            self.measured_at = self.step  # with BatchNorm's statistics

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half_precision)

    def sampler(self) -> nn.Module:
        """The network that `sample` draws with: the averaged generator, its statistics fitted, or else G."""
        self.start.check(self.step)
        if self.averaged and self.measured_at != self.step:
            self.fit_statistics()
        return self.averaged or self.generator

    @torch.no_grad()
    def sample(self, z: Tensor | None = None) -> Tensor:
        """Images (N, channels, size, size) in [-1, 1], on the CPU, from z (N, latent_dim) or from `fixed_noise`.

        Drawn by the averaged generator where there is one, with statistics fitted to it, in eval mode: each image
        depends on its own z alone, and what training uses stays as it is.
        """
        network = self.sampler()
        was_training = network.training
        parts = (self.fixed_noise if z is None else z).to(self.device).split(256)  # memory stays flat for thousands
        try:
            network.eval()
            return torch.cat([network(part).float().cpu() for part in parts])
        finally:
            network.train(was_training)

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """D's logits (N,), on the CPU, for images (N, channels, size, size) in [-1, 1], all real or all fake.

        As in training: in batches of the same size, each normalised by its own statistics; D itself stays as it is. A
        last batch of a single image, which has none, is joined to the one before.
        """
        size = self.config.batch_size
        batches = list(images.to(self.device).split(size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        discriminator = copy.deepcopy(self.discriminator).train()
        return torch.cat([discriminator(batch).float().cpu() for batch in batches])

    def update_average(self, images: int) -> None:
        """Move the averaged generator's weights towards the current one's by `images` images."""
        seen = self.step * self.config.images_per_step
        move_towards(self.averaged, self.generator, images, self.config.average_half_life, seen)

    def fit_statistics(self) -> None:
        """Measure BatchNorm's statistics of the averaged generator again, on `MEASURED` noise vectors."""
        z = matched(self.noise(MEASURED, torch.Generator().manual_seed(0)))  # the same on every device
        measure_statistics(self.averaged, z.to(self.device))  # in float32, as `sample` draws
        self.measured_at = self.step

    def is_finite(self) -> bool:
        """Whether no weight of either network is NaN or infinite; waits for the device."""
        weights = [*self.generator.parameters(), *self.discriminator.parameters()]
        return all(torch.isfinite(weight).all().item() for weight in weights)

    def _parts(self) -> dict[str, Any]:
        names = ("generator", "discriminator", "optimizer_g", "optimizer_d", "averaged")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors and plain values; the averaged generator can draw."""
        self.sampler()  # fits its statistics
        states = {name: part.state_dict() for name, part in self._parts().items()}
        noise = {"fixed": self.fixed_noise, "random": self.random.get_state(), "device": self.device.type}
        return states | {"step": self.step, "noise": noise}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back a state of the same Config; on another kind of device the noise goes on from a fresh stream.

        Adam's settings are those of this GAN. `checkpoint.CheckpointError` for what doesn't fit, and nothing changes.
        """
        try:
            put_back(self._parts(), state, needed=("step", "noise"))
        finally:
            self.measured_at = None  # before version 0.6 statistics were of an earlier step
        self.step, noise = state["step"], state["noise"]
        self.fixed_noise = noise["fixed"].to(self.device)
        if noise["device"] == self.device.type:
            self.random.set_state(noise["random"].cpu())
        else:
            self.random.manual_seed(self.config.seed + self.step)

    def save(self, path: str | Path, images: ImageSet | None = None) -> None:
        """Write a checkpoint: this GAN, its Config, all global random states, and which images it is trained on."""
        fingerprint = images.fingerprint if images is not None else ""
        parts = {"config": self.config.to_dict(), "images": fingerprint, "random": random_states()}
        checkpoint.save(path, gan=self, **parts)

    def resume(self, path: str | Path, images: ImageSet | None = None) -> Self:
        """Go on from a checkpoint exactly where it was made, global random states included; returns the GAN.

        Raises `checkpoint.CheckpointError` where it was made with other settings or from other images, `ValueError`
        where with a setting that is gone. Settings of reporting and computing, and the number of epochs, may differ.
        """
        state = folders.read_own(path, self.config, images, self.device)
        self.load_state_dict(state["gan"])
        set_random_states(state["random"])
        return self

    def save_pretrained(self, folder: str | Path, dtype: str = "float32", card: str = "") -> Path:
        """Write the generator that `sample` draws with into a folder, as the Hugging Face Hub lays models out.

        dtype: "float32", or "float16" for half the size. card: the README.md; by default its Config, in words. Raises
        `OSError` where the folder holds anything but an earlier generator, which is replaced. Returns the folder.
        """
        card = card or model_card(self.config, self.step, Path(folder).name)
        return folders.write(folder, self.sampler(), self.config, self.step, dtype, card)

    @classmethod
    def from_pretrained(cls, source: str | Path | None = None, device: str = "auto") -> Self:
        """The GAN of the package (None), of a run, a checkpoint, a pretrained folder, or "owner/name" on the Hub.

        Raises what `load` raises, and `RuntimeError` where the Hub can't be asked.
        """
        return cls.load(folders.find(source), device)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> Self:
        """The GAN of a checkpoint, or of a run's folder, on any device, to draw images with.

        Of a pretrained folder too: such a GAN has a D that knows nothing, and can't go on as that run; `start_from`
        begins a new one with its generator. Global random states stay as they are.
        """
        state = folders.read(path)
        config = Config.from_dict(folders.known_settings(state["config"]) | {"device": device})
        gan = cls(config.replace(start_from=""))  # whatever it began with, it has learnt more
        gan.config = config
        if "discriminator" in state["gan"]:
            gan.load_state_dict(state["gan"])
            if gan.averaged:
                gan.fit_statistics()  # so that `averaged` draws as `sample` does, from an older checkpoint too
        else:
            gan.step = state["gan"]["step"]
            put_back({"generator": gan.generator}, state["gan"])  # its statistics are of these weights
        return gan
