"""The source of chance that a run draws from: its own, or one that several ranks share."""

from collections.abc import Callable

import torch
from torch import Tensor


class Stream(torch.Generator):
    """A run's own source of chance; where several ranks train, all have the same, and each takes every so-many-th draw.

    So what an image gets doesn't depend on how many ranks there are. `place`: this rank's number, and their count.
    """

    place = (0, 1)


def drawn(draw: Callable, count: int, *shape: int, random: torch.Generator | None, device: torch.device) -> Tensor:
    """(count, *shape) numbers by `torch.rand` or `torch.randn`: the next of a source, of a `Stream` this rank's."""
    rank, ranks = getattr(random, "place", (0, 1))
    return draw(count * ranks, *shape, generator=random, device=device)[rank::ranks]
