"""How a portrait is painted: every part a small function, called from the background to the glasses."""

from math import cos, sin

import numpy as np

from .brushes import WHITE, Canvas, bright, circle, dark, edge, ellipse, mix, shaded, smooth, spread
from .features import paint_brow, paint_eye, paint_facial_hair, paint_mouth, paint_nose, paint_wrinkles
from .hair import paint_back_hair, paint_earrings, paint_front_hair, paint_glasses, paint_hat
from .outlines import dome, head_outline
from .portrait import Portrait

WIDTH, HEIGHT = 178, 218  # CelebA's aligned images
MIDDLE = WIDTH / 2


def paint(p: Portrait) -> np.ndarray:
    """The portrait as pixels: uint8, shape (218, 178, 3)."""
    canvas = Canvas(WIDTH, HEIGHT)
    paint_background(canvas, p)
    if p.style != "bald":
        paint_back_hair(canvas, p)
    paint_shoulders(canvas, p)
    paint_neck(canvas, p)
    paint_ears(canvas, p)
    paint_head(canvas, p)
    paint_nose(canvas, p)
    paint_mouth(canvas, p)
    if p.facial_hair:
        paint_facial_hair(canvas, p)
    for side in (-1, 1):
        paint_eye(canvas, p, side)
        paint_brow(canvas, p, side)
    if p.wrinkles:
        paint_wrinkles(canvas, p)
    if p.style != "bald":
        paint_front_hair(canvas, p)
    if p.hat:
        paint_hat(canvas, p)
    if p.earrings:
        paint_earrings(canvas, p)
    if p.glasses:
        paint_glasses(canvas, p)
    return canvas.image()


def paint_background(canvas: Canvas, p: Portrait) -> None:
    patch = canvas.patch(0, WIDTH, 0, HEIGHT)
    across = (patch.x / WIDTH - 0.5) * cos(p.backdrop_angle) + (patch.y / HEIGHT - 0.5) * sin(p.backdrop_angle)
    patch.pixels[:] = spread(p.backdrop[0])
    patch.fill(across + 0.5, p.backdrop[1])
    canvas.glow(MIDDLE + 30 * p.light_x, 80, 95, 110, mix(p.backdrop[0], WHITE, 0.6), 0.45)
    for x, y, radius, tint in p.blobs:
        if tint > 0:
            canvas.glow(x, y, radius, radius, WHITE, 0.5 * tint)
        else:
            patch = canvas.around(x, y, 1.2 * radius, 1.2 * radius)
            patch.fill(-0.35 * tint * smooth(circle(patch.x - x, patch.y - y, radius), 6), p.backdrop[1])


def paint_shoulders(canvas: Canvas, p: Portrait) -> None:
    patch = canvas.patch(0, WIDTH, 170, HEIGHT)
    u = (patch.x - MIDDLE) / p.shoulders
    cover = edge(186 + 66 * np.abs(u) ** 2.6 - patch.y)
    light = 0.9 * p.light_x * u - 0.25 - 0.3 * u * u + (200 - patch.y) / 60
    patch.fill(cover, shaded(p.clothes, light))
    # The neckline: a rim of cloth round an opening of skin
    depth, power, rim = {"crew": (9, 2, 4), "vee": (24, 1, 4), "shirt": (17, 1, 9), "roll": (0, 1, 4)}[p.collar]
    t = np.abs(patch.x - MIDDLE) / (p.neck + 10)
    opening = patch.y - 190 - depth * (1 - t**power)
    cloth = bright(p.clothes) if p.collar == "shirt" else dark(p.clothes)
    patch.fill(cover * edge(opening - rim) * edge((t - 1.5) * 20), cloth)
    patch.fill(cover * edge(opening) * edge((t - 1.4) * 20), shaded(p.skin, light - 0.15, 1))


def paint_neck(canvas: Canvas, p: Portrait) -> None:
    patch = canvas.patch(MIDDLE - p.neck - 14, MIDDLE + p.neck + 14, 150, 208)
    half = p.neck + 8 * ((patch.y - 180) / 16).clip(0, 1) ** 2
    x = patch.x - MIDDLE + (MIDDLE - p.head_x) * ((190 - patch.y) / 40).clip(0, 1)  # it follows the head
    cover = edge(np.abs(x) - half) * edge(patch.y - 196, 10)
    patch.fill(cover, shaded(p.skin, dome(p, x / half, 0) - 0.3, 1))
    chin = ellipse(patch.x - p.head_x, patch.y - 130, p.face_width * 0.92, 40, p.chin - 118)
    patch.fill(0.75 * smooth(chin, 16) * cover, dark(p.skin, 1))  # the shadow of the chin
    if p.collar == "roll":
        patch = canvas.patch(MIDDLE - p.neck - 8, MIDDLE + p.neck + 8, 182, 210)
        dx = patch.x - MIDDLE
        dy = patch.y - 199 - 0.006 * dx**2
        d = ellipse(dx, dy, p.neck + 6, 12, 13, 4, 4, 2.2)
        light = dome(p, dx / (p.neck + 6), 0) + 0.05 * np.sin(patch.x * 0.8) - 0.15 - 0.03 * dy
        patch.fill(edge(d, 1.5) * edge(dy - 6, 9), shaded(p.clothes, light))


def paint_ears(canvas: Canvas, p: Portrait) -> None:
    for side in (-1, 1):
        x, y = p.head_x + side * (p.face_width - 0.5), p.eye_y + 10
        patch = canvas.around(x, y, 11, 17)
        dx, dy = (patch.x - x) * side, patch.y - y
        light = dome(p, (patch.x - p.head_x) / (p.face_width + 6), 0 * dy) - 0.25
        patch.fill(edge(ellipse(dx + 0.12 * dy, dy, 8, 14, 15)), shaded(p.skin, light, 1))
        patch.fill(0.7 * smooth(ellipse(dx - 0.5, dy, 4.2, 9, 8), 4), dark(p.skin, 1))


def paint_head(canvas: Canvas, p: Portrait) -> None:
    patch = canvas.around(p.head_x, (p.top + p.chin) / 2, p.face_width + 2, (p.chin - p.top) / 2 + 2)
    d = head_outline(p, patch.x, patch.y)
    u = (patch.x - p.head_x - 3 * p.yaw) / p.face_width
    v = (patch.y - p.eye_y - 4) / (0.5 * (p.chin - p.top))
    patch.fill(edge(d), shaded(p.skin, dome(p, u, 0.75 * v) + 0.12, 1))
    thrown_back = (1 + d / 7).clip(0, 1) * (-p.light_x * u).clip(0, 1)  # light from the background, on the dark side
    patch.fill(0.3 * edge(d) * thrown_back, mix(p.backdrop[0], WHITE, 0.3))
    blush = mix(p.skin, (0.95, 0.28, 0.32), 0.3 + 0.2 * float(p.skin[1]))
    for side in (-1, 1):
        x = p.nose_x + side * 0.56 * p.face_width - 2 * p.yaw
        canvas.glow(x, p.eye_y + 25, 14, 10, blush, 0.75 if p.rosy else 0.18)
        canvas.glow(x + 2 * p.light_x, p.eye_y + 15, 8, 5, bright(p.skin), 0.25 * (1 + side * p.light_x))
    for x, y in p.freckles:
        canvas.glow(p.nose_x + x, p.eye_y + y, 1, 1, dark(p.skin, 1), 0.55)
