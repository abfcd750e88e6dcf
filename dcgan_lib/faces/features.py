"""How the features of a face are painted: nose, mouth, beard, eyes, brows and wrinkles."""

import numpy as np

from .brushes import DARK, WHITE, Canvas, both, bright, circle, dark, edge, ellipse, mix, shaded, smooth
from .outlines import dome, head_outline
from .portrait import Portrait


def paint_nose(canvas: Canvas, p: Portrait) -> None:
    shadow, lit = dark(p.skin, 1), 1 if p.light_x > 0 else -1
    x, y, r = p.nose_x, p.nose_y, p.nose
    canvas.glow(x - lit * (r * 0.55 + 2), y - 14, 3.2, 12, shadow, 0.30)
    canvas.glow(x, y + 4, r * 1.45, 5.5, shadow, 0.50)
    for side in (-1, 1):
        canvas.glow(x + side * r * 0.85, y + 0.5, r * 0.42, 4, mix(p.skin, shadow, 0.25), 0.8)
    patch = canvas.around(x, y - 2, r + 5, 13)
    dx, dy = patch.x - x, patch.y - y + 1.5
    patch.fill(0.9 * smooth(ellipse(dx, dy, r * 0.9, 9, 6), 6), shaded(p.skin, dome(p, dx / r, dy / 7.5), 1))
    for side in (-1, 1):
        nostril = x + side * r * 0.48 + p.yaw * 0.8
        canvas.glow(nostril, y + 4.2, 2.1 + 0.08 * r, 1.5, mix(shadow, DARK, 0.45), 0.75)
    canvas.glow(x + lit * 1.2, y - 13, 2.2, 11, bright(p.skin), 0.40)
    canvas.glow(x + lit * r * 0.25, y - 3.5, 2.6, 2.2, mix(bright(p.skin), WHITE, 0.5), 0.65)


