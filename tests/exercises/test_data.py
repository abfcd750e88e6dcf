"""Notebook 1's exercises: right answers pass, typical wrong ones are told what is wrong with them."""

import re

import numpy as np
import pytest

from dcgan_lib.data import ImageSet
from dcgan_lib.exercises import data as check


def image_set(names):
    """Sixty grey images, black but for row 5, which is white where the first attribute is true."""
    labels = np.resize([1, -1, -1, 0], (60, 1)).repeat(len(names), axis=1).astype(np.int8)
    pixels = np.zeros((60, 1, 8, 8), np.uint8)
    pixels[labels[:, :1].ravel() == 1, 0, 5] = 255
    return ImageSet(pixels, [""] * 60, names, labels, np.zeros(60), [], "", "")


def test_bytes_that_are_rounded_come_back():
    assert check.to_bytes(lambda images: ((images + 1) * 127.5).round().byte())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x: ((x + 1) * 127.5).byte(), "63 of 256 values change: .* decimal point"),
        (lambda x: ((x + 1) * 128).byte(), "1 of 256 values change: 255 becomes 0"),
        (lambda x: (x * 127.5).round().byte(), "values change: 0, which is -1 as a float, becomes"),
        (lambda x: (x + 1) * 127.5, "a tensor of torch.float32"),
        (lambda x: ((x + 1) * 127.5).round().byte().numpy(), "a ndarray"),
        (lambda x: ((x + 1) * 127.5).round().byte().permute(0, 2, 3, 1), "went in"),
        (lambda x: ((x + 1) * 127.5).round().byte()[:1], r"\(2, 3, 8, 16\) went in, \(1, 3, 8, 16\) came out"),
    ],
)
def test_bytes_that_change_are_told_how(answer, says):
    verdict = check.to_bytes(answer)
    assert not verdict
    assert re.search(says, verdict.says)


def mean(pixels, chosen):
    return pixels[chosen].mean(axis=0)


def test_the_difference_of_means_says_where_it_is_largest():
    def right(pixels, labels):
        return mean(pixels, labels == 1) - mean(pixels, labels == -1)

    verdict = check.mean_difference(right, image_set(["Young", "Smiling"]))
    assert verdict
    assert verdict.says == "Smiling: largest in row 5 of 8"
    assert check.mean_difference(right, image_set([])).says.startswith("right, but these images have no attributes")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x, y: mean(x, y == -1) - mean(x, y == 1), "wrong way round"),
        (lambda x, y: abs(mean(x, y == 1) - mean(x, y == -1)), "lost its sign"),
        (lambda x, y: mean(x, y == 1) - mean(x, y != 1), "label 0, count as well"),
        (lambda x, y: mean(x, y == 1) - x.mean(axis=0), "mean of all images"),
        (lambda x, y: x[y == 1].sum(axis=0) - x[y == -1].sum(axis=0, dtype=float), "sums"),
        (lambda x, y: x[y == 1].mean() - x[y == -1].mean(), "returns shape ()"),
        (lambda x, y: mean(x, y == 1).astype(np.uint8) - mean(x, y == -1).astype(np.uint8), "returns bytes"),
        (lambda x, y: (mean(x, y == 1) - mean(x, y == -1)) / 127.5, "grey levels"),
    ],
)
def test_another_difference_is_told_what_it_is(answer, says):
    verdict = check.mean_difference(answer, image_set(["Smiling"]))
    assert not verdict
    assert says in verdict.says
