"""The painter's tools: soft-shaded shapes on a small canvas, with numpy alone.

A shape is a field of distances to its edge, in pixels, negative inside: one clip makes a smooth edge of it, a wider
one a soft shadow, and the maximum of two fields is what both cover. Fields are computed from a row of x and a column
of y, only in the rectangle that needs them: that is why a portrait takes milliseconds. Everything stays float32.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np

WHITE = (1.0, 1.0, 1.0)
DARK = (0.09, 0.06, 0.07)


@dataclass
class Patch:
    """A rectangle of the canvas."""

    pixels: np.ndarray  # (3, h, w), a view
    x: np.ndarray  # (1, w), of the pixels' centres
    y: np.ndarray  # (h, 1)

    def fill(self, alpha: np.ndarray, colour) -> None:
        """Lay `colour`, (3,) or (3, h, w), over the pixels as far as `alpha` (h, w) in [0, 1] covers them."""
        step = spread(colour) - self.pixels
        step *= alpha
        self.pixels += step


class Canvas:
    """float32 pixels (3, height, width), sRGB in [0, 1]; x runs to the right, y down."""

    def __init__(self, width: int, height: int):
        self.pixels = np.zeros((3, height, width), np.float32)
        self.x = np.arange(width, dtype=np.float32)[None, :] + 0.5
        self.y = np.arange(height, dtype=np.float32)[:, None] + 0.5

    def patch(self, left: float, right: float, top: float, bottom: float) -> Patch:
        """The rectangle of these bounds, as much of it as lies on the canvas."""
        rows, columns = slice(max(int(top), 0), int(bottom) + 1), slice(max(int(left), 0), int(right) + 1)
        return Patch(self.pixels[:, rows, columns], self.x[:, columns], self.y[rows])

    def around(self, x: float, y: float, rx: float, ry: float) -> Patch:
        return self.patch(x - rx, x + rx, y - ry, y + ry)

    def glow(self, x: float, y: float, rx: float, ry: float, colour, strength: float) -> None:
        """A soft spot of colour, Gaussian in both directions."""
        patch = self.around(x, y, 2.4 * rx, 2.4 * ry)
        row, column = np.exp(-(((patch.x - x) / rx) ** 2)), np.exp(-(((patch.y - y) / ry) ** 2))
        patch.fill(strength * column * row, colour)

    def stroke(self, x: float, y: float, half: float, curve, thick, colour, strength: float, soft: float) -> None:
        """A line over x ± half: `curve` and `thick` give its y offset and half-thickness at t from -1 to 1."""
        patch = self.around(x, y, half + 1, 14)
        t = (patch.x - x) / half
        d = both(np.abs(patch.y - y - curve(t)) - thick(t), (np.abs(t) - 1) * half)
        patch.fill(strength * edge(d, soft), colour)

    def image(self) -> np.ndarray:
        """uint8, shape (height, width, 3)."""
        return (self.pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)


def edge(d: np.ndarray, soft: float = 1.0) -> np.ndarray:
    """Coverage of a field of distances: 1 inside, 0 outside, blending over `soft` pixels."""
    return (0.5 - d / soft).clip(0, 1)


def smooth(d: np.ndarray, soft: float) -> np.ndarray:
    """As `edge`, without the kinks at both ends: for shadows."""
    t = edge(d, soft)
    return t * t * (3 - 2 * t)


def both(*fields: np.ndarray) -> np.ndarray:
    """The field of what lies inside all of them."""
    return reduce(np.maximum, fields)


def ellipse(x, y, rx: float, up: float, down: float | None = None, px=2.0, py_up=2.0, py_down=None) -> np.ndarray:
    """An egg about (0, 0): half-width `rx`, `up` and `down` tall; powers above 2 make it squarer.

    The distance is of first order, (s - 1) / |∇s| for s = |x/rx|^px + |y/ry|^py: right near the edge, where it is seen.
    """
    above = (y < 0).astype(np.float32)
    down, py_down = up if down is None else down, py_up if py_down is None else py_down
    height, power = down + (up - down) * above, py_down + (py_up - py_down) * above
    u, v = np.abs(x) / rx, np.abs(y) / height
    u1, v1 = u ** (px - 1), v ** (power - 1)
    slope = (px * u1 / rx) ** 2 + (power * v1 / height) ** 2
    return (u1 * u + v1 * v - 1) / np.sqrt(slope + 1e-6)


def circle(x, y, radius: float) -> np.ndarray:
    return np.sqrt(x * x + y * y) - radius


def spread(colour) -> np.ndarray:
    """A colour (3,) as (3, 1, 1), to go over a patch; (3, h, w) as it is."""
    colour = np.asarray(colour, np.float32)
    return colour[:, None, None] if colour.ndim == 1 else colour


def mix(a, b, t: float) -> np.ndarray:
    return np.asarray(a, np.float32) * (1 - t) + np.asarray(b, np.float32) * t


def dark(colour, warm: float = 0.0) -> np.ndarray:
    """A colour in shadow; `warm`, from 0 to 1, reddens it, as blood does under skin."""
    return np.asarray(colour, np.float32) * np.float32([0.60 + 0.08 * warm, 0.56 - 0.04 * warm, 0.60 - 0.06 * warm])


def bright(colour) -> np.ndarray:
    """A colour in full light."""
    return mix(colour, (1.0, 0.97, 0.90), 0.42)


def shaded(colour, light: np.ndarray, warm: float = 0.0) -> np.ndarray:
    """A colour under `light` (h, w) from -1 (in shadow) over 0 (plain) to 1 (in full light): (3, h, w)."""
    base = spread(colour)
    high, low = spread(bright(colour)) - base, spread(dark(colour, warm)) - base
    return base + light.clip(0, 1) * high + (-light).clip(0, 1) * low
