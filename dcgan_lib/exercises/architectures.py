"""Checks of notebook 2's exercises."""

from collections.abc import Callable
from itertools import pairwise
from numbers import Real

import torch
from torch import nn

from dcgan_lib.exercises import WrongAnswer, exercise
from dcgan_lib.models.dcgan import Discriminator, Generator, block_widths

SIZES = {64: 64, 32: 16, 16: 8, 128: 64, 256: 24}  # image sizes, and a width to try at each


@exercise
def params_G(answer: Callable[[int, int], int]) -> str:
    """Whether the answer counts a generator's weights, at five sizes; z has 100 numbers, an image 3 colours."""
    for size, width in SIZES.items():
        with torch.device("meta"):  # shapes without memory
            right = sum(p.numel() for p in Generator(size, width=width).parameters())
        said = answer(size, width)
        if isinstance(said, bool) or not isinstance(said, Real):
            raise WrongAnswer(f"it returns a {type(said).__name__}: the answer is a number")
        if said != right:
            raise WrongAnswer(f"size {size}, width {width}: {said:,} is {_why_miscounted(said, right, size, width)}")
    return f"as many as the library's networks have, at {', '.join(map(str, sorted(SIZES)))} pixels"


def _why_miscounted(said: float, right: int, size: int, width: int) -> str:
    """What was left out or counted too often, where that can be told."""
    widths = block_widths(size, width)
    if said == right - 2 * sum(widths):
        return "the kernels alone: BatchNorm learns something too"
    if said == right - sum(widths):
        return "too few: BatchNorm learns more than its scale"
    if said == right + sum(widths) + 3:
        return "too many: the convolutions have no biases"
    if said == right + 2 * 3:
        return "too many: one layer has no BatchNorm behind it"
    uncapped = [100, *(width * 2**i for i in reversed(range(len(widths)))), 3]
    if said == 16 * sum(a * b for a, b in pairwise(uncapped)) + 2 * sum(uncapped[1:-1]):
        return "too many: blocks get no wider than eight times the width"
    return "too many" if said > right else "too few"


@exercise
def sees(answer: Callable[[int], int]) -> str:
    """Whether the answer is the side of what one unit of D's block sees, as autograd finds it for six blocks."""
    reached = _reached()
    for block, right in enumerate(reached, start=1):
        said = answer(block)
        if said != right:
            raise WrongAnswer(f"block {block}: {said} is {_why_missed(said, right, block)}")
    return f"blocks 1 to {len(reached)} see {', '.join(map(str, reached))} pixels a side, as autograd finds"


def _why_missed(said: int, right: int, block: int) -> str:
    """What was overlooked, where that can be told."""
    if said == 2 ** (block + 1):
        return "too few: the views of neighbouring units lie closer together than each is wide, and reach out further"
    if said == 3 * block + 1:
        return "too few: that would be so with stride 1"
    if said == 4**block:
        return "too many: that would be so if the views of neighbouring units did not overlap"
    return "too many" if said > right else "too few"


def _reached() -> list[int]:
    """Pixels a side that a gradient from one unit of each block reaches, in a discriminator for 256 pixels."""
    D = Discriminator(256, channels=1, width=1).double().eval()  # in train mode BatchNorm would mix in all pixels
    image = torch.full((1, 1, 256, 256), 0.1, dtype=torch.double, requires_grad=True)
    x, sides = image, []
    for layer in D.main:
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            middle = x.shape[-1] // 2 - 1
            [gradient] = torch.autograd.grad(x[0, :, middle, middle].sum(), image, retain_graph=True)
            sides.append(int((gradient[0, 0] != 0).any(0).sum()))
    return sides
