"""Finds and reads the images, and CelebA's lists about them, in a folder or a zip; a zip is never extracted."""

import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".pgm")
CELEBA_ZIP = "img_align_celeba.zip"
ATTRIBUTES, PARTITION = "list_attr_celeba", "list_eval_partition"
LISTS = tuple(stem + suffix for stem in (ATTRIBUTES, PARTITION) for suffix in (".txt", ".csv"))  # .csv: Kaggle's
MOST_BYTES = 1 << 29  # of one image file: a zip may promise more than memory holds
MOST_OBLONG = 100  # long side / short side: a line of pixels, resized, would fill the memory
WEB_PAGE = "it is a web page, as Google Drive sends when its quota is spent"


@dataclass(frozen=True)
class Source:
    """The images at one path, by name, and the lists found with them."""

    path: Path  # the folder or the zip that holds the images
    names: list[str]  # each image's path inside it, posix, sorted
    stamps: list[tuple[int, int]]  # each image's size in bytes and mtime in ns (in a zip: CRC-32)
    members: list[zipfile.ZipInfo] | None  # in a zip, where each image lies
    lists: dict[str, bytes]  # ATTRIBUTES and PARTITION → the list's contents, where there is one

    @contextmanager
    def reading(self) -> Iterator[Callable[[int], bytes]]:
        """Lend a function that returns the contents of image i's file; several threads may call it at a time."""
        try:
            opened = zipfile.ZipFile(self.path) if self.members else nullcontext()
        except OSError as error:
            raise ValueError(f"{self.path} cannot be read any more: {error.strerror}") from error
        with opened as archive:

            def read(index: int) -> bytes:
                if self.stamps[index][0] > MOST_BYTES:
                    raise ValueError(f"the file is larger than {MOST_BYTES >> 20} MB")
                return archive.read(self.members[index]) if archive else (self.path / self.names[index]).read_bytes()

            yield read


def find_images(path: str | Path, max_images: int = 0) -> Source:
    """The first `max_images` images by name (0: all) in a zip, a folder of any depth, or a folder that holds a zip.

    A folder with CelebA's own zip at its top is that zip, even where it lies extracted too, as torchvision leaves
    it; otherwise loose images come before a zip. Hidden files and macOS's litter don't count. Raises
    `FileNotFoundError` where there is nothing, `ValueError` for a damaged or unsafe zip or fewer than two images.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"no data at {path} ({path.resolve()}): put a zip or a folder of images there; data/README.md says how"
        )
    if path.is_file():
        source = _open_zip(path, {})
    elif (path / CELEBA_ZIP).is_file():
        source = _open_zip(path / CELEBA_ZIP, {})
    else:
        source, zips = _walk(path)
        if not source.names and len(zips) > 1:
            raise ValueError(f"{path} holds {len(zips)} zips ({', '.join(z.name for z in zips[:3])}): name one")
        if not source.names and zips:
            source = _open_zip(zips[0], source.lists)
        elif len(source.names) == 1 and zips:
            raise ValueError(f"{path} holds only one loose image, but also {zips[0]}: name that to use its images")
    if len(source.names) < 2:
        found = "only one image" if source.names else "no images"
        raise ValueError(f"{source.path} holds {found} ({' '.join(SUFFIXES)}): training needs at least two")
    count = max_images or len(source.names)
    order = sorted(range(len(source.names)), key=source.names.__getitem__)[:count]
    return Source(
        source.path,
        [source.names[i] for i in order],
        [source.stamps[i] for i in order],
        source.members and [source.members[i] for i in order],
        source.lists,
    )


def decode(data: bytes, image_size: int, channels: int) -> np.ndarray:
    """An image file's bytes → (channels, image_size, image_size) uint8; every kind of error for a damaged one."""
    if not data:
        raise ValueError("the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP", "BMP", "PPM"))
    except UnidentifiedImageError:
        raise ValueError("not a JPEG, PNG, WebP, BMP or PPM image, whatever its name says") from None
    if max(image.size) > MOST_OBLONG * min(image.size):
        raise ValueError(f"{image.width}x{image.height} pixels: too oblong for a square")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16-bit grey, which `convert` would clip; 65535 = 255 · 257
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
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


