"""Checks of notebook 1's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor

from dcgan_lib.exercises import WrongAnswer, exercise
from dcgan_lib.images.grid import to_floats


@exercise
def to_bytes(answer: Callable[[Tensor], Tensor]) -> str:
    """Whether the answer turns floats in [-1, 1] back into the bytes that they came from."""
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    back = answer(to_floats(every))
    if not isinstance(back, Tensor) or back.dtype != torch.uint8:
        what = f"a tensor of {back.dtype}" if isinstance(back, Tensor) else f"a {type(back).__name__}"
        raise WrongAnswer(f"it returns {what}: bytes are a tensor of torch.uint8")
    if back.shape != every.shape:
        raise WrongAnswer(f"images of {tuple(every.shape)} went in, {tuple(back.shape)} came out")
    lost = every[back != every]
    if len(lost):
        becomes = back.flatten()[int(lost[0])]
        raise WrongAnswer(f"{len(lost)} of 256 values change; the first is {lost[0]}, which becomes {becomes}")
    return "all 256 values come back as they were"
