"""Checks of notebook 4's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor

from dcgan_lib.exercises import WrongAnswer, exercise
from dcgan_lib.gan import GAN
from dcgan_lib.quality.attribute_classifier import AttributeClassifier
from dcgan_lib.quality.evaluate import Evaluator

LENGTH = 4.0  # of the step along the direction; z itself has a length near 10


@exercise
def smile_direction(answer: Callable[[Tensor], Tensor], gan: GAN, classifier: AttributeClassifier | None) -> str:
    """Whether faces moved along the direction smile more often, and more so than along a random one."""
    if classifier is None or "Smiling" not in classifier.attributes:
        raise WrongAnswer("these images have no attribute Smiling: try it on the course's own portraits")
    random = torch.Generator().manual_seed(5)
    direction = answer(gan.noise(2000, random))
    if not isinstance(direction, Tensor) or direction.shape != (gan.config.latent_dim,):
        shape = tuple(direction.shape) if isinstance(direction, Tensor) else type(direction).__name__
        raise WrongAnswer(f"it returns {shape}: one vector of {gan.config.latent_dim} numbers is wanted")
    if not torch.isfinite(direction).all() or direction.norm() == 0:
        raise WrongAnswer("the direction is not a number, or zero: has any face of each kind been found?")
    z = gan.noise(500, random)
    ways = torch.stack([torch.zeros_like(direction), direction, torch.randn(len(direction), generator=random)])
    ways = LENGTH * ways / ways.norm(dim=1, keepdim=True).clamp_min(1e-9)
    column = classifier.attributes.index("Smiling")
    moved = [classifier.read(gan.sample(z + way))[1][:, column] for way in ways]
    before, after, by_chance = (smiles.float().mean().item() for smiles in moved)
    told = f"smiles: {before:.0%} before, {after:.0%} along your direction, {by_chance:.0%} along a random one"
    if after < before:
        raise WrongAnswer(f"{told}: it takes smiles away")
    if after - before < 0.1 or after - before < 2 * (by_chance - before):
        raise WrongAnswer(f"{told}: that is no direction of smiles")
    return told


@exercise
def copies(answer: Callable[[], Tensor], evaluator: Evaluator) -> str:
    """Whether the fakes are eight training images, as `copying` sees it."""
    fakes = answer()
    if not isinstance(fakes, Tensor) or fakes.shape != (200, *evaluator.training.shape[1:]):
        shape = tuple(fakes.shape) if isinstance(fakes, Tensor) else type(fakes).__name__
        raise WrongAnswer(f"it returns {shape}: 200 images of {tuple(evaluator.training.shape[1:])} are wanted")
    if (different := len(fakes.flatten(1).unique(dim=0))) != 8:
        raise WrongAnswer(f"there are {different} different images among them, not 8")
    scores = evaluator.compare(fakes)
    if "copying" not in scores:
        raise WrongAnswer("this run has held no images out, so `copying` can't be measured: set hold_out")
    if scores["copying"] > 0.1:
        raise WrongAnswer(f"copying is {scores['copying']:.2f}: these are not images that the run was trained on")
    return f"copying {scores['copying']:.2f}, swd {scores['swd']:.0f}, diversity {scores['diversity']:.2f}"
