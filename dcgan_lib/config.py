"""Every setting of a run in one frozen, validated record; its defaults are the DCGAN tutorial's."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from dcgan_lib.settings import did_you_mean, read_yaml

FACES = "data/faces"  # where the course's own portraits are painted
IMAGE_SIZES = (16, 32, 64, 128, 256)
PRECISIONS = ("fp32", "bf16", "auto")
ARCHITECTURES = ("dcgan", "minimal")
OBJECTIVES = ("non-saturating", "saturating", "least-squares", "hinge", "wasserstein")  # each in `losses.OBJECTIVES`
UNLABELLED = ("hinge", "wasserstein")  # objectives without labels that could be smoothed

#: Fields that say how a run is reported, or how long it goes on: none changes the weights at a given step.
REPORTING = frozenset({"epochs", "sample_every", "log_every", "checkpoint_every", "evaluate_every"})

#: Fields that say where the steps are computed: they change the weights by rounding alone.
COMPUTING = frozenset({"device", "cuda_graphs"})

#: Named sets of values, for `recipe: NAME` in a mapping or a file of settings. "paper" is what the articles have, and
#: `Config`'s defaults; "modern" is what learnt fastest in trials on a CPU: benchmarks/RESULTS.md.
RECIPES: dict[str, dict[str, Any]] = {
    "paper": {
        "flip": False,
        "hold_out": False,
        "generator_width": 64,
        "discriminator_width": 64,
        "batch_size": 128,
        "learning_rate_d": 2e-4,
        "learning_rate_g": 2e-4,
        "label_smoothing": 0.0,
        "average_half_life": 0,
        "precision": "fp32",
    },
    "modern": {
        "flip": True,
        "hold_out": True,
        "generator_width": 32,
        "discriminator_width": 32,
        "batch_size": 64,
        "learning_rate_d": 6e-4,
        "learning_rate_g": 6e-4,
        "label_smoothing": 0.1,
        "average_half_life": 20_000,
        "precision": "auto",
    },
}


@dataclass(frozen=True)
class Config:
    """One run's settings, checked when it is made.

    Raises `ValueError` with one line (what, which value, what to do) for a value out of range,
    `TypeError` for one of the wrong type. The defaults follow Radford et al. 2016, section 4, as the
    PyTorch tutorial has them.
    """

    # Data
    data: str = FACES  # a zip, or a folder of images of any depth
    image_size: int = 64  # pixels a side: 16, 32, 64, 128 or 256
    channels: int = 3  # 3 for colour, 1 for grey
    max_images: int = 0  # use the first so many images; 0: all of them
    flip: bool = False  # mirror each image left to right with probability 1/2
    hold_out: bool = False  # leave the test split out of training, to judge the faces by images that are new to D

    # Networks
    architecture: str = "dcgan"  # or "minimal": the small encoder-decoder GAN, of fixed widths, for 64 pixels
    latent_dim: int = 100  # length of z, the generator's input (nz)
    noise: str = "normal"  # what z is drawn from: "normal", or "uniform" in [-1, 1]
    generator_width: int = 64  # feature maps in the generator's last hidden block (ngf)
    discriminator_width: int = 64  # feature maps in the discriminator's first block (ndf)
    discriminator_norm: str = "batch"  # "batch", or "none": no BatchNorm in D
    discriminator_slope: float = 0.2  # of D's LeakyReLU below zero; 0 makes it a ReLU
    spectral_norm: bool = False  # divide each of D's weights by its largest singular value

    # Training
    batch_size: int = 128  # images an update of D
    epochs: int = 5  # passes over the images
    learning_rate_d: float = 2e-4  # Adam's, for the discriminator
    learning_rate_g: float = 2e-4  # Adam's, for the generator
    beta1: float = 0.5  # Adam's first momentum, for both
    beta2: float = 0.999  # Adam's second momentum, for both
    d_updates: int = 1  # updates of D a step, each on images of its own
    g_updates: int = 1  # updates of G a step
    mixed_batches: bool = False  # D sees fakes in one batch with real images: BatchNorm normalises them together
    objective: str = "non-saturating"  # what the two play for; or "saturating", "least-squares", "hinge", "wasserstein"
    label_smoothing: float = 0.0  # D is told 1 - this for real images (one-sided: fakes stay at 0)
    r1_weight: float = 0.0  # gamma of the R1 penalty on D's gradients at real images; 0: none, 1 to 10 is usual
    gradient_penalty: float = 0.0  # weight of the penalty that holds D's slope between real and fake to 1; 10 is usual
    augment: bool = False  # DiffAugment: shift, recolour and cut all that D sees, so that few images last longer
    average_half_life: int = 0  # images after which a weight counts half in the averaged generator; 0: none
    precision: str = "fp32"  # "fp32", "bf16", or "auto": bf16 where the device computes it natively
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", "mps"
    cuda_graphs: bool = True  # on a CUDA GPU, replay the step as one graph; elsewhere without effect
    seed: int = 999  # of the weights, the order of the images, and all noise

    # Reports
    sample_count: int = 64  # images in the grid drawn from fixed noise
    sample_every: int = 500  # steps between grids
    log_every: int = 50  # steps between lines of statistics
    checkpoint_every: int = 500  # steps between checkpoints
    evaluate_every: int = 0  # steps between measurements of quality; 0: none

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _as_type(field.name, getattr(self, field.name), field.type)
            object.__setattr__(self, field.name, value)
        _require(self.data != "", "data is empty: give a zip or a folder of images")
        _choose("image_size", self.image_size, IMAGE_SIZES)
        _choose("channels", self.channels, (1, 3))
        _choose("precision", self.precision, PRECISIONS)
        _choose("objective", self.objective, OBJECTIVES)
        _require(
            self.batch_size >= 2,
            f"batch_size is {self.batch_size}: BatchNorm would see single images; give at least 2",
        )
        _choose("architecture", self.architecture, ARCHITECTURES)
        if self.architecture == "minimal":
            _require(self.image_size == 64, f"image_size is {self.image_size}: the minimal architecture is made for 64")
            for name in ("discriminator_norm", "discriminator_slope", "spectral_norm"):
                value, only = getattr(self, name), getattr(type(self), name)
                _require(
                    value == only, f"{name} is {value!r}, but the minimal architecture has no such choice: leave it out"
                )
            _require(
                self.objective != "wasserstein" and not self.gradient_penalty,
                "a critic must have no BatchNorm, and the minimal architecture has: choose another objective",
            )
        _choose("noise", self.noise, ("normal", "uniform"))
        _choose("discriminator_norm", self.discriminator_norm, ("batch", "none"))
        positive = ("latent_dim", "generator_width", "discriminator_width", "d_updates", "g_updates", "epochs")
        for name in (*positive, "sample_count"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("sample_every", "log_every", "checkpoint_every"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}: it counts steps, at least 1")
        for name in ("max_images", "average_half_life", "evaluate_every", "seed"):
            _require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}: it must not be negative")
        for name in ("learning_rate_d", "learning_rate_g"):
            value = getattr(self, name)
            _require(0 < value < math.inf, f"{name} is {value}: a learning rate is above 0; 0.0002 is usual")
        for name in ("beta1", "beta2"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"{name} is {value}: it lies in [0, 1)")
        for name in ("r1_weight", "gradient_penalty"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, f"{name} is {value}: a penalty's weight is 0 (none) or above; 10 is usual")
        _require(
            not (self.gradient_penalty and self.discriminator_norm == "batch"),
            f"gradient_penalty is {self.gradient_penalty}, but BatchNorm mixes the images of a batch, each of which it "
            "is about: set discriminator_norm to none",
        )
        bounded = self.discriminator_norm == "none" and (self.gradient_penalty > 0 or self.spectral_norm)
        _require(
            self.objective != "wasserstein" or bounded,
            "objective is 'wasserstein', which needs a bound on D's slope: set discriminator_norm to none, and "
            "gradient_penalty to 10 or spectral_norm to true",
        )
        _require(
            not (self.objective in UNLABELLED and self.label_smoothing),
            f"label_smoothing is {self.label_smoothing}, but the objective {self.objective} has no labels: set it to 0",
        )
        _require(
            0 <= self.discriminator_slope <= 1,
            f"discriminator_slope is {self.discriminator_slope}: it lies in [0, 1]; 0.2 is usual",
        )
        _require(
            0 <= self.label_smoothing < 0.5,
            f"label_smoothing is {self.label_smoothing}: it lies in [0, 0.5); 0.1 is usual",
        )

    @property
    def images_per_step(self) -> int:
        """Real images that one step takes: a batch for each update of D."""
        return self.batch_size * self.d_updates

    def steps_per_epoch(self, count: int) -> int:
        """Steps in which each of `count` images is seen once."""
        return math.ceil(count / self.images_per_step)

    def check_count(self, count: int) -> None:
        """`ValueError` where so many images don't fill a single step."""
        message = f"batch_size is {self.batch_size}, but there are {count} images: lower it"
        if self.d_updates > 1:
            product = f"{self.images_per_step} images (batch_size {self.batch_size} × d_updates {self.d_updates})"
            message = f"a step takes {product}, but there are {count}: lower one of them"
        _require(count >= self.images_per_step, message)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all settings, in order."""
        return tuple(field.name for field in dataclasses.fields(cls))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """A Config from a mapping; `ValueError` names an unknown setting and the nearest known one.

        `recipe` in it names one of `RECIPES`, whose values come before `Config`'s defaults; all others still win.
        """
        values = _expanded(values)
        for name in values:
            if name not in cls.names():
                raise ValueError(f"unknown setting {name!r}{did_you_mean(name, cls.names())}")
        return cls(**values)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """A Config from a .yaml or .json file, or from a run's config.json, which has it under "config".

        Raises what `Config` and `read_yaml` raise; every message names the file.
        """
        values = read_yaml(path) or {}  # JSON is YAML
        if not isinstance(values, dict):
            raise ValueError(f"{path} holds no settings: write one `name: value` on a line")
        if values.keys() & {"grid", "runs"}:
            raise ValueError(f"{path} is a sweep, for python -m dcgan_lib.sweep: name a file of settings here")
        try:
            return cls.from_dict(values.get("config", values))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{path}: {error}") from error

    def replace(self, /, **settings: Any) -> Self:
        """The same Config with some settings changed, checked like a new one."""
        return self.from_dict(self.to_dict() | _expanded(settings))

    @classmethod
    def from_notebook(cls, namespace: dict[str, Any], also: tuple[str, ...] = ()) -> Self:
        """The Config that a notebook's parameters describe, from its `globals()`.

        `also` names the parameters that are none of Config's. papermill only warns of a parameter that the
        notebook doesn't have; here it is a `ValueError`, told from the cell that papermill injected. A `recipe` in that
        cell comes before the notebook's own values, and after the others in it.
        """
        known = (*cls.names(), "recipe", *also)
        passed = []
        for source in namespace.get("In", ()):
            if source.startswith("# Parameters\n"):
                for name in (line.split(" = ")[0] for line in source.splitlines() if " = " in line):
                    if name.isidentifier() and name not in known:
                        raise ValueError(f"papermill passed {name!r}, no parameter here{did_you_mean(name, known)}")
                    passed.append(name)
        values = {name: namespace[name] for name in cls.names() if name in namespace}
        chosen = {name: namespace[name] for name in passed if name in cls.names()}
        if "recipe" in passed:
            chosen = _expanded({"recipe": namespace["recipe"]} | chosen)
        return cls(**values | chosen)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain numbers and strings, for JSON, YAML, Neptune or a checkpoint."""
        return dataclasses.asdict(self)

    def save(self, path: str | Path) -> None:
        """Write .yaml or .json, by the path's suffix; `from_file` reads either back."""
        path = Path(path)
        as_yaml = path.suffix in {".yaml", ".yml"}
        text = yaml.safe_dump(self.to_dict(), sort_keys=False) if as_yaml else json.dumps(self.to_dict(), indent=2)
        path.write_text(text.rstrip() + "\n", encoding="utf-8")

    def differences(self, other: "Config") -> dict[str, tuple[Any, Any]]:
        """The settings in which two Configs differ: name → (this one's value, the other's)."""
        mine, theirs = self.to_dict(), other.to_dict()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


def _expanded(values: dict[str, Any]) -> dict[str, Any]:
    """The mapping with its recipe's values in the recipe's place; what else it holds wins."""
    if "recipe" not in values:
        return values
    _choose("recipe", values["recipe"], tuple(RECIPES))
    return RECIPES[values["recipe"]] | {name: value for name, value in values.items() if name != "recipe"}


def _as_type(name: str, value: Any, kind: type) -> Any:
    """Take an int for a float, and a float's text (YAML reads 2e-4 as text); refuse every other mismatch."""
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    if kind is str and isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise TypeError(f"{name} is {value!r}: it must be of type {kind.__name__}, not {type(value).__name__}")


def _choose(name: str, value: Any, choices: tuple) -> None:
    _require(value in choices, f"{name} is {value!r}: choose one of {', '.join(map(str, choices))}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
