"""How a portrait is made up: what varies, how much, and what goes together."""

from bisect import bisect
from itertools import accumulate

import numpy as np

from .portrait import Portrait

# Colours are sRGB in [0, 1]. Skin runs from the fairest to the deepest; PALE stands apart, and is Pale_Skin.
PALE = (1.0, 0.89, 0.825)
SKIN = np.array(
    [
        (0.97, 0.81, 0.69), (0.94, 0.75, 0.60), (0.87, 0.66, 0.49), (0.76, 0.53, 0.37),
        (0.62, 0.41, 0.28), (0.48, 0.31, 0.21), (0.35, 0.22, 0.16),
    ]
)  # fmt: skip
HAIR = {  # the two ends between which a colour is drawn
    "black": ((0.09, 0.08, 0.10), (0.15, 0.12, 0.12)),
    "brown": ((0.32, 0.18, 0.10), (0.47, 0.29, 0.16)),
    "blond": ((0.86, 0.65, 0.30), (0.96, 0.83, 0.53)),
    "gray": ((0.60, 0.60, 0.62), (0.86, 0.85, 0.84)),
    "red": ((0.62, 0.22, 0.08), (0.80, 0.38, 0.14)),
}
IRIS = ((0.26, 0.56, 0.82), (0.32, 0.60, 0.42), (0.50, 0.60, 0.64), (0.60, 0.38, 0.15), (0.38, 0.21, 0.10))
FRAMES = ((0.10, 0.09, 0.11), (0.33, 0.18, 0.11), (0.62, 0.10, 0.14), (0.13, 0.22, 0.42), (0.72, 0.55, 0.25))
GOLD, SILVER, PEARL = (0.95, 0.74, 0.30), (0.82, 0.84, 0.88), (0.97, 0.94, 0.90)


