"""Points around a few centres, of which all that flow matching may learn is known in closed form."""

import math

import torch
from torch import Tensor, nn


class NormalMixture:
    """Points that are normal around centres (K, d) with one standard deviation, as many around each."""

    def __init__(self, centres: Tensor, deviation: float) -> None:
        self.centres, self.deviation = centres, deviation

    @classmethod
    def ring(cls, groups: int = 8, radius: float = 2.0, deviation: float = 0.1) -> "NormalMixture":
        """Centres in the plane, evenly on a circle around 0: notebook 0's."""
        angles = torch.arange(groups) * 2 * math.pi / groups
        return cls(radius * torch.stack([angles.cos(), angles.sin()], dim=1), deviation)

    def sample(self, count: int, random: torch.Generator | None = None) -> Tensor:
        """Draw (count, d)."""
        near = self.centres[torch.randint(len(self.centres), (count,), generator=random)]
        return near + self.deviation * torch.randn(near.shape, generator=random)

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) in nats: (N,)."""
        count, d = self.centres.shape
        exponents = -(x[:, None] - self.centres).square().sum(2) / (2 * self.deviation**2)
        return exponents.logsumexp(1) - math.log(count) - d / 2 * math.log(2 * math.pi * self.deviation**2)

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """The mean of point − noise over all straight lines from standard normal noise to a point that are at x at t.

        x: (N, d); t: (N, 1), from 0, noise, to 1, points. What flow matching learns, exactly: at time t the lines to
        one centre are normal around t · centre; each centre counts by its probability at x.
        """
        variance = (1 - t).square() + (t * self.deviation).square()
        gaps = x[:, None] - t[:, None] * self.centres
        centre = (-gaps.square().sum(2) / (2 * variance)).softmax(1) @ self.centres
        return centre + (t * self.deviation**2 - (1 - t)) / variance * (x - t * centre)


class PointVelocity(nn.Module):
    """A velocity for points (N, d) and times (N, 1): a small network of dense layers."""

    def __init__(self, d: int = 2, width: int = 128) -> None:
        super().__init__()
        hidden = nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        self.main = nn.Sequential(nn.Linear(d + 1, width), *hidden, nn.Linear(width, d))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.main(torch.cat([x, t], dim=1))
