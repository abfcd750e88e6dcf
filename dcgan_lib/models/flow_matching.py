"""Flow matching: a velocity that carries noise to images (Lipman et al. 2023; rectified flow, Liu et al. 2023)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FlowMatching(nn.Module):
    """Noise moves along a velocity and arrives as data; the velocity is learnt on straight lines between the two.

    `velocity(x, t)`: any network or function of x (N, *shape) and times t (N, 1, …) from 0, noise, to 1, data; it
    returns (N, *shape). Noise is standard normal.
    """

    def __init__(self, velocity: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.velocity, self.shape = velocity, tuple(shape)

    def loss(self, data: Tensor, random: torch.Generator | None = None) -> Tensor:
        """Mean square of what the velocity misses of data − noise, at a random time on the line between: a scalar.

        Least where the velocity is the mean of data − noise over all lines through a place, which carries noise to the
        data's distribution (Lipman et al. 2023, section 3.2; Liu et al. 2023, theorem 3.3).
        """
        self._check(data)
        noise = torch.randn(data.shape, generator=random)
        t = torch.rand(self._times(data).shape, generator=random)
        return (self.velocity((1 - t) * noise + t * data, t) - (data - noise)).square().mean()

    @torch.no_grad()
    def way(self, x: Tensor, steps: int = 50) -> Tensor:
        """Where noise x goes in so many equal steps along the velocity (Euler's method): (steps + 1, N, *shape)."""
        self._check(x, steps)
        places = [x]
        for step in range(steps):
            x = x + self.velocity(x, torch.full_like(self._times(x), step / steps)) / steps
            places.append(x)
        return torch.stack(places)

    def sample(self, count: int, steps: int = 50, random: torch.Generator | None = None) -> Tensor:
        """Draw (count, *shape): where random noise ends after so many passes of the network."""
        return self.way(torch.randn(count, *self.shape, generator=random), steps)[-1]

    def log_likelihood(self, data: Tensor, steps: int = 100, random: torch.Generator | None = None) -> Tensor:
        """log p of data in nats: (N,), that of the noise it came from, less how much the flow spread out on the way.

        Back in `steps` equal steps of the midpoint method. Along the way d log p / dt = −div velocity (Chen et al.
        2018); the divergence is estimated as e · ∂(velocity · e)/∂x with random signs e, right on average (Hutchinson;
        Grathwohl et al. 2019).
        """
        self._check(data, steps)
        x, spread, h = data, torch.zeros(len(data)), 1 / steps
        for step in range(steps):
            t = torch.full_like(self._times(x), 1 - step * h)
            with torch.no_grad():
                middle = x - h / 2 * self.velocity(x, t)
            signs = torch.randint(2, x.shape, generator=random) * 2.0 - 1
            with torch.enable_grad():
                middle.requires_grad_()
                velocity = self.velocity(middle, t - h / 2)
                (slopes,) = torch.autograd.grad((velocity * signs).sum(), middle)
            x = x - h * velocity.detach()
            spread += h * (slopes * signs).flatten(1).sum(1)
        return -(x.square() / 2 + math.log(2 * math.pi) / 2).flatten(1).sum(1) - spread

    def _check(self, x: Tensor, steps: int = 1) -> None:
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(f"one of the batch has shape {tuple(x.shape[1:])}: this flow carries {self.shape}")
        if steps < 1:
            raise ValueError(f"steps is {steps}: the way between noise and data takes at least one")

    @staticmethod
    def _times(x: Tensor) -> Tensor:
        """Room for a time each: (N, 1, …), of as many dimensions as x."""
        return x.new_zeros(len(x), *[1] * (x.ndim - 1))


class VelocityNet(nn.Module):
    """A velocity for images (N, channels, size, size) in [-1, 1] and times (N, 1, 1, 1): a small U-Net.

    Untrained it is the exact velocity to images of independent normal values, mean 0 and deviation `deviation`. It
    learns the rest, on a scale on which that is as large at all times (as in Karras et al. 2022, section 5).
    `size` is a multiple of 8, `width` too.
    """

    def __init__(self, size: int = 32, channels: int = 3, width: int = 32, deviation: float = 0.5) -> None:
        super().__init__()
        self.deviation = deviation
        a, b, c = width, 2 * width, 4 * width
        inside = c * (size // 8) ** 2
        self.clock = nn.Sequential(nn.Linear(1, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.down = nn.ModuleList(nn.Conv2d(*maps, 4, stride=2, padding=1) for maps in ((channels, a), (a, b), (b, c)))
        self.before = nn.ModuleList(map(_TimedConv, (a, b, c)))
        self.whole = nn.Sequential(  # every place with every other
            nn.Flatten(), nn.LayerNorm(inside), nn.Linear(inside, 8 * width), nn.SiLU(), nn.Linear(8 * width, inside)
        )
        self.after = nn.ModuleList(map(_TimedConv, (c, b, a)))
        ups = (c, b), (b, a), (a, channels)
        self.up = nn.ModuleList(nn.ConvTranspose2d(*maps, 4, stride=2, padding=1) for maps in ups)
        nn.init.zeros_(self.up[-1].weight)
        nn.init.zeros_(self.up[-1].bias)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        moment, h, seen = self.clock(2 * t.flatten(1) - 1), x, []
        for halve, look in zip(self.down, self.before, strict=True):
            h = look(halve(h), moment)
            seen.append(h)
        h = self.whole(h).view_as(h)
        for look, enlarge, detail in zip(self.after, self.up, reversed(seen), strict=True):
            h = enlarge(look(h + detail, moment))
        spread = (1 - t).square() + (t * self.deviation).square()  # of a value at time t, were they all independent
        alone = (t * self.deviation**2 - (1 - t)) / spread * x
        return alone + self.deviation * spread.rsqrt() * h


class _TimedConv(nn.Module):
    """A convolution that is added to what it sees; the time sets scale and shift of its normalised input."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, maps, affine=False)
        self.set = nn.Linear(64, 2 * maps)
        self.conv = nn.Conv2d(maps, maps, 3, padding=1)

    def forward(self, x: Tensor, moment: Tensor) -> Tensor:
        scale, shift = self.set(moment)[:, :, None, None].chunk(2, dim=1)
        return x + self.conv(F.silu(self.norm(x) * (1 + scale) + shift))