def sample(rng: np.random.Generator) -> Portrait:
    """One portrait, sampled so that what belongs together in people goes together here."""

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    def choose(options, weights=None):
        sums = list(accumulate(weights or [1] * len(options)))
        return options[bisect(sums, rng.random() * sums[-1])]

    def normal(mean: float, spread: float) -> float:
        return mean + spread * float(np.clip(rng.standard_normal(), -2, 2))

    def between(a: float, b: float) -> float:
        return float(rng.uniform(a, b))

    def hue(saturation: tuple[float, float], value: tuple[float, float]) -> np.ndarray:
        h, s, v = between(0, 6), between(*saturation), between(*value)
        return v * (1 - s * (1 - np.clip(np.abs((h + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)))

    male, young, pale = chance(0.48), chance(0.66), chance(0.09)
    tone = between(0, 1) ** 1.3
    skin = np.array([np.interp(tone * (len(SKIN) - 1), np.arange(len(SKIN)), SKIN[:, c]) for c in range(3)])
    skin = np.array(PALE) if pale else skin
    skin = np.clip(skin * (1 + rng.normal(0, 0.012, 3)), 0, 1)
    fair = 0.0 if pale else tone

    # Hair: fair colours go with fair skin, gray with age
    rare = (1 - fair) ** 2
    weights = (0.14 + 0.9 * fair, 0.5 - 0.38 * fair, 0.56 * rare, 0.02 if young else 1.1, 0.24 * rare)
    hair_name = choose(list(HAIR), weights)
    ends = np.array(HAIR[hair_name])
    hair = ends[0] + (ends[1] - ends[0]) * between(0, 1)
    styles = {"long": 0.08, "short": 0.30, "quiff": 0.24, "curly": 0.16, "buzz": 0.14, "bald": 0.03 if young else 0.32}
    if not male:
        styles = {"long": 0.46, "bob": 0.20, "bun": 0.14, "curly": 0.14, "short": 0.03, "quiff": 0.03}
    style = choose(list(styles), styles.values())
    hat = choose(("", "beanie", "cap", "brim"), (0.89, 0.045, 0.035, 0.03)) if style not in ("bald", "bun") else ""
    wavy = style in ("long", "bob", "quiff") and chance(0.45)
    volume, lift, end = {
        "bald": (0, 0, 0),
        "buzz": (2.0, 2.5, 128),
        "short": (between(3, 6), between(6, 11), between(124, 132)),
        "quiff": (between(3, 6), between(12, 19), between(124, 132)),
        "curly": (between(8, 17), between(12, 22), between(136, 158)),
        "bob": (between(8, 14), between(8, 13), between(158, 184)),
        "bun": (between(2.5, 4), between(4, 7), between(126, 130)),
        "long": (between(7, 14), between(7, 12), between(196, 240)),
    }[style]
    if hat:
        volume, lift = min(volume, 10), min(lift, 8)
    covers = style in ("long", "bob")
    bangs = not hat and (covers or style in ("short", "curly")) and chance(0.36 if covers else 0.2)
    part = choose((-1, 1)) * between(0.1, 0.75)

    # Head; CelebA aligns the eyes, so a turn moves the head under them
    yaw = normal(0, 0.5)
    eye_x, eye_y, eye_gap = normal(89, 0.7), normal(112, 0.9), normal(20.3, 0.9)
    face_width = normal(48.5 if male else 46.5, 2.0)
    top, chin = normal(55, 2), normal(181 if male else 177.5, 2.4)
    brow = normal(2.35, 0.3) if male else normal(1.55, 0.3)
    if chance(0.24 if male else 0.05):
        brow = between(3.2, 4.0)
    nose = between(11.8, 14.2) if chance(0.3 if male else 0.12) else between(6.4, 8.8)

    smile = between(5.5, 8.8) if chance(0.5) else between(1.4, 2.8)
    gape = (between(5, 9.5) if smile > 4 else between(4, 8)) if chance(0.6 if smile > 4 else 0.22) else 0.0
    lipstick = not male and chance(0.62)
    natural = skin * (0.86, 0.62, 0.60) + np.array((0.07, 0.0, 0.01))
    reds = ((0.78, 0.10, 0.16), (0.86, 0.25, 0.38), (0.60, 0.10, 0.26), (0.92, 0.36, 0.34))
    lip_colour = np.array(choose(reds)) * between(0.85, 1.05) if lipstick else natural
    shadows = ((0.42, 0.30, 0.55), (0.25, 0.42, 0.62), (0.55, 0.30, 0.28), (0.28, 0.48, 0.44))
    facial_hair = choose(("", "mustache", "goatee", "beard"), (0.46, 0.14, 0.17, 0.23)) if male else ""

    glasses = choose(("", "round", "square"), (0.84, 0.08, 0.08))
    backdrop = hue((0.12, 0.36), (0.78, 0.96)) if chance(0.65) else hue((0.3, 0.6), (0.35, 0.62))
    clothes = hue((0.05, 0.7), (0.2, 0.92))
    blue = (1 - fair) ** 2.5  # how common light eyes are
    light = choose((-1, 1)) * between(0.25, 0.85)
    hat_colour = hue((0.2, 0.8), (0.25, 0.9))
    spots = [(between(0, 178), between(0, 218), between(18, 50), between(-1, 1)) for _ in range(rng.integers(0, 5))]
    freckled = fair < 0.35 and chance(0.2)
    return Portrait(
        male=male,
        young=young,
        pale=pale,
        rosy=chance(0.1 if male else 0.3),
        skin=skin,
        wrinkles=0.0 if young else between(0.6, 0.9),
        freckles=tuple(map(tuple, rng.normal((0, 21), (17, 4), (16, 2)).tolist())) if freckled else (),
        yaw=yaw,
        light_x=light,
        light_y=-between(0.35, 0.75),
        face_width=face_width,
        top=top,
        chin=chin,
        jaw=between(2.3, 2.9) if male else between(1.95, 2.3),
        taper=between(0.02, 0.14) if male else between(0.1, 0.24),
        neck=normal(27, 2) if male else normal(20, 1.5),
        shoulders=normal(88, 4) if male else normal(76, 4),
        eye_x=eye_x,
        eye_y=eye_y,
        eye_gap=eye_gap,
        eye=normal(12.0, 0.6) if male else normal(12.9, 0.6),
        eye_open=normal(6.5, 0.6) if male else normal(7.5, 0.6),
        eye_tilt=normal(0.6, 0.9),
        iris=np.array(choose(IRIS, (blue, 0.6 * blue, 0.4 * blue, 0.4, 0.3 + 1.7 * fair))) * between(0.85, 1.1),
        lashes=0.25 if male else between(0.75, 1.15),
        eyeshadow=choose(shadows) if lipstick and chance(0.45) else None,
        brow=brow,
        brow_height=normal(15, 1.2) if male else normal(17, 1.2),
        brow_arch=normal(2.0, 0.7) if male else normal(3.2, 0.8),
        brow_slope=normal(0.6, 0.7),
        nose_y=normal(138, 1.8),
        nose=nose,
        mouth=normal(18.5, 1.2) + (2.5 if smile > 4 else 0),
        mouth_y=normal(156, 1.4) - (1.5 if gape else 0),
        smile=smile,
        gape=gape,
        lips=normal(3.4, 0.5) if male else normal(4.5, 0.6),
        lip_colour=lip_colour,
        lipstick=lipstick,
        hair_name=hair_name,
        hair=hair,
        style=style,
        volume=volume,
        lift=lift,
        hair_end=end,
        hair_square=between(2.8, 5) if covers else 2.4,
        curl=between(2.2, 4.2) if wavy else 0.0,
        curl_pitch=between(0.14, 0.24),
        part=part,
        hairline=top + (between(17, 22) if male else between(14, 19)),
        fall=between(8, 22) if covers else between(4, 12),
        recede=between(6, 11) if male and not young and not covers else 0.0,
        window=between(0.86, 0.95) if covers else 0.93,
        sideburn=0.0 if covers else between(2, 6),
        bangs=bangs,
        phase=between(0, 6.28),
        facial_hair=facial_hair,
        beard_length=between(1, 9),
        mustache=between(4.2, 6.5),
        clothes=clothes,
        collar=choose(("crew", "vee", "shirt", "roll")),
        hat=hat,
        hat_colour=hat_colour,
        hat_trim=hat_colour * 0.55 if chance(0.5) else hue((0.2, 0.8), (0.25, 0.9)),
        glasses=glasses,
        glass_width=between(14.5, 17.2),
        glass_height=between(13, 15.5) if glasses == "round" else between(9.5, 12.5),
        frame=np.array(choose(FRAMES, (5, 2, 1, 1, 1))),
        frame_thick=between(0.9, 1.9),
        earrings=not male and chance(0.36),
        earring_size=between(3.0, 6.5),
        hoops=chance(0.4),
        earring_colour=choose((GOLD, SILVER, PEARL, (0.25, 0.60, 0.62), (0.85, 0.30, 0.34))),
        backdrop=(backdrop, np.clip(backdrop * between(0.5, 1.35) + rng.normal(0, 0.05, 3), 0, 1)),
        backdrop_angle=between(0, 6.28),
        blobs=tuple(spots),
    )
