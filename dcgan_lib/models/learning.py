"""The plain training loop of a model that has a loss of its own, and no opponent."""

import time
from collections.abc import Callable, Iterable, MutableMapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn


def minimise(
    model: nn.Module,
    loss: Callable[[np.ndarray], Sequence[Tensor]],
    steps: int,
    rate: float,
    end: float = 1.0,
    *,
    rows: np.ndarray,
    batch_size: int = 64,
    seed: int = 0,
    progress: Callable[..., Iterable[int]] = lambda work, desc: work,
    seconds: MutableMapping[str, float] | None = None,
) -> np.ndarray:
    """Train with Adam; returns the curves of what `loss` returned, (numbers, steps): the first number is minimised.

    `loss` gets `batch_size` of the rows each time, and returns scalars. The rate goes in a straight line to `end` times
    itself. `seconds` gets how long it took, under the name of the model's class. The model is left in eval mode, its
    weights held fast.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1, end, steps)
    order, curves, began = np.random.default_rng(seed), [], time.perf_counter()
    for _ in progress(range(steps), desc=type(model).__name__):
        numbers = loss(order.choice(rows, batch_size))
        optimizer.zero_grad()
        numbers[0].backward()
        optimizer.step()
        slower.step()
        curves.append([number.item() for number in numbers])
    if seconds is not None:
        seconds[type(model).__name__] = time.perf_counter() - began
    model.eval().requires_grad_(False)
    return np.array(curves).T
