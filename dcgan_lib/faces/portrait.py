"""Who a portrait shows: the record that is sampled, painted and labelled, so that labels can't disagree with pixels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Portrait:
    """Everything that is seen. Lengths are pixels of 178×218, x to the right and y down; colours sRGB in [0, 1]."""

    # Person
    male: bool
    young: bool
    pale: bool
    rosy: bool
    skin: np.ndarray
    wrinkles: float  # strength, 0 where young
    freckles: tuple[tuple[float, float], ...]  # offsets from the middle of the eyes

    # Pose and light
    yaw: float  # -1 to 1, which way the head turns: the eyes stay, the head shifts against them
    light_x: float  # where the light comes from: -1 left, 1 right
    light_y: float  # -1 above

    # Head
    face_width: float  # half of it, at the cheekbones
    top: float  # of the skull
    chin: float
    jaw: float  # 2 is round, above is square
    taper: float  # towards the chin
    neck: float  # half-width
    shoulders: float  # half-width

    # Eyes and brows
    eye_x: float  # the middle between the eyes
    eye_y: float
    eye_gap: float  # from that middle to an eye's
    eye: float  # half-width
    eye_open: float
    eye_tilt: float
    iris: np.ndarray
    lashes: float
    eyeshadow: tuple[float, ...] | None
    brow: float  # half-thickness
    brow_height: float
    brow_arch: float
    brow_slope: float

    # Nose and mouth
    nose_y: float
    nose: float  # half-width
    mouth: float  # half-width
    mouth_y: float
    smile: float  # how far the corners rise
    gape: float  # how far the lips part
    lips: float  # thickness
    lip_colour: np.ndarray
    lipstick: bool

    # Hair
    hair_name: str
    hair: np.ndarray
    style: str
    volume: float  # beyond the face at its sides
    lift: float  # above the skull
    hair_end: float  # y of its lowest point
    hair_square: float
    curl: float  # amplitude of the waves, 0 for straight hair
    curl_pitch: float
    part: float  # where the hair parts, -1 to 1 across the face
    hairline: float  # y at the parting
    fall: float  # how far the hairline falls away from the parting
    recede: float
    window: float  # half-width of the face that the hair leaves open, of face_width
    sideburn: float
    bangs: bool
    phase: float
    facial_hair: str  # "", "mustache", "goatee" or "beard"
    beard_length: float
    mustache: float

    # Clothes and background
    clothes: np.ndarray
    collar: str
    hat: str
    hat_colour: np.ndarray
    hat_trim: np.ndarray
    glasses: str
    glass_width: float
    glass_height: float
    frame: np.ndarray
    frame_thick: float
    earrings: bool
    earring_size: float
    hoops: bool
    earring_colour: tuple[float, ...]
    backdrop: tuple[np.ndarray, np.ndarray]
    backdrop_angle: float
    blobs: tuple[tuple[float, float, float, float], ...]  # x, y, radius and tint of soft spots

    @property
    def head_x(self) -> float:
        return self.eye_x - 5.5 * self.yaw

    @property
    def nose_x(self) -> float:
        return self.eye_x + 3.2 * self.yaw

    @property
    def mouth_x(self) -> float:
        return self.eye_x + 2.9 * self.yaw

    @property
    def attributes(self) -> dict[str, bool]:
        """What is true of the picture, under CelebA's names in CelebA's order."""
        haired = self.style != "bald"
        textured = haired and self.style not in ("buzz", "bun", *(("short", "quiff") if self.hat else ()))
        return {
            "Bald": not haired,
            "Bangs": self.bangs,
            "Big_Nose": self.nose > 10.5,
            "Black_Hair": haired and self.hair_name == "black",
            "Blond_Hair": haired and self.hair_name == "blond",
            "Brown_Hair": haired and self.hair_name == "brown",
            "Bushy_Eyebrows": self.brow > 2.9,
            "Eyeglasses": bool(self.glasses),
            "Goatee": self.facial_hair == "goatee",
            "Gray_Hair": haired and self.hair_name == "gray",
            "Male": self.male,
            "Mouth_Slightly_Open": self.gape > 0,
            "Mustache": self.facial_hair != "",
            "No_Beard": self.facial_hair == "",
            "Pale_Skin": self.pale,
            "Rosy_Cheeks": self.rosy,
            "Smiling": self.smile > 4,
            "Straight_Hair": textured and self.curl == 0 and self.style != "curly",
            "Wavy_Hair": textured and (self.curl > 0 or self.style == "curly"),
            "Wearing_Earrings": self.earrings,
            "Wearing_Hat": bool(self.hat),
            "Wearing_Lipstick": self.lipstick,
            "Young": self.young,
        }
