"""Any pile of images → a prepared uint8 cache on disk, memory-mapped → batches on the device."""

import errno
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from dcgan_lib.config import FACES, Config
from dcgan_lib.faces import draw_faces
from dcgan_lib.images import files, lists
from dcgan_lib.images.decoding import file_digest, first_of, pixels_digest, write_images

if TYPE_CHECKING:  # at run time by those who need it: a launcher prepares the images without, and begins 2 s sooner
    import torch

FORMAT = 2  # of the cache: raise it when the same images would be prepared differently


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Prepared images, with what CelebA's lists say about them; N images, C channels, S pixels a side."""

    images: np.ndarray  # (N, C, S, S) uint8, memory-mapped copy-on-write: a page is read when it is used
    names: list[str]  # path of each image inside the source, posix, sorted
    attribute_names: list[str]  # A of them; [] where no list_attr_celeba was found
    attributes: np.ndarray  # (N, A) int8: 1, -1, and 0 where the image has no row
    partition: np.ndarray  # (N,) int8: 0 train, 1 valid, 2 test, -1 unknown
    skipped: list[tuple[str, str]]  # (name, reason) of the images that could not be read
    fingerprint: str  # hex digest of the prepared images: the same pixels in the same order, from wherever they came
    source: str  # the path as it was given

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, hold_out: bool = False) -> np.ndarray:
        """Indices of the images to train on: all, or with `hold_out` all but `test_rows`; neither may be empty."""
        everything = np.arange(len(self))
        if not hold_out:
            return everything
        rows = np.setdiff1d(everything, self.test_rows(), assume_unique=True)
        if len(rows) in (0, len(self)):
            side = "all are in the official test split" if len(rows) == 0 else "none is held out"
            raise ValueError(f"of the {len(self)} images in {self.source} {side}: set hold_out: False, or give more")
        return rows

    def test_rows(self) -> np.ndarray:
        """The official test split, as indices; where a list names none, every tenth image."""
        official = np.flatnonzero(self.partition == 2)
        return official if len(official) else np.arange(9, len(self), 10)

    def batch(self, indices: Any, device: "str | torch.device", flip: "torch.Tensor | None" = None) -> "torch.Tensor":
        """The images at `indices` (n,) on the device: (n, C, S, S) float32 in [-1, 1], mirrored where `flip` (n,)."""
        import torch

        from dcgan_lib.images.grid import to_floats

        pixels = torch.from_numpy(self.images[np.asarray(indices)]).to(device)  # as bytes: a quarter of the floats
        return to_floats(pixels, None if flip is None else torch.as_tensor(flip).to(device))


def epoch_order(
    rows: int | np.ndarray, batch_size: int, seed: int, epoch: int, flip: bool = False
) -> "list[tuple[np.ndarray, torch.Tensor | None]]":
    """One epoch's batches as (indices (n,) int64, flip (n,) bool or None): every image once, in a random order.

    rows: the images' indices, or how many there are. A pure function of its arguments, so that a resumed run needs no
    sampler's state. The last batch holds what is left. `flip` mirrors each image with probability 1/2, and leaves the
    order as it is without.
    """
    import torch

    random = np.random.default_rng(np.random.SeedSequence((seed, epoch)))
    order = random.permutation(rows)
    count = len(order)
    mirrored = torch.from_numpy(random.random(count) < 0.5) if flip else None
    starts = range(0, count, batch_size)
    return [(order[i : i + batch_size], None if mirrored is None else mirrored[i : i + batch_size]) for i in starts]


