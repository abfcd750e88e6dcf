"""Images decoded, resized and written to one .npy file, many at a time."""

import functools
import hashlib
import io
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from dcgan_lib.images import files

CHUNK = 64  # images that a thread prepares at a time, of large ones fewer: about 1 MB of pixels
MOST_OBLONG = 100  # long side / short side: a line of pixels, resized, would fill the memory
MOST_MEMORY = 1 << 30  # bytes of one image, decoded
LARGE = 1 << 26  # bytes, decoded, above which one image at a time is decoded
MANY_PIXELS = 1 << 23  # above which a JPEG is decoded at a fraction, still four times as large as is wanted
SIXTEEN_BITS = 65535
_one_at_a_time = threading.Lock()


def decode(data: bytes, image_size: int, channels: int, white: int = SIXTEEN_BITS) -> np.ndarray:
    """An image file's bytes → (channels, image_size, image_size) uint8; every kind of error for a damaged one.

    Of several frames the first; `white` is the value that becomes 255 in images of 16 bits.
    """
    image = _open(data)
    if image.format == "JPEG" and image.width * image.height > MANY_PIXELS:
        share = 4 * image_size / min(image.size)
        image.draft(image.mode, (int(share * image.width), int(share * image.height)))
    with _bounded(image):
        return _square(image, image_size, channels, white)


def _open(data: bytes) -> Image.Image:
    """The image in a file, its pixels not yet decoded."""
    if not data:
        raise ValueError("the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=_formats())
    except UnidentifiedImageError:
        raise ValueError(f"not a {', '.join(_formats())} image, whatever its name says") from None
    if max(image.size) > MOST_OBLONG * min(image.size):
        raise ValueError(f"{image.width}x{image.height} pixels: too oblong for a square")
    return image


@contextmanager
def _bounded(image: Image.Image) -> Iterator[None]:
    """Where an image's pixels are decoded: a large one alone; `ValueError` for one that would fill the memory."""
    memory = image.width * image.height * _pixel_bytes(image)
    if memory > MOST_MEMORY:
        size = f"{image.width}x{image.height} pixels"
        raise ValueError(f"{size} take {memory >> 20} MB of memory, more than {MOST_MEMORY >> 20}: make it smaller")
    with _one_at_a_time if memory > LARGE else nullcontext():
        yield


def _pixel_bytes(image: Image.Image) -> int:
    """Bytes that a pixel takes; of 16-bit grey at the peak, measured: as read, as an array, and as floats besides."""
    if image.mode.startswith("I;16"):
        return 10
    return 12 if image.mode in ("I", "F") else len(image.getbands())


@functools.cache
def _formats() -> tuple[str, ...]:
    """The kinds of image that are read: named, since Pillow would start other programs for some."""
    Image.init()
    return tuple(kind for kind in ("JPEG", "PNG", "WEBP", "BMP", "PPM", "GIF", "TIFF", "AVIF") if kind in Image.OPEN)


def _square(image: Image.Image, image_size: int, channels: int, white: int) -> np.ndarray:
    """The image upright, over white, in three channels or one, resized and cropped."""
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F":
        raise ValueError("its values are floating-point numbers of unknown range: write it with 8 or 16 bits")
    if image.mode.startswith("I"):  # 16-bit grey, which `convert` would clip
        image = _eight_bits(image, white)
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    if image.mode != "RGB":  # else it would be copied
        image = image.convert("RGB")
    if channels == 1:
        image = image.convert("L")
    short = min(image.size)
    width, height = (int(image_size * side / short) for side in image.size)
    left, top = round((width - image_size) / 2), round((height - image_size) / 2)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)).reshape(height, width, channels)
    square = pixels[top : top + image_size, left : left + image_size]
    return square.transpose(2, 0, 1)


def _eight_bits(image: Image.Image, white: int) -> Image.Image:
    """16-bit grey in 8 bits, by one array of 32-bit floats: several of 64 bits would take twice the memory."""
    grey = np.multiply(image, 255 / white, dtype=np.float32, casting="unsafe")
    np.rint(grey, out=grey).clip(0, 255, out=grey)
    return Image.fromarray(grey.astype(np.uint8))


@contextmanager
def _large_images_allowed() -> Iterator[None]:
    """Without Pillow's own bounds on pixels and on metadata, which healthy photos exceed; `decode` has its own."""
    kept = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    Image.MAX_IMAGE_PIXELS = None
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = LARGE
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = kept


