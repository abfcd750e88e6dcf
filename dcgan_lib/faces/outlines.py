"""Where things lie in a portrait, as distance fields, and how light falls on what is round."""

import numpy as np

from .brushes import both, ellipse
from .portrait import Portrait


def dome(p: Portrait, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Light on a dome across which u and v run from -1 to 1: about -1 on its far side, 1 where it faces the light."""
    return (p.light_x * u + p.light_y * v) * 0.85 + 0.32 - 0.62 * (u * u + v * v)


def head_outline(p: Portrait, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the outline of the head; the jaw tapers towards the chin."""
    level = p.eye_y + 6  # where the head is widest
    dy = y - level
    taper = 1 - p.taper * (dy / (p.chin - level)).clip(0, 1) ** 2
    return ellipse((x - p.head_x) / taper, dy, p.face_width, level - p.top, p.chin - level, 2.2, 2.2, p.jaw)


def hair_outline(p: Portrait, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the outline of all the hair; waves and curls move it in and out."""
    dx = x - p.head_x
    if p.curl:
        dx = dx + p.curl * np.sin(y * p.curl_pitch + p.phase) * ((y - 70) / 60).clip(0, 1)
    d = ellipse(dx, y - 104, p.face_width + p.volume, 104 - p.top + p.lift, p.hair_end - 104, 2.1, 2.0, p.hair_square)
    if p.hat:
        d = both(d, hat_rim(p) - 2 - y)  # the hat presses it flat
    if p.style == "curly":
        d = d + 1.6 * np.sin(x * 0.42 + p.phase) + 1.6 * np.sin(y * 0.45 + 2 * p.phase)
    return d


def hat_rim(p: Portrait) -> float:
    return p.eye_y - p.brow_height - 9
