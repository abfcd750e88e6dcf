"""Finds the images, and CelebA's lists about them, in a folder, a zip or a tar; an archive is never unpacked."""

import os
import random
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NoReturn

from dcgan_lib.images import archives, lists

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
SUFFIXES += (".ppm", ".pgm", ".pbm", ".pnm")
KINDS = "JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF and PPM"
ARCHIVES = (".zip", ".tar")
COMPANIONS = {".txt", ".csv", ".json", ".md", ".xml", ".yaml", ".yml", ".html", ".log", ".mat", ".py"}  # pass unsaid
OWN_CACHE = re.compile(r"\d+x\d+x[13]-[0-9a-f]{16}")  # a folder of `prepare`'s
CELEBA_ZIP = "img_align_celeba.zip"
MOST_BYTES = 1 << 29  # of one image file: an archive may promise more than memory holds


@dataclass(frozen=True)
class Source:
    """The images at one path, by name, and the lists found with them."""

    path: Path  # the folder or the archive that holds the images
    names: list[str]  # each image's path inside it, posix, sorted
    stamps: list[tuple[int, int]]  # each image's size in bytes and mtime in ns (in a zip: CRC-32)
    members: list[zipfile.ZipInfo | archives.InTar] | None  # in an archive, where each image lies
    lists: dict[str, bytes]  # ATTRIBUTES and PARTITION → the list's contents, where there is one
    others: Counter[str] = field(default_factory=Counter)  # suffix → files that are not taken

    @contextmanager
    def reading(self) -> Iterator[Callable[[int], bytes]]:
        """Lend a function that returns the contents of image i's file; several threads may call it at a time."""
        zipped = bool(self.members) and isinstance(self.members[0], zipfile.ZipInfo)
        try:
            opened = zipfile.ZipFile(self.path) if zipped else nullcontext()
        except OSError as error:
            raise ValueError(f"{self.path} cannot be read any more: {error.strerror}") from error
        with opened as archive:

            def read(index: int) -> bytes:
                if self.stamps[index][0] > MOST_BYTES:
                    raise ValueError(f"the file is larger than {MOST_BYTES >> 20} MB")
                if self.members:
                    return archives.read_member(self.path, self.members[index], archive)
                return (self.path / self.names[index]).read_bytes()

            yield read

    def first(self, count: int) -> "Source":
        """The images sorted by name, or `count` of them: where all lie in one folder the first, else a fair sample.

        The sample, of folders that may be a class or a person each, is the same each time.
        """
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        if 0 < count < len(order):
            folders = {name.rpartition("/")[0] for name in self.names}
            places = range(count) if len(folders) == 1 else random.Random(0).sample(range(len(order)), count)
            order = [order[place] for place in sorted(places)]
        members = self.members and [self.members[i] for i in order]
        taken = ([each[i] for i in order] for each in (self.names, self.stamps))
        return Source(self.path, *taken, members, self.lists, self.others)

    def not_taken(self) -> str:
        """One line on the files that are no images to us, by suffix; empty where there are none."""
        if not self.others:
            return ""
        counts = ", ".join(f"{count:,} {suffix or 'without a suffix'}" for suffix, count in self.others.most_common(5))
        return f"{self.path} also holds files that are not taken: {counts}; images are {KINDS}"


def find_images(path: str | Path, max_images: int = 0) -> Source:
    """The images in a zip, a tar, a folder of any depth, or a folder that holds an archive; 0: all.

    `max_images` of them are the first by name, or, where they lie in several folders, a sample of all. A folder with
    CelebA's own zip at its top is that zip, even where it lies extracted too, as torchvision leaves it; otherwise loose
    images come before an archive. Hidden files and macOS's litter don't count. Raises `FileNotFoundError` where there
    is nothing, `ValueError` for what is no archive, an unsafe one, or fewer than two images.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"no data at {path} ({path.resolve()}): put a zip or a folder of images there; data/README.md says how"
        )
    if path.is_file():
        source = _open_archive(path, {})
    elif (path / CELEBA_ZIP).is_file():
        source = _open_archive(path / CELEBA_ZIP, {})
    elif path.is_dir():
        source, found = _walk(path)
        if not source.names and len(found) > 1:
            raise ValueError(f"{path} holds {len(found)} archives ({', '.join(z.name for z in found[:3])}): name one")
        if not source.names and found:
            source = _open_archive(found[0], source.lists)
        elif len(source.names) == 1 and found:
            raise ValueError(f"{path} holds only one loose image, but also {found[0]}: name that to use its images")
    else:
        raise ValueError(f"{path} is no file and no folder: give a zip, a tar, or a folder of images")
    if len(source.names) < 2:
        found = "only one image" if source.names else "no images"
        also = f"; {source.not_taken().removeprefix(f'{source.path} ').partition(';')[0]}" if source.others else ""
        raise ValueError(f"{source.path} holds {found} ({KINDS}): training needs at least two{also}")
    return source.first(max_images)


def _open_archive(path: Path, known: dict[str, bytes]) -> Source:
    """List a zip or a tar; its own lists come before those beside it, and these before the known ones."""
    members, stamps = archives.list_archive(path)
    members = {name: member for name, member in members.items() if not any(map(_is_litter, name.split("/")))}
    images = [name for name in members if name.lower().endswith(SUFFIXES)]
    found = known | lists.lists_at(path.parent) | archives.read_lists(path, members)
    others = _count(name for name in members if not name.lower().endswith(SUFFIXES))
    return Source(path, images, [stamps[name] for name in images], [members[name] for name in images], found, others)


def _count(names: Iterable[str]) -> Counter[str]:
    """How many there are of each suffix, without those that often lie beside images."""
    suffixes = (PurePosixPath(name).suffix.lower()[:12] for name in names)
    return Counter(suffix for suffix in suffixes if suffix not in COMPANIONS)


def _walk(folder: Path) -> tuple[Source, list[Path]]:
    """List a folder's images and archives, at any depth."""
    names, stamps, found, labels, others, odd, seen = [], [], [], [], [], 0, set()
    for root, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        if os.path.realpath(root) in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(os.path.realpath(root))
        folders[:] = sorted(name for name in folders if not _is_litter(name))
        prefix = Path(root).relative_to(folder).as_posix() + "/"
        for file in sorted(name for name in files if not _is_litter(name)):
            path = os.path.join(root, file)  # noqa: PTH118 (a Path costs too much, 200,000 times)
            try:
                status = os.stat(path)  # noqa: PTH116
            except OSError:  # a link to nowhere: reading it will say so
                status = None
            if status and not stat.S_ISREG(status.st_mode):  # a pipe would keep its reader waiting for ever
                odd += 1
            elif file.lower().endswith(SUFFIXES):
                names.append(file if prefix == "./" else prefix + file)
                stamps.append((status.st_size, status.st_mtime_ns) if status else (0, 0))
            elif file.lower().endswith(ARCHIVES):
                found.append(Path(path))
            elif file in lists.LISTS:
                labels.append((file, Path(path)))
            else:
                others.append(file)
    counts = _count([*others, *(archive.name for archive in found if names)])  # loose images come before archives
    if odd:
        counts["that are a pipe, a socket or a device"] = odd
    inside = {stem: lists.read_list(path) for stem, path in lists.first_of_each(labels).items()}
    return Source(folder, names, stamps, None, lists.lists_at(folder) | inside, counts), found


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX" or OWN_CACHE.fullmatch(name) is not None


def _raise(error: OSError) -> NoReturn:
    """For `os.walk`, which otherwise passes over a folder that it may not read."""
    raise error