def find_white(found: files.Source, workers: int) -> int:
    """The value that counts as white in a set's images of 16 bits.

    65,535, or, where no image uses more than the lower 12 bits, the largest number of as many bits as are used:
    cameras, microscopes and CT scanners put 8 to 12 bits into 16. Looks at every image if one of the first is deep.
    """
    count = len(found.names)

    def highest(index: int) -> int:
        try:
            image = _open(read(index))
            if not image.mode.startswith("I"):
                return 0
            with _bounded(image):
                return int(np.asarray(image).max())
        except Exception:  # it will be told when the image is prepared
            return 0

    with found.reading() as read:
        if not any(map(highest, range(min(count, 4)))):
            return SIXTEEN_BITS
        with ThreadPoolExecutor(workers) as pool:
            most = max(pool.map(highest, range(count)))
    return (1 << most.bit_length()) - 1 if most < 1 << 12 else SIXTEEN_BITS


MOST_BAD = 0.05  # share of unreadable images above which the source itself must be at fault


def write_images(
    path: Path,
    found: files.Source,
    shape: tuple[int, ...],
    progress: Callable[..., Iterable],
    workers: int,
) -> tuple[list[int], list[tuple[str, str]], str]:
    """Write the readable images to a .npy file; return their indices, (name, reason) of the others, and a digest.

    Plain writes, not a memory map: on a full disk those raise an error, where a map kills the process.
    """
    good, skipped, digest = [], [], _beginning(shape)

    def reasons(file: BinaryIO) -> Iterator[str]:
        white = find_white(found, workers)
        if white < SIXTEEN_BITS:
            note = "made that white; if it is not what you want, scale them yourself"
            warnings.warn(f"{found.path}: its 16-bit images use values up to {white} of 65535, {note}", stacklevel=5)
        for pixels, chunk in _decode_all(found, shape, workers, white):
            file.write(pixels)
            digest.update(pixels)
            yield from chunk

    with path.open("wb") as file, _large_images_allowed():
        _write_header(file, shape)
        for index, reason in enumerate(progress(reasons(file), total=shape[0], desc="preparing", unit="image")):
            if not reason:
                good.append(index)
                continue
            skipped.append((found.names[index], reason))
            if len(skipped) > MOST_BAD * shape[0]:
                raise ValueError(
                    f"{found.path}: {len(skipped)} of the first {index + 1} images cannot be read, "
                    f"more than {MOST_BAD:.0%} of all {shape[0]}: {first_of(skipped)}; repair or remove them"
                )
        file.seek(0)
        _write_header(file, (len(good), *shape[1:]))  # as long as the first: numpy pads it for such growth
    return good, skipped, digest.hexdigest()


def _beginning(shape: tuple[int, ...]) -> "hashlib._Hash":
    return hashlib.sha256(str(tuple(shape[1:])).encode())


def pixels_digest(images: np.ndarray) -> str:
    """The digest of prepared images (N, C, S, S): the same for the same pixels in the same order."""
    digest = _beginning(images.shape)
    digest.update(images)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _decode_all(
    found: files.Source, shape: tuple[int, ...], workers: int, white: int
) -> Iterator[tuple[np.ndarray, list[str]]]:
    """All images in order, in chunks: the pixels of the readable ones, and of each why it can't be read, "" if it can.

    In threads, as Pillow decodes and resizes without the interpreter's lock: nothing is pickled and nothing has to
    start, so this works in notebooks and on Windows. What holds them up is each other, so each takes many images at a
    time. Only a few chunks are under way, which keeps memory flat.
    """

    def decode_chunk(indices: range) -> tuple[np.ndarray, list[str]]:
        pixels, good, reasons = np.empty((len(indices), *shape[1:]), np.uint8), 0, []
        for index in indices:
            try:
                pixels[good] = decode(read(index), shape[2], shape[1], white)
                good += 1
                reasons.append("")
            except Exception as error:  # Pillow and zipfile raise a dozen kinds for damaged files
                reasons.append(str(error) or type(error).__name__)
        return pixels[:good], reasons

    size = int(max(1, min(CHUNK, (1 << 20) // np.prod(shape[1:]))))
    with found.reading() as read, ThreadPoolExecutor(workers) as pool:
        pending = deque()
        for start in range(0, shape[0], size):
            pending.append(pool.submit(decode_chunk, range(start, min(start + size, shape[0]))))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        for chunk in pending:
            yield chunk.result()


def first_of(skipped: list[tuple[str, str]]) -> str:
    """The first three names and reasons, for a message."""
    names = "; ".join(f"{name} ({reason})" for name, reason in skipped[:3])
    return names + ("; …" if len(skipped) > 3 else "")