def lip_lines(p: Portrait, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y of the upper lip's edge, of the upper and the lower end of the gap, and of the lower lip's edge."""
    arch = (1 - t * t).clip(0, None)
    seam = p.mouth_y + p.smile * (arch - 0.55)
    gap = p.gape * arch**0.7
    bow = 1 - 0.28 * np.exp(-((t / 0.16) ** 2))  # the dip in the middle of the upper lip
    upper = seam - 0.85 * p.lips * arch**1.2 * bow - 0.15 * gap
    return upper, seam, seam + gap, seam + gap + 1.2 * p.lips * arch**0.9


def paint_mouth(canvas: Canvas, p: Portrait) -> None:
    x, half, shadow = p.mouth_x, p.mouth, dark(p.skin, 1)
    low = p.mouth_y + p.gape + 0.45 * p.smile  # where the lower lip begins, in the middle
    canvas.glow(x, low + p.lips + 5, half * 0.62, 4, shadow, 0.42)
    for side in (-1, 1):
        canvas.glow(x + side * (half + 1.5), p.mouth_y - 0.5 * p.smile, 2.6, 3.2, shadow, 0.5 if p.smile > 4 else 0.25)
    patch = canvas.around(x, p.mouth_y, half + 6, 24)
    t, y = (patch.x - x) / half, patch.y
    upper, seam, gap_end, lower = lip_lines(p, t)
    ends = (np.abs(t) - 1) * half
    light = 0.22 * (y - seam) / (p.lips + 1) - 0.12 + 0.2 * p.light_x * t
    patch.fill(edge(both(upper - y, y - lower, ends + 0.5), 1.6), shaded(p.lip_colour, light, 1))
    if p.gape:
        inside = both(seam - y, y - gap_end, ends + 1.5)
        patch.fill(edge(inside), (0.32, 0.09, 0.11))
        patch.fill(edge(both(inside, 0.38 * seam + 0.62 * gap_end + 1 - y), 2), (0.78, 0.36, 0.38))  # the tongue
        teeth = both(inside, y - np.minimum(0.48 * seam + 0.52 * gap_end, seam + 5.5))
        patch.fill(edge(teeth) * edge(ends + 0.14 * half, 4), (0.97, 0.95, 0.92))
    else:
        line = both(np.abs(y - seam) - 0.9 * (1 - t * t).clip(0, None) ** 0.4, ends)
        patch.fill(0.85 * edge(line, 1.3), mix(dark(p.lip_colour, 1), DARK, 0.45))
    canvas.glow(x + 3 * p.light_x, low + 0.55 * p.lips, half * 0.3, 1.3, WHITE, 0.5 if p.lipstick else 0.2)


def paint_facial_hair(canvas: Canvas, p: Portrait) -> None:
    patch = canvas.patch(p.head_x - p.face_width - 4, p.head_x + p.face_width + 4, p.nose_y - 22, p.chin + 12)
    dx, y = patch.x - p.mouth_x, patch.y
    u, t = (patch.x - p.head_x) / p.face_width, dx / p.mouth
    grain = np.sin(patch.x * 1.2 + 1.2 * np.sin(y * 0.45 + p.phase)) * np.sin(y * 0.8 + p.phase)
    colour = shaded(p.hair, 0.6 * dome(p, u, (y - 150) / 60) - 0.2 + 0.13 * grain)
    upper, _, _, lower = lip_lines(p, t)
    if p.facial_hair != "mustache":
        if p.facial_hair == "beard":
            jaw = head_outline(p, patch.x, y - 0.5 * p.beard_length) - 0.4 * p.beard_length
            d = both(jaw, p.mouth_y - 6 - 22 * np.abs(u) ** 3 - y)
        else:
            top = p.mouth_y - 8
            d = ellipse(dx, y - top, p.mouth * 0.95, 8, p.chin - top + 0.5 * p.beard_length, 2.6, 2.6)
        mouth = both(upper - 1 - y, y - lower - 1.5, (np.abs(t) - 1.02) * p.mouth)
        below_nose = ellipse(dx, y - p.nose_y, p.nose * 1.2, 10, 7)
        patch.fill(0.93 * edge(both(d, -mouth, -below_nose), 4), colour)
    s = np.abs(t) / (1.12 if p.facial_hair == "mustache" else 1)
    low = upper + 0.5 - 2.5 * s * s
    thick = p.mustache * (1 - s**3).clip(-1, 1) * (1 - 0.35 * np.exp(-((s / 0.1) ** 2)))  # parted in the middle
    patch.fill(0.95 * edge(both(low - thick - y, y - low - 0.5), 2), colour)


def paint_eye(canvas: Canvas, p: Portrait, side: int) -> None:
    shadow, lit = dark(p.skin, 1), 1 if p.light_x > 0 else -1
    x, half = p.eye_x + side * p.eye_gap, p.eye * (1 - 0.12 * side * p.yaw)  # the farther eye is narrower
    canvas.glow(x, p.eye_y - 1, half * 1.15, 11, shadow, 0.30)
    if p.eyeshadow is not None:
        canvas.glow(x + side, p.eye_y - 6, half * 0.9, 6, p.eyeshadow, 0.75)
    patch = canvas.around(x, p.eye_y, half + 5, 15)
    t, y = (patch.x - x) / half, patch.y
    arch = (1 - t * t).clip(0, None)
    level = p.eye_y - p.eye_tilt * side * t
    upper = level - p.eye_open * arch**0.75
    lower = level + (0.6 - 0.02 * p.smile) * p.eye_open * arch**0.85  # a smile lifts the lower lid
    inside = edge(both(upper - y, y - lower, (np.abs(t) - 1) * half))
    patch.fill(inside, shaded((0.90, 0.89, 0.88), (y - upper) / 5 - 0.9))

    dx, dy = patch.x - x - 1.6 * p.yaw, y - p.eye_y + 0.7
    iris = circle(dx, dy, 6.9)
    patch.fill(inside * edge(iris), mix(p.iris, DARK, 0.62))
    patch.fill(inside * edge(iris + 1.2, 2), shaded(p.iris, 1.3 * ((dy + 3) / 13.8).clip(0, 1) - 0.35))
    patch.fill(inside * edge(iris + 3.7, 1.5), DARK)
    patch.fill(0.45 * inside * smooth(y - upper - 1.5, 5), DARK)  # the lid's shadow on the eye

    outer = side * t
    lashes = np.abs(y - upper + 0.4 + 1.5 * p.lashes * outer.clip(0, None) ** 3)
    lashes = lashes - 0.75 - 0.75 * p.lashes * (0.6 + 0.5 * outer)
    ends = (np.abs(t) - 1 - 0.1 * p.lashes * (outer > 0).astype(np.float32)) * half
    patch.fill(0.92 * edge(both(lashes, ends), 1.2), mix(shadow, DARK, 0.85 if p.lashes > 0.5 else 0.7))
    patch.fill(0.5 * edge(both(np.abs(y - upper + 4.2) - 0.7, ends + 2), 2), shadow)  # the crease above
    patch.fill(0.45 * edge(both(np.abs(y - lower - 0.7) - 0.5, ends), 1.6), shadow)
    patch.fill(edge(circle(dx - lit * 2, dy + 2.2, 1.75)), WHITE)
    patch.fill(0.55 * edge(circle(dx + lit * 2.2, dy - 2.4, 0.7)), WHITE)


def paint_brow(canvas: Canvas, p: Portrait, side: int) -> None:
    def curve(t):
        return -p.brow_arch * (1 - (t - 0.15 * side) ** 2) + side * t * p.brow_slope

    def thick(t):
        return p.brow * (0.75 - 0.45 * side * t) * (1 - t**4).clip(0.02, 1)

    x, y = p.eye_x + side * (p.eye_gap + 0.5), p.eye_y - p.brow_height
    canvas.stroke(x, y, p.eye * 1.12, curve, thick, mix(0.76 * p.hair, p.skin, 0.06), 0.92, 1.8)


def paint_wrinkles(canvas: Canvas, p: Portrait) -> None:
    """Lines on the forehead, under the eyes and from nose to mouth."""
    colour, strength = mix(p.skin, dark(p.skin, 1), 0.85), p.wrinkles
    for k in range(3 if p.style == "bald" else 2):
        y = p.eye_y - p.brow_height - 13 - 7 * k
        canvas.stroke(p.nose_x, y, 21 - 3 * k, lambda t: 2 * t * t - 1, lambda t: 0.6, colour, strength, 2)
    for side in (-1, 1):
        x = p.eye_x + side * p.eye_gap
        canvas.stroke(x, p.eye_y + 10, 11, lambda t: -3 * t * t, lambda t: 0.6 - 0.4 * t * t, colour, strength, 2)
        x, y = p.nose_x + side * (p.nose + 8), p.nose_y + 7
        patch = canvas.around(x, y, 12, 15)
        s = (patch.y - y) / 10
        d = np.abs(patch.x - x - side * (3 + 3 * s - 2 * s * s)) - 0.9 * (1 - s * s)
        patch.fill(strength * edge(d, 3) * edge((np.abs(s) - 1) * 10, 4), colour)
