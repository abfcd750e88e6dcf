"""How hair, hats, glasses and earrings are painted."""

import numpy as np

from .brushes import DARK, WHITE, Canvas, Patch, both, circle, dark, edge, ellipse, mix, shaded, smooth
from .outlines import dome, hair_outline, hat_rim, head_outline
from .portrait import Portrait


def paint_back_hair(canvas: Canvas, p: Portrait) -> None:
    patch = hair_patch(canvas, p)
    patch.fill(edge(hair_outline(p, patch.x, patch.y)), mix(p.hair, dark(p.hair), 0.85))
    if p.style == "bun":
        x, y, r = p.head_x + 14 * p.part, p.top - p.lift - 9, 17 + 0.4 * p.volume
        patch = canvas.around(x, y, r + 2, r + 2)
        dx, dy = patch.x - x, patch.y - y
        light = dome(p, dx / r, dy / r) - 0.2 + 0.25 * np.sin((dx + dy) * 0.55)
        patch.fill(edge(ellipse(dx, dy, r, r * 0.9)), shaded(p.hair, light))


def hair_patch(canvas: Canvas, p: Portrait) -> Patch:
    reach = p.face_width + p.volume + 8
    return canvas.patch(p.head_x - reach, p.head_x + reach, p.top - p.lift - 6, p.hair_end + 6)


