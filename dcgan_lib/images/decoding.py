"""Images decoded, resized and written to one .npy file, many at a time."""

import hashlib
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from dcgan_lib.images import files

CHUNK = 64  # images that a thread prepares at a time, of large ones fewer: about 1 MB of pixels
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
    good, skipped, digest = [], [], hashlib.sha256(str(shape[1:]).encode())

    def reasons(file: BinaryIO) -> Iterator[str]:
        for pixels, chunk in _decode_all(found, shape, workers):
            file.write(pixels)
            digest.update(pixels)
            yield from chunk

    with path.open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # refused from the header on
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


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _decode_all(found: files.Source, shape: tuple[int, ...], workers: int) -> Iterator[tuple[np.ndarray, list[str]]]:
    """All images in order, in chunks: the pixels of the readable ones, and of each why it can't be read, "" if it can.

    In threads, as Pillow decodes and resizes without the interpreter's lock: nothing is pickled and nothing has to
    start, so this works in notebooks and on Windows. What holds them up is each other, so each takes many images at a
    time. Only a few chunks are under way, which keeps memory flat.
    """

    def decode_chunk(indices: range) -> tuple[np.ndarray, list[str]]:
        pixels, good, reasons = np.empty((len(indices), *shape[1:]), np.uint8), 0, []
        for index in indices:
            try:
                pixels[good] = files.decode(read(index), image_size=shape[2], channels=shape[1])
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