def read_labels(lists: dict[str, bytes], names: list[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The attributes' names (A), attributes (N, A) of ±1 and partition (N,) of 0, 1, 2, matched by file name.

    An image without a row has attributes 0 and partition -1. Raises `ValueError` for a row that makes no sense.
    """
    columns, attributes = _read_list(ATTRIBUTES, lists.get(ATTRIBUTES, b""), names, ("-1", "1"), missing=0)
    _, partition = _read_list(PARTITION, lists.get(PARTITION, b""), names, ("0", "1", "2"), missing=-1)
    return columns, attributes[:, : len(columns)], partition[:, 0]


def _read_list(
    title: str, data: bytes, names: list[str], allowed: tuple[str, ...], missing: int
) -> tuple[list[str], np.ndarray]:
    if data.lstrip().startswith(b"<"):
        raise ValueError(f"{title} is damaged: {WEB_PAGE}; download the list again or take it away")
    lines = [line for line in data.decode("utf-8-sig", "replace").replace(",", " ").splitlines() if line.strip()]
    if lines and lines[0].strip().isdigit():  # the official attribute list begins with its count
        del lines[0]
    columns = []
    if lines and lines[0].split()[-1] not in allowed:  # a header; the official partition has none
        columns = [word for word in lines.pop(0).split() if word != "image_id"]
    width = len(columns) or 1
    rows = {file: values for file, *values in (line.split(maxsplit=1) for line in lines)}
    table = np.full((len(names), width), missing, dtype=np.int8)
    for index, name in enumerate(names):
        row = rows.get(name.rpartition("/")[2])
        if row is not None:
            cells = " ".join(row).split()
            if len(cells) != width or not set(cells).issubset(allowed):
                raise ValueError(
                    f"{title} is damaged: the row of {name} should hold {width} of {'/'.join(allowed)}, "
                    f"but reads {' '.join(cells)[:40]!r}; download the list again or take it away"
                )
            table[index] = [int(cell) for cell in cells]
    return columns, table


def _open_zip(path: Path, lists: dict[str, bytes]) -> Source:
    """List a zip; its own lists come before those beside it, and these before `lists`."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {}
            for info in archive.infolist():
                name = info.filename.replace("\\", "/")  # as some Windows programs write it
                if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
                    raise ValueError(f"{path} is unsafe: its member {name!r} climbs out of the folder; pack it again")
                if not info.is_dir() and not any(map(_is_litter, name.split("/"))):
                    members[name] = info
            images = [name for name in members if name.lower().endswith(SUFFIXES)]
            inside = _first_of_each((name.rpartition("/")[2], name) for name in members)
            inside = {stem: archive.read(members[name]) for stem, name in inside.items()}
    except zipfile.BadZipFile as error:
        with path.open("rb") as file:
            cause = WEB_PAGE if file.read(64).lstrip().startswith(b"<") else error
        raise ValueError(
            f"{path} is not a zip, or one cut short ({cause}): download it again; data/README.md says from where"
        ) from error
    stamps = [(members[name].file_size, members[name].CRC) for name in images]
    return Source(path, images, stamps, [members[name] for name in images], lists | _lists_at(path.parent) | inside)


def _walk(folder: Path) -> tuple[Source, list[Path]]:
    """List a folder's images and zips, at any depth."""
    names, stamps, zips, lists, seen = [], [], [], [], set()
    for root, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        if os.path.realpath(root) in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(os.path.realpath(root))
        folders[:] = sorted(name for name in folders if not _is_litter(name))
        prefix = Path(root).relative_to(folder).as_posix() + "/"
        for file in sorted(name for name in files if not _is_litter(name)):
            path = os.path.join(root, file)  # noqa: PTH118 (a Path costs too much, 200,000 times)
            if file.lower().endswith(SUFFIXES):
                names.append(file if prefix == "./" else prefix + file)
                try:
                    status = os.stat(path)  # noqa: PTH116
                    stamps.append((status.st_size, status.st_mtime_ns))
                except OSError:  # a link to nowhere: reading it will say so
                    stamps.append((0, 0))
            elif file.lower().endswith(".zip"):
                zips.append(Path(path))
            elif file in LISTS:
                lists.append((file, Path(path)))
    inside = {stem: path.read_bytes() for stem, path in _first_of_each(lists).items()}
    return Source(folder, names, stamps, None, _lists_at(folder) | inside), zips


def _lists_at(folder: Path) -> dict[str, bytes]:
    """The lists in a folder, and above it where it is CelebA's img_align_celeba."""
    places = [folder.resolve()]
    while places[-1].name == "img_align_celeba":
        places.append(places[-1].parent)
    found = _first_of_each((name, place / name) for place in places for name in LISTS if (place / name).is_file())
    return {stem: path.read_bytes() for stem, path in found.items()}


def _first_of_each(files: Iterator[tuple[str, str | Path]]) -> dict[str, str | Path]:
    """The first of the files that is an attribute list, and the first that is a partition."""
    found = {}
    for name, place in files:
        if name in LISTS:
            found.setdefault(name[:-4], place)
    return found


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _raise(error: OSError) -> NoReturn:
    """For `os.walk`, which otherwise passes over a folder that it may not read."""
    raise error
