"""Checks of notebook 1's exercises."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from dcgan_lib.data import ImageSet
from dcgan_lib.exercises import WrongAnswer, exercise
from dcgan_lib.images.grid import to_floats

SHOWN = ("Smiling", "Wearing_Lipstick")  # where the difference of the means is looked at; both are in CelebA too
MOST = 10_000  # images that are enough to see it


@exercise
def to_bytes(answer: Callable[[Tensor], Tensor]) -> str:
    """Whether the answer turns floats in [-1, 1] back into the bytes that they came from."""
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    for pixels in (every, every.reshape(2, 1, 8, 16).expand(2, 3, 8, 16)):
        back = answer(to_floats(pixels))
        if not isinstance(back, Tensor) or back.dtype != torch.uint8:
            what = f"a tensor of {back.dtype}" if isinstance(back, Tensor) else f"a {type(back).__name__}"
            raise WrongAnswer(f"it returns {what}: bytes are a tensor of torch.uint8")
        if back.shape != pixels.shape:
            raise WrongAnswer(f"images of {tuple(pixels.shape)} went in, {tuple(back.shape)} came out")
        lost = torch.unique(pixels[back != pixels])
        if len(lost):
            became = int(back[pixels == lost[0]][0])
            raise WrongAnswer(f"{len(lost)} of 256 values change: {_why_lost(pixels, back, int(lost[0]), became)}")
    return "all 256 values come back as they were"


def _why_lost(pixels: Tensor, back: Tensor, value: int, became: int) -> str:
    """What kind of loss this is, by an example."""
    apart = pixels.int() - back.int()
    if int(apart.abs().max()) == 1:
        return f"{value} becomes {became}, the neighbour; what happens to the part behind the decimal point?"
    if pixels[back != pixels].unique().tolist() == [255]:
        return f"255 becomes {became}: a byte ends at 255 and begins again at 0"
    if value == 0:
        return f"0, which is -1 as a float, becomes {became}"
    return f"the first is {value}, which becomes {became}"


@exercise
def mean_difference(answer: Callable[[np.ndarray, np.ndarray], np.ndarray], images: ImageSet) -> str:
    """Whether the answer is the mean of the images with label 1 minus that of those with -1; where it is largest."""
    random = np.random.default_rng(0)
    for shape in ((40, 3, 4, 6), (25, 1, 5, 5)):
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        _compare(answer, pixels, random.permutation(np.resize([1, -1, 0, -1, 1, 1], len(pixels))).astype(np.int8))
    found = [_largest(answer, images, name) for name in SHOWN if name in images.attribute_names]
    return "; ".join(found) or "right, but these images have no attributes to try it on"


def _compare(answer: Callable, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Raise `WrongAnswer` unless the answer is right for these images."""
    said = np.asarray(answer(pixels, labels))
    if said.shape != pixels.shape[1:]:
        raise WrongAnswer(f"for images of shape {pixels.shape} it returns shape {said.shape}, not {pixels.shape[1:]}")

    def mean(chosen: Sequence[bool]) -> np.ndarray:
        return pixels[chosen].mean(axis=0)

    right = mean(labels == 1) - mean(labels == -1)
    wrong = {
        "it is the wrong way round": -right,
        "it has lost its sign: some pixels get darker": abs(right),
        "images that the list says nothing of, with label 0, count as well": mean(labels == 1) - mean(labels != 1),
        "what is subtracted is the mean of all images, not of those without": mean(labels == 1) - mean(labels < 2),
        "these are differences of sums: the two groups are not of one size": pixels[labels == 1].sum(axis=0)
        - pixels[labels == -1].sum(axis=0, dtype=float),
    }
    if np.allclose(said, right, atol=0.01):
        return
    if said.dtype == np.uint8:
        raise WrongAnswer("it returns bytes, which hold nothing below 0 and nothing between two grey levels")
    for why, values in wrong.items():
        if np.allclose(said, values, atol=0.01):
            raise WrongAnswer(why)
    worst = abs(said - right).max()
    raise WrongAnswer(f"a pixel is off by {worst:.3g} grey levels on images made for this check")


def _largest(answer: Callable, images: ImageSet, name: str) -> str:
    """In which row of pixels the difference is largest for an attribute."""
    labels = images.attributes[:MOST, images.attribute_names.index(name)]
    difference = np.abs(answer(images.images[:MOST], labels))
    row = np.unravel_index(difference.argmax(), difference.shape)[1]
    return f"{name}: largest in row {row} of {difference.shape[1]}"
