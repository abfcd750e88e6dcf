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
from dcgan_lib.config import COMPUTING, REPORTING, Config
from dcgan_lib.data import ImageSet
from dcgan_lib.images.augment import augment
from dcgan_lib.images.chance import Stream, drawn
from dcgan_lib.models.averaging import measure_statistics, move_towards
from dcgan_lib.models.build import make_networks
from dcgan_lib.models.dcgan import init_weights
from dcgan_lib.settings import RETIRED, modernise

MEASURED = 256  # noise vectors that BatchNorm's statistics of the averaged generator are measured on


class GAN:
    """All that training changes: both networks, both optimisers, the averaged generator, the noise, the step.

    `fixed_noise` (sample_count, latent_dim) stays the same through a run, so that its images show the progress.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.device = choose_device(config.device)
        self.half_precision = choose_precision(config.precision, self.device) == "bf16"
        with torch.random.fork_rng(devices=[]):  # PyTorch draws weights of its own first, from the global source
            torch.default_generator.manual_seed(config.seed)  # spectral norm keeps a drawn vector
            generator, discriminator = make_networks(config)

        # Weights and fixed noise are drawn on the CPU, so that one seed gives one start on every device.
        draw = torch.Generator().manual_seed(config.seed)
        if config.architecture == "dcgan":
            init_weights(generator, draw)
            init_weights(discriminator, draw, he=config.discriminator_norm == "none")
        self.fixed_noise = self.noise(config.sample_count, draw).to(self.device)
        self.random = Stream(self.device).manual_seed(config.seed)

        # Channels-last is how convolutions run fastest; on Apple's MPS it has given wrong results.
        layout = torch.contiguous_format if self.device.type == "mps" else torch.channels_last
        self.generator = generator.to(self.device, memory_format=layout)
        self.discriminator = discriminator.to(self.device, memory_format=layout)
        self.averaged = copy.deepcopy(self.generator) if config.average_half_life else None
        self.measured_at: int | None = None  # the step for which the averaged generator's statistics stand
        self.generator.register_load_state_dict_post_hook(self._follow)

        adam = {"betas": (config.beta1, config.beta2), "graphed": self.device.type == "cuda" and config.cuda_graphs}
        self.optimizer_g = make_adam(self.generator, config.learning_rate_g, **adam)
        self.optimizer_d = make_adam(self.discriminator, config.learning_rate_d, **adam)
        self.step = 0

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
        with self._autocast():
            return self.generator(z)

    def discriminate(self, images: Tensor) -> Tensor:
        """D's logits (N,) of images as training has them: augmented where the Config says so, in the run's precision.

        They come in float32 at least: in bf16 a sigmoid has three digits, and its logarithm fewer.
        """
        with self._autocast():
            logits = self.discriminator(augment(images, self.random) if self.config.augment else images)
        return logits.float() if logits.dtype == torch.bfloat16 else logits

    def _follow(self, generator: nn.Module, _: Any) -> None:
        """Let the averaged generator begin anew from weights that were put into G: `sample` then draws with them."""
        if self.averaged and generator is self.generator:  # and not a copy of it
            self.averaged.load_state_dict(generator.state_dict())
            self.measured_at = self.step  # with BatchNorm's statistics

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half_precision)

    @torch.no_grad()
    def sample(self, z: Tensor | None = None) -> Tensor:
        """Images (N, channels, size, size) in [-1, 1], on the CPU, from z (N, latent_dim) or from `fixed_noise`.

        Drawn by the averaged generator where there is one, with statistics fitted to it, in eval mode: each image
        depends on its own z alone, and what training uses stays as it is.
        """
        if self.averaged and self.measured_at != self.step:
            self.fit_statistics()
        network = self.averaged or self.generator
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
        """Measure BatchNorm's statistics of the averaged generator again, on `MEASURED` noise vectors of its own."""
        with self._autocast():
            measure_statistics(self.averaged, self.noise(MEASURED, torch.Generator(self.device).manual_seed(0)))
        self.measured_at = self.step

    def is_finite(self) -> bool:
        """Whether no weight of either network is NaN or infinite; waits for the device."""
        weights = [*self.generator.parameters(), *self.discriminator.parameters()]
        return all(torch.isfinite(weight).all().item() for weight in weights)

    def _parts(self) -> dict[str, Any]:
        parts = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "optimizer_g": self.optimizer_g,
            "optimizer_d": self.optimizer_d,
        }
        return parts | ({"averaged": self.averaged} if self.averaged else {})

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, as tensors and plain values; the averaged generator can draw."""
        if self.averaged and self.measured_at != self.step:
            self.fit_statistics()
        states = {name: part.state_dict() for name, part in self._parts().items()}
        noise = {"fixed": self.fixed_noise, "random": self.random.get_state(), "device": self.device.type}
        return states | {"step": self.step, "noise": noise}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back a state of the same Config; on another kind of device the noise goes on from a fresh stream.

        Adam's settings are those of this GAN. `checkpoint.CheckpointError` for what doesn't fit, and nothing changes.
        """
        before = copy.deepcopy({name: part.state_dict() for name, part in self._parts().items()})
        try:
            for name, part in self._parts().items():
                values = state[name]
                if isinstance(part, torch.optim.Optimizer):  # rates, and how it computes, are this GAN's
                    pairs = zip(part.param_groups, values["param_groups"], strict=True)
                    values = values | {"param_groups": [own | {"params": group["params"]} for own, group in pairs]}
                part.load_state_dict(values)
        except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
            for name, part in self._parts().items():
                part.load_state_dict(before[name])
            reason = f"it lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:150]
            raise checkpoint.CheckpointError(f"the state doesn't fit this GAN's networks: {reason}") from error
        self.step, self.measured_at = state["step"], None  # before version 0.6 statistics were of an earlier step
        self.fixed_noise = state["noise"]["fixed"].to(self.device)
        if state["noise"]["device"] == self.device.type:
            self.random.set_state(state["noise"]["random"].cpu())
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
        state = _load_gan(path, self.device)
        other = Config.from_dict(state["config"])
        changed = {k: v for k, v in other.differences(self.config).items() if k not in REPORTING | COMPUTING}
        if changed:
            listed = ", ".join(f"{name} was {old!r} and is now {new!r}" for name, (old, new) in changed.items())
            advice = "set it back, or give the run another name"
            raise checkpoint.CheckpointError(f"{path} is of another Config: {listed}; {advice}")
        if images is not None and state["images"] not in ("", images.fingerprint):
            advice = "bring them back, or give the run another name"
            raise checkpoint.CheckpointError(f"{path} was trained on other images than {images.source} holds; {advice}")
        self.load_state_dict(state["gan"])
        set_random_states(state["random"])
        return self

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> Self:
        """The GAN of a checkpoint, on any device, to draw images with; global random states stay as they are."""
        state = _load_gan(path, "cpu")
        settings = {name: value for name, value in modernise(state["config"]).items() if name not in RETIRED}
        gan = cls(Config.from_dict(settings | {"device": device}))
        gan.load_state_dict(state["gan"])
        if gan.averaged:
            gan.fit_statistics()  # so that `averaged` draws as `sample` does, from an older checkpoint too
        return gan


def _load_gan(path: str | Path, device: str | torch.device) -> dict[str, Any]:
    """What `GAN.save` wrote; `checkpoint.CheckpointError` for a checkpoint of anything else."""
    state = checkpoint.load(path, device)
    if not isinstance(state, dict) or not {"config", "gan", "random", "images"} <= state.keys():
        advice = "plain weights go into gan.generator.load_state_dict(), without a 'module.' before their names"
        raise checkpoint.CheckpointError(f"{path} is not a checkpoint of GAN.save; {advice}")
    return state
