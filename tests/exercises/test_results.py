"""Notebook 4's exercises: right answers pass, typical wrong ones are named."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.pictures import picture

from dcgan_lib.data import ImageSet
from dcgan_lib.exercises import results
from dcgan_lib.quality.evaluate import Evaluator


class Gan:
    """Its 'faces' are its z, and smile where the first number is above 1."""

    config = SimpleNamespace(latent_dim=10)

    def noise(self, count, random):
        return torch.randn(count, 10, generator=random)

    def sample(self, z):
        return z


class Classifier:
    attributes = ("Young", "Smiling")

    def read(self, faces):
        return faces, torch.stack([faces[:, 1] > 0, faces[:, 0] > 1], dim=1)


def from_means(z):
    smiles = z[:, 0] > 1
    return z[smiles].mean(0) - z[~smiles].mean(0)


def test_a_direction_of_smiles():
    verdict = results.smile_direction(from_means, Gan(), Classifier())
    assert verdict
    assert verdict.says.startswith("smiles: 16% before")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda z: ..., "not answered yet"),
        (lambda z: z, "it returns (2000, 10): one vector of 10 numbers"),
        (lambda z: -from_means(z), "it takes smiles away"),
        (lambda z: torch.eye(10)[1], "that is no direction of smiles"),
        (lambda z: z[:0].mean(0), "not a number"),
    ],
)
def test_no_direction_of_smiles(answer, says):
    verdict = results.smile_direction(answer, Gan(), Classifier())
    assert not verdict
    assert says in verdict.says


def test_images_without_attributes_have_no_such_direction():
    assert "no attribute Smiling" in results.smile_direction(from_means, Gan(), None).says


@pytest.fixture(scope="module")
def evaluator():
    pixels = np.stack([picture(16, 16, seed=seed).transpose(2, 0, 1) for seed in range(80)])
    random = np.random.default_rng(0).integers(0, 256, pixels.shape)
    noisy = ((pixels + random) / 2).astype(np.uint8)  # so that each has a nearest neighbour of its own
    names, nothing = [str(i) for i in range(80)], np.empty((80, 0), np.int8)
    images = ImageSet(noisy, names, [], nothing, np.full(80, -1, np.int8), [], "of eighty", "memory")
    return Evaluator(images, hold_out=True)


def test_eight_training_images_again_and_again(evaluator):
    verdict = results.copies(lambda: evaluator.training[:8].repeat(25, 1, 1, 1), evaluator)
    assert verdict, verdict
    assert verdict.says.startswith("copying 0.00")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda e: e.training[:8], "it returns (8, 3, 16, 16): 200 images of (3, 16, 16)"),
        (lambda e: e.training[:10].repeat(20, 1, 1, 1), "10 different images among them, not 8"),
        (lambda e: e.real[:8].repeat(25, 1, 1, 1), "not images that the run was trained on"),
    ],
)
def test_other_images(evaluator, answer, says):
    verdict = results.copies(lambda: answer(evaluator), evaluator)
    assert not verdict
    assert says in verdict.says
