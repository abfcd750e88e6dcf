"""A batch of images as one picture, and a picture as a small file."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid


def to_grid(images: Tensor, columns: int = 8) -> np.ndarray:
    """Tile images into one picture: (N, C, S, S), float in [-1, 1] or uint8 → (H, W, 3) uint8.

    The same value always gives the same brightness: nothing is stretched to the darkest and lightest pixel of a batch,
    which would give each frame of a training its own contrast.
    """
    if images.dtype == torch.uint8:
        images = images.float() / 127.5 - 1
    grid = make_grid(images.detach().cpu().clamp(-1, 1), nrow=columns, padding=2, pad_value=1.0)
    return ((grid + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def jpeg(picture: np.ndarray | Image.Image, quality: int = 85) -> bytes:
    """The JPEG file of a picture, (H, W, 3) uint8 or PIL's: a tenth of its PNG, so notebooks stay small."""
    if not isinstance(picture, Image.Image):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=quality)
    return file.getvalue()