def hair_light(p: Portrait, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Light on the hair: its strands, and the bright band that runs over it."""
    u, v = (x - p.head_x) / (p.face_width + p.volume), (y - 100) / (100 - p.top + p.lift)
    if p.style == "curly":
        strands = np.sin(x * 0.5 + 1.3 * np.sin(y * 0.31 + p.phase)) * np.sin(y * 0.5 + 1.3 * np.sin(x * 0.33)) * 0.55
    else:  # they fan out from the parting
        flow = (u - p.part * 0.5) / (1.6 + v.clip(-1, 0.6)) * 10 + p.curl * 0.35 * np.sin(y * p.curl_pitch + p.phase)
        strands = 0.5 * np.sin(flow * 2.1 + p.phase) + 0.4 * np.sin(flow * 4.7 + 3 * p.phase)
    band = np.exp(-(((v + 0.62 - 0.55 * u * u - 0.2 * p.light_x * u) / 0.17) ** 2))
    return 0.75 * dome(p, u, v.clip(-1, 0.4)) - 0.28 + 0.26 * strands + band * (0.55 + 0.3 * strands)


def paint_front_hair(canvas: Canvas, p: Portrait) -> None:
    """All the hair but a window for the face, and the shadow that it casts there."""
    patch = hair_patch(canvas, p)
    x, y = patch.x, patch.y
    u = (x - p.head_x) / p.face_width
    if p.bangs:
        hairline = p.eye_y - p.brow_height - 3 + 3.5 * u * u - 2.2 * np.abs(np.sin(7 * u + p.phase)) + 4 * p.part * u
    else:
        hairline = p.hairline + p.fall * np.abs(u - p.part) ** 1.6
        hairline = hairline - p.recede * np.exp(-(((np.abs(u) - 0.5) / 0.22) ** 2))
    side = p.window * p.face_width + 0.6 * p.curl * np.sin(y * p.curl_pitch + p.phase)
    side = side + p.sideburn * ((y - 96) / 20).clip(0, 1)
    a, b = hairline - y, np.abs(x - p.head_x) - side
    window = both(a, b) + (16 - np.abs(a - b)).clip(0, None) ** 2 / 64  # with a round corner between the two
    skin = edge(both(head_outline(p, x, y) + 1, window - 1), 2) * edge(y - p.hair_end + 6, 14)
    patch.fill(0.55 * skin * (1 + window / 9).clip(0, 1), dark(p.skin, 1))
    patch.fill(edge(both(hair_outline(p, x, y), -window), 1.4), shaded(p.hair, hair_light(p, x, y)))


def paint_hat(canvas: Canvas, p: Portrait) -> None:
    top, rim, wide = p.top - 12, hat_rim(p), p.face_width + max(p.volume, 5) * 0.7 + 1
    patch = canvas.patch(p.head_x - wide - 40, p.head_x + wide + 40, top - 14, rim + 22)
    dx, dy = patch.x - p.head_x, patch.y - rim
    u, tall = dx / wide, rim - top
    light = dome(p, u, 1.3 * (dy / tall + 0.5))
    bow = dy + 4 * u * u  # below the rim, which curves round the head
    if p.hat == "beanie":
        light = light + 0.18 * np.sin(dx * 0.8) - 0.1
        crown = ellipse(dx, dy - 4, wide, tall + 8, 14, 2.3, 2.3)
        patch.fill(edge(crown) * edge(bow - 6), shaded(p.hat_colour, light))
        cuff = ellipse(dx, bow, wide + 1.5, 9, 9, 8, 4)
        patch.fill(edge(cuff, 2), shaded(p.hat_trim, light + 0.1 * np.sin(dx * 1.1)))
    elif p.hat == "cap":
        crown = ellipse(dx, dy, wide, tall + 2, 10, 2.4, 2.4)
        patch.fill(edge(crown) * edge(bow), shaded(p.hat_colour, light))
        seam = np.abs(np.abs(dx + 4 * p.yaw) - 20 * np.sqrt((1 - (dy / tall) ** 2).clip(0, 1))) - 0.6
        patch.fill(0.5 * edge(both(seam, crown + 1), 1.5) * edge(dy), dark(p.hat_colour))
        visor = both(-bow - 2, dy - 12 + 18.75 * (u - 0.12 * p.yaw) ** 2, np.abs(dx) - 0.97 * wide)
        patch.fill(0.45 * smooth(visor - 4, 8) * edge(np.abs(dx) - wide + 8, 10), DARK)
        patch.fill(edge(visor, 1.4), shaded(p.hat_trim, 0.45 - dy / 14 + 0.5 * p.light_x * u))
    else:
        crown = ellipse(dx, dy, wide * 0.86, tall + 8, 10, 3.2, 3.6)
        patch.fill(edge(crown), shaded(p.hat_colour, light))
        patch.fill(edge(both(crown, np.abs(bow + 9) - 6)), shaded(p.hat_trim, light))
        brim = ellipse(dx, dy - 3 + 5 * u * u, wide + 30, 6.5, 7.5)
        patch.fill(0.45 * smooth(np.abs(dy - 9) - 5, 9) * edge(np.abs(dx) - p.face_width + 5, 8), DARK)
        patch.fill(edge(brim), shaded(p.hat_colour, -dy / 9 + 0.5 * p.light_x * u))


def paint_earrings(canvas: Canvas, p: Portrait) -> None:
    r = p.earring_size
    for side in (-1, 1):
        x, y = p.head_x + side * (p.face_width + 2.5), p.eye_y + 27 + r
        patch = canvas.around(x, y, r + 4, r + 5)
        dx, dy = patch.x - x, patch.y - y
        d = circle(dx, dy, r)
        d = np.abs(d + 1.3) - 1.5 if p.hoops else d
        patch.fill(0.35 * smooth(d - 1, 4), DARK)
        patch.fill(edge(d), shaded(p.earring_colour, 1.2 * dome(p, dx / r, dy / r)))


def paint_glasses(canvas: Canvas, p: Portrait) -> None:
    w, h, power = p.glass_width, p.glass_height, 2 if p.glasses == "round" else 4
    y = p.eye_y + 1.5
    for side in (-1, 1):
        x, ear = p.eye_x + side * (p.eye_gap + 0.5), p.head_x + side * (p.face_width - 1)
        arm = canvas.patch(min(x + side * w, ear), max(x + side * w, ear), y - 8, y)
        arm.fill(edge(np.abs(arm.y - y + 3.5) - 1.3), p.frame)
        patch = canvas.around(x, y, w + 6, h + 6)
        dx, dy = patch.x - x, patch.y - y
        d = ellipse(dx, dy, w, h, h, power, power)
        patch.fill(0.28 * smooth(np.abs(np.roll(d, 3, axis=0)) - 1, 4), DARK)  # the frame's shadow, 3 pixels below it
        patch.fill(0.09 * edge(d), p.frame)
        patch.fill(0.22 * edge(both(np.abs(dx + 0.8 * dy - 0.25 * w) - 2.2, d + 3), 2), WHITE)
        patch.fill(edge(np.abs(d) - p.frame_thick), shaded(p.frame, -dy / h - 0.1))
    bridge = p.eye_gap + 2 - w
    canvas.stroke(p.eye_x, p.eye_y, bridge, lambda t: 2 * t * t - 3, lambda t: 1.3, p.frame, 1, 1)
