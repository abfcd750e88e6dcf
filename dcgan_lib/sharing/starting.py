"""`start_from`: a new run begins with the weights of another."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dcgan_lib.config import Config
from dcgan_lib.settings import read_yaml
from dcgan_lib.sharing import folder as folders

if TYPE_CHECKING:
    from dcgan_lib.gan import GAN

#: The settings that a network's weights depend on in number and shape.
SHAPES = ("architecture", "image_size", "channels", "latent_dim", "generator_width", "upsampling", "minimal_kernel")
SHAPES_OF_D = ("discriminator_width", "discriminator_norm", "spectral_norm")


@dataclass
class Start:
    """What a GAN's weights began as: drawn at random, those of another run, or what kept those from being loaded."""

    source: dict[str, Any] | None = None  # the other run: its name, its step, which networks came from it
    error: OSError | ValueError | RuntimeError | None = None
    lacks: str = ""  # what has to be told once where training begins; a run that goes on has it all

    @classmethod
    def of(cls, gan: "GAN") -> Self:
        """Put the weights that its Config names into a GAN: both networks', and the averaged generator's.

        Of a pretrained folder G's alone. Adam starts afresh, with the GAN's own rates. What goes wrong, and a warning
        of what is missing, is kept until `check`: a run that goes on has its weights from its own checkpoint.
        """
        from dcgan_lib.compute.states import put_back  # a launcher checks a source without waiting for torch

        source = gan.config.start_from
        if not source:
            return cls()
        try:
            path = folders.find(source)
            state = folders.read(path)
            check_shapes(source, Config.from_dict(folders.known_settings(state["config"])), gan.config, state["gan"])
            ours = {"generator": gan.generator, "discriminator": gan.discriminator}
            ours |= {"averaged": gan.averaged} if gan.averaged else {}
            there = [name for name in ours if name in state["gan"]]
            put_back({name: ours[name] for name in there}, state["gan"])  # G first: the averaged one follows it
        except (OSError, ValueError, RuntimeError) as error:
            return cls(error=error)
        if "averaged" in there:
            gan.measured_at = None  # its statistics may be of an earlier step
        whole, here = "discriminator" in there, Path(source).expanduser().resolve()
        name = source if not here.exists() else here.parent.name if here.is_file() else here.name
        lacks = "" if whole else f"{source} holds a generator alone: D begins untrained"
        return cls({"run": name, "step": state["gan"]["step"], "networks": "both" if whole else "G"}, lacks=lacks)

    def check(self, step: int) -> None:
        """Before the first step raise what kept other weights from being loaded, or warn once of what is missing."""
        if step > 0:
            return
        if self.error:
            raise self.error
        if self.lacks:
            told, self.lacks = self.lacks, ""
            warnings.warn(told, stacklevel=3)


def check_shapes(source: Any, theirs: Config, ours: Config, parts: Any = ("discriminator",)) -> None:
    """`ValueError` names the settings by which another run's networks are of other shapes than this Config's."""
    names = SHAPES + (SHAPES_OF_D if "discriminator" in parts else ())
    differ = {name: values for name, values in theirs.differences(ours).items() if name in names}
    if differ:
        listed = ", ".join(f"{name} is {there!r} there and {here!r} here" for name, (there, here) in differ.items())
        advice = "set it as it is there, or leave start_from out"
        raise ValueError(f"start_from: the networks of {source} have other shapes: {listed}; {advice}")


def check_source(config: Config) -> None:
    """Raise what a new run of this Config would be stopped by, as far as that is told without loading weights."""
    if config.start_from:
        try:
            path = folders.find(config.start_from)
        except (OSError, RuntimeError) as error:
            raise type(error)(f"start_from: {error}") from error
        about = path / folders.CONFIG
        if path.is_dir() and about.is_file():
            both = () if folders.is_pretrained(path) else ("discriminator",)
            check_shapes(config.start_from, _settings(about), config, both)


def _settings(path: Path) -> Config:
    """A source's settings by its config.json, of any version that `Start.of` takes; `ValueError` names the file."""
    values = read_yaml(path)  # JSON is YAML
    values = values.get("config", values) if isinstance(values, dict) else values
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds no settings: get the source again, or leave start_from out")
    try:
        return Config.from_dict(folders.known_settings(values))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
