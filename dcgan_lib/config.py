"""Every setting of a run in one frozen, checked record; its defaults are the DCGAN tutorial's."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from dcgan_lib.settings import RETIRED, did_you_mean, expand_recipe, modernise, notebook_parameters, read_yaml

FACES = "data/faces"  # where the course's own portraits are painted
IMAGE_SIZES = (16, 32, 64, 128, 256)
UNLABELLED = ("hinge", "wasserstein", "relativistic")  # objectives without labels that could be smoothed

#: Fields that say how a run is reported, or how long it goes on: weights don't depend on them, unless rates fall. Not
#: `sample_count`: a run keeps its fixed noise, so that its grids show the same faces from first to last.
REPORTING = frozenset({"epochs", "sample_every", "log_every", "checkpoint_every", "evaluate_every"})

#: Fields that say where the steps are computed: they change the weights by rounding alone.
COMPUTING = frozenset({"device", "cuda_graphs"})

CHOICES: dict[str, tuple] = {
    "image_size": IMAGE_SIZES,
    "channels": (1, 3),
    "architecture": ("dcgan", "minimal"),
    "minimal_kernel": (3, 5, 7),
    "noise": ("normal", "uniform"),
    "schedule": ("constant", "cosine"),
    "upsampling": ("transposed", "nearest"),
    "discriminator_norm": ("batch", "none"),
    "objective": ("non-saturating", "saturating", "least-squares", *UNLABELLED),  # `losses.OBJECTIVES`
    "precision": ("fp32", "bf16", "auto"),
}

_COUNTS = ("latent_dim", "generator_width", "discriminator_width", "epochs", "d_updates", "g_updates", "sample_count")
_EVERY = ("sample_every", "log_every", "checkpoint_every", "penalty_every")

#: What a number must be: a test, and its words.
RANGES = {
    **dict.fromkeys(_COUNTS, (lambda x: x >= 1, "at least 1")),
    **dict.fromkeys(_EVERY, (lambda x: x >= 1, "at least 1: it counts steps")),
    **dict.fromkeys(("max_images", "average_half_life", "evaluate_every"), (lambda x: x >= 0, "0 or more")),
    "seed": (lambda x: 0 <= x < 2**63, "0 or more, and below 2**63"),
    "batch_size": (lambda x: x >= 2, "at least 2, since BatchNorm needs several images"),
    **dict.fromkeys(("learning_rate_d", "learning_rate_g"), (lambda x: 0 < x < math.inf, "above 0; 0.0002 is usual")),
    **dict.fromkeys(("beta1", "beta2"), (lambda x: 0 <= x < 1, "in [0, 1)")),
    "label_smoothing": (lambda x: 0 <= x < 0.5, "in [0, 0.5); 0.1 is usual"),
    "discriminator_slope": (lambda x: 0 <= x <= 1, "in [0, 1]; 0.2 is usual"),
    **dict.fromkeys(
        ("r1_weight", "r2_weight", "gradient_penalty"), (lambda x: 0 <= x < math.inf, "0 (none) or more; 10 is usual")
    ),
}


@dataclass(frozen=True)
class Config:
    """One run's settings, checked when it is made.

    Raises `ValueError` with one line (what, which value, what to do) for a value out of range, `TypeError` for one of
    the wrong type. The defaults are the PyTorch tutorial's. Batches of 128, Adam's rate and beta1, the slope and the
    deviation of the first weights are in the paper (Radford et al. 2016, section 4). Normal z, width 64 and kernels of
    4 are from one author's later code: the paper has uniform z, twice this width (figure 1) and kernels of 5.
    """

    # Data
    data: str = FACES  # a zip, or a folder of images of any depth
    image_size: int = 64  # pixels a side: 16, 32, 64, 128 or 256
    channels: int = 3  # 3 for colour, 1 for grey
    max_images: int = 0  # use so many images, the first by name, of several folders a sample; 0: all
    flip: bool = False  # mirror each image left to right with probability 1/2
    hold_out: bool = False  # leave the test split out of training, to judge the faces by images that are new to D

    # Networks
    architecture: str = "dcgan"  # or "minimal": the small encoder-decoder GAN, for 64 pixels
    latent_dim: int = 100  # length of z, the generator's input (nz)
    noise: str = "normal"  # what z is drawn from: "normal", or "uniform" in [-1, 1]
    generator_width: int = 64  # feature maps in the generator's last hidden block (ngf); the minimal article has 16
    upsampling: str = "transposed"  # how G doubles the side: or "nearest" neighbours and a 3×3 convolution, at no cost
    discriminator_width: int = 64  # feature maps in the discriminator's first block (ndf); the minimal article has 16
    minimal_kernel: int = 5  # side of the minimal architecture's kernels: 3, 5 or 7 (DCGAN's is 4)
    discriminator_norm: str = "batch"  # "batch", or "none": no BatchNorm in D
    discriminator_slope: float = 0.2  # of D's LeakyReLU below zero; 0 makes it a ReLU
    spectral_norm: bool = False  # divide each of D's weights by its largest singular value

    # Training
    start_from: str = ""  # a run, a checkpoint or a pretrained folder: training begins with its weights; "": drawn
    batch_size: int = 128  # images an update of D
    epochs: int = 5  # passes over the images
    learning_rate_d: float = 2e-4  # Adam's, for the discriminator
    learning_rate_g: float = 2e-4  # Adam's, for the generator
    schedule: str = "constant"  # of both rates; "cosine" lets them fall to 0 until the run's last step
    beta1: float = 0.5  # Adam's decay of the mean gradient, for both
    beta2: float = 0.999  # Adam's decay of the mean squared gradient, for both
    d_updates: int = 1  # updates of D a step, each on its own images
    g_updates: int = 1  # updates of G a step
    objective: str = "non-saturating"  # what the two play for; `CHOICES` has the others
    label_smoothing: float = 0.0  # D is told 1 - this for real images (one-sided: fakes stay at 0)
    r1_weight: float = 0.0  # gamma of the penalty on D's gradients at real images; 0: none, 1 to 10 is usual
    r2_weight: float = 0.0  # the same at fakes; with "relativistic" and no BatchNorm in D, both make R3GAN's game
    gradient_penalty: float = 0.0  # weight of the penalty that holds D's slope between real and fake to 1; 10 is usual
    penalty_every: int = 1  # steps from one with penalties to the next, where they weigh as many times as much
    augment: bool = False  # DiffAugment: shift, recolour and cut all that D sees, so that few images last longer
    average_half_life: int = 0  # images after which a weight counts half in the averaged generator; 0: none
    precision: str = "fp32"  # "fp32", "bf16", or "auto": bf16 on a GPU that has it, on a CPU where it is quicker
    device: str = "auto"  # "auto", "cpu", "cuda", "cuda:1", "mps"
    cuda_graphs: bool = True  # on a CUDA GPU, replay the step as a graph: several times as fast
    seed: int = 999  # of the weights, the order of the images, and all noise

    # Reports
    sample_count: int = 64  # images in the grid drawn from fixed noise
    sample_every: int = 500  # steps between grids
    log_every: int = 50  # steps between lines of statistics
    checkpoint_every: int = 500  # steps between checkpoints
    evaluate_every: int = 0  # steps between measurements of quality; 0: none

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _as_type(field.name, getattr(self, field.name), field.type))
        _require(self.data != "", "data is empty: give a zip or a folder of images")
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            _require(value in choices, f"{name} is {value!r}: choose one of {', '.join(map(str, choices))}")
        for name, (holds, words) in RANGES.items():
            value = getattr(self, name)
            _require(holds(value), f"{name} is {value}: it must be {words}")
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.architecture == "minimal":
            _require(self.image_size == 64, f"image_size is {self.image_size}: the minimal architecture is made for 64")
            for name in ("upsampling", "discriminator_norm", "discriminator_slope", "spectral_norm"):
                value, only = getattr(self, name), getattr(type(self), name)
                message = f"{name} is {value!r}, but the minimal architecture has no such choice: leave it out"
                _require(value == only, message)
            _require(
                self.objective != "wasserstein" and not self.gradient_penalty,
                "a critic must have no BatchNorm, and the minimal architecture has: choose another objective",
            )
        _require(
            not (self.gradient_penalty and self.discriminator_norm == "batch"),
            f"gradient_penalty is {self.gradient_penalty}, but it is about single images, and BatchNorm mixes those of "
            "a batch: set discriminator_norm to none",
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

        `recipe` in it names one of `settings.RECIPES`: its values come before `Config`'s defaults, all others win.
        What earlier versions have saved is understood.
        """
        values = modernise(expand_recipe(values))
        for name in values:
            if name in RETIRED:
                raise ValueError(f"{name} is {values[name]!r}, but it is no setting any more: {RETIRED[name][1]}")
            if name not in cls.names():
                raise ValueError(f"unknown setting {name!r}{did_you_mean(name, cls.names())}")
        return cls(**values)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """A Config from a .yaml or .json file, or from a run's config.json, which has it under "config".

        Raises what `Config` and `read_yaml` raise; every message names the file.
        """
        values = read_yaml(path) or {}  # JSON is YAML
        values = values.get("config", values) if isinstance(values, dict) else values
        if not isinstance(values, dict):
            raise ValueError(f"{path} holds no settings: write one `name: value` on a line")
        if values.keys() & {"grid", "runs"}:
            raise ValueError(f"{path} is a sweep: train it with `dcgan sweep`, or name a file of settings here")
        try:
            return cls.from_dict(values)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{path}: {error}") from error

    @classmethod
    def from_notebook(cls, namespace: dict[str, Any], also: tuple[str, ...] = ()) -> Self:
        """The Config that a notebook's parameters describe, from its `globals()`; `settings.notebook_parameters`.

        `also` names the parameters that are not settings. Raises `ValueError` for one that is neither.
        """
        return cls(**notebook_parameters(namespace, cls.names(), also))

    def replace(self, /, **settings: Any) -> Self:
        """The same Config with some settings changed, checked like a new one."""
        return self.from_dict(self.to_dict() | expand_recipe(settings))

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


def _as_type(name: str, value: Any, kind: type) -> Any:
    """Take an int for a float, and a float's text (YAML reads 2e-4 as text); refuse every other mismatch."""
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    if kind is str and isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise TypeError(f"{name} is {value!r}: it must be of type {kind.__name__}, not {type(value).__name__}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