def prepare(
    source: str | Path,
    image_size: int = 64,
    channels: int = 3,
    max_images: int = 0,
    cache: str | Path = "data/cache",
    progress: Callable[..., Iterable] = partial(tqdm, disable=None),  # one line in a terminal, quiet in a log
    workers: int | None = None,
) -> ImageSet:
    """The images of a zip or folder, resized (short side, bilinear, antialiased) and centre-cropped to a square.

    They equal torchvision's `Resize` and `CenterCrop`; upright by EXIF, transparency over white, 16 bits scaled to 8
    by the range that the set uses. JPEGs of more than 8 megapixels are first decoded at a fraction. The first call
    writes them to `<cache>/<key>/`, a later one with the same files and settings maps that.

    source: CelebA's zip, any zip or tar, a folder that holds one, or any tree of images (JPEG, PNG, WebP, BMP, PPM,
    GIF, TIFF, AVIF; of several frames the first). max_images: so many of them, the first by name, or a sample of all
    where they lie in several folders; 0: all. progress: wraps an iterable, given total=, desc= and unit= as tqdm is.
    workers: threads, by default one a core, at most 8.

    Warns of files that are not taken and of unreadable images, which `skipped` names. Raises `FileNotFoundError` where
    there is no source, `ValueError` where it is unfit or 5 % unreadable, `OSError` where the cache can't be used.
    """
    if channels not in (1, 3) or image_size < 1 or max_images < 0 or max_images == 1:
        raise ValueError(
            f"channels={channels}, image_size={image_size}, max_images={max_images}: "
            "channels is 1 or 3, image_size at least 1, max_images 0 (all) or at least 2"
        )
    found = files.find_images(source, max_images)
    cache = Path(cache).expanduser()
    folder = cache / f"{image_size}x{image_size}x{channels}-{_key(found)}"
    shape = (len(found.names), channels, image_size, image_size)
    try:
        if (prepared := _load(folder, str(source))) is not None:
            return prepared
        _build(folder, found, shape, progress, workers or min(os.cpu_count() or 1, 8))
        prepared = _load(folder, str(source))
    except OSError as error:  # never the source's: an image that cannot be read is skipped
        raise OSError(
            error.errno,
            f"cannot read or write the cache in {cache.resolve()}: {error.strerror or error}; it needs "
            f"{np.prod(shape) / 1e6:,.1f} MB there, or pass another folder as cache=",
        ) from error
    if told := found.not_taken():
        warnings.warn(told, stacklevel=2)
    if prepared.skipped:
        warnings.warn(
            f"{len(prepared.skipped)} of {len(found.names)} images in {found.path} cannot be read and are left out: "
            f"{first_of(prepared.skipped)}",
            stacklevel=2,
        )
    return prepared


def load_images(config: Config, progress: Callable[..., Iterable] = partial(tqdm, disable=None)) -> ImageSet:
    """The images that a Config asks for, prepared; the portraits in "data/faces" are painted first if they are missing.

    Raises what `prepare` raises. `progress` as there.
    """
    if config.data == FACES:
        draw_faces(config.data, progress=progress)
    return prepare(config.data, config.image_size, config.channels, config.max_images, progress=progress)


def _build(
    folder: Path, found: files.Source, shape: tuple[int, ...], progress: Callable[..., Iterable], workers: int
) -> None:
    """Write the cache folder beside its place and rename it when it is whole; return at once if another process did."""
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / ".lock"):
        if _load(folder) is not None:
            return
        if folder.exists():
            warnings.warn(f"the cache in {folder} is damaged: preparing it again", stacklevel=3)
            shutil.rmtree(folder)
        for stale in folder.parent.glob(".partial-*"):  # whoever wrote it is gone: we hold the lock
            shutil.rmtree(stale)
        if (free := shutil.disk_usage(folder.parent).free) < np.prod(shape):
            raise OSError(errno.ENOSPC, f"only {free / 1e6:,.1f} MB are free")
        unfinished = folder.with_name(f".partial-{folder.name}")
        try:
            unfinished.mkdir()
            columns, attributes, partition = lists.read_labels(found.lists, found.names)
            good, skipped, digest = write_images(unfinished / "images.npy", found, shape, progress, workers)
            np.save(unfinished / "labels.npy", np.column_stack([partition, attributes])[good])
            names = [found.names[index] for index in good]
            meta = {"source": str(found.path.resolve()), "fingerprint": digest, "names": names, "skipped": skipped}
            meta |= {"attribute_names": columns, "labels": file_digest(unfinished / "labels.npy")}
            (unfinished / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


def _load(folder: Path, source: str = "") -> ImageSet | None:
    """The set that a cache folder holds, or None if there is none or it is damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        labels = np.load(folder / "labels.npy")
        partition, attributes = labels[:, 0], labels[:, 1:]
        images = np.load(folder / "images.npy", mmap_mode="c")  # writable in memory only: torch warns of read-only
        whole = (folder / "images.npy").stat().st_size == images.offset + images.nbytes
        whole = whole and len(images) == len(meta["names"]) == len(partition)
        whole = whole and pixels_digest(images) == meta["fingerprint"]  # a disk's damage shows nowhere else
        whole = whole and meta.get("labels", now := file_digest(folder / "labels.npy")) == now  # none before 0.6
        skipped = [(name, reason) for name, reason in meta["skipped"]]
        columns, fingerprint = meta["attribute_names"], meta["fingerprint"]
        prepared = ImageSet(images, meta["names"], columns, attributes, partition, skipped, fingerprint, source)
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EIO):
            raise  # too many open files, say, or no permission: what is there may be whole
        return None
    return prepared if whole else None


def _key(found: files.Source) -> str:
    """What goes in, wherever it lies: the listing holds no path of the source itself."""
    # 2: since version 0.6 rows match without regard to suffixes, so caches with lists are made anew.
    digests = {stem: hashlib.sha256(b"2" + data).hexdigest() for stem, data in found.lists.items()}
    what = [FORMAT, found.names, found.stamps, digests]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
