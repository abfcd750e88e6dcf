"""A batch of images: from bytes to what the networks see, and from that to a picture and a small file."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid


def to_floats(pixels: Tensor, flip: Tensor | None = None) -> Tensor:
    """Bytes (n, C, S, S) as float32 in [-1, 1], mirrored left to right where `flip` (n,), on the same device.

    Channels come last in memory, as the networks' own do: convolutions then need no copy of them.
    """
    if pixels.device.type != "mps":  # where that layout has given wrong results
        pixels = pixels.contiguous(memory_format=torch.channels_last)
    if flip is not None:
        pixels = torch.where(flip[:, None, None, None], pixels.flip(-1), pixels)
    return pixels.float().div_(127.5).sub_(1)


def to_bytes(images: Tensor) -> Tensor:
    """Images in [-1, 1], of any shape, as the nearest bytes; what is bytes already stays as it is."""
    return images if images.dtype == torch.uint8 else images.detach().clamp(-1, 1).add(1).mul(127.5).round().byte()


def to_grid(images: Tensor, columns: int = 8) -> np.ndarray:
    """Tile images into one picture: (N, C, S, S), float in [-1, 1] or uint8 → (H, W, 3) uint8.

    The same value always gives the same brightness: nothing is stretched to the darkest and lightest pixel of a batch,
    which would give each frame of a training its own contrast.
    """
    grid = make_grid(to_bytes(images).cpu(), nrow=columns, padding=2, pad_value=255)
    return grid.permute(1, 2, 0).numpy()


def jpeg(picture: np.ndarray | Image.Image, quality: int = 85) -> bytes:
    """The JPEG file of a picture, (H, W, 3) uint8 or PIL's: a tenth of its PNG, so notebooks stay small."""
    if not isinstance(picture, Image.Image):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=quality)
    return file.getvalue()


def gif(frames: Sequence[np.ndarray], milliseconds: float, side: int = 0) -> bytes:
    """A GIF file that goes round for ever, of square frames (S, S, 3) uint8, so many milliseconds each.

    Each frame has 256 colours of its own: with one palette for all, backgrounds fall into bands. Frames are enlarged to
    `side` pixels, or the largest whole number of times S below it.
    """
    size = max(1, side // len(frames[0])) * len(frames[0])
    pictures = [Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC) for frame in frames]
    first, *others = (picture.quantize(256) for picture in pictures)
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return file.getvalue()
