"""Procedural portraits in CelebA's own layout, with their true attributes: faces that need no download."""

import json
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import Image
from tqdm import tqdm

from .painting import paint
from .sampling import sample

IMAGES, ATTRIBUTES, PARTITION = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
STAMP = "drawn.json"  # written last: a folder with it is whole, and ours to replace
VERSION = 2  # of the painting; raise it with every change that moves a pixel, and old sets are painted again
CHUNK = 50  # portraits between two reports of progress
QUALITY = 90  # of the JPEGs


def draw_faces(
    folder: str | Path,
    count: int = 10_000,
    seed: int = 999,
    progress: Callable[..., Iterable] = partial(tqdm, disable=None),  # one line in a terminal, quiet in a log
    workers: int | None = None,
) -> Path:
    """Paint `count` portraits under `folder` as CelebA lays them out, unless they are there already.

    Writes `img_align_celeba/000001.jpg` … (178×218 RGB), `list_attr_celeba.txt` (1 or -1 for each of
    `Portrait.attributes`) and `list_eval_partition.txt` (0 train, 1 valid, 2 test: 80, 10 and 10 %). Image i
    depends on (seed, i) alone: not on `count`, nor on `workers`, the processes that paint (default: one a core).
    `progress` wraps the chunks of work as tqdm does. Returns `folder`.

    An older set there is replaced, once the new one is whole. Raises `FileExistsError` if the folder, or
    `img_align_celeba` in it, holds anything else, which is never touched, and `ValueError` for a count below 1
    or a negative seed.
    """
    if count < 1:
        raise ValueError(f"count is {count}: paint at least 1 portrait")
    if seed < 0:
        raise ValueError(f"seed is {seed}: it must not be negative")
    target = Path(folder).resolve()
    stamp = {"drawing": VERSION, "count": count, "seed": seed}
    if _holds(target, stamp):
        return Path(folder)
    _refuse_foreign(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        if _holds(target, stamp):  # another process painted it while this one waited
            return Path(folder)
        _refuse_foreign(target)
        beside, old = (target.parent / f".{target.name}.{role}" for role in ("drawing", "old"))
        for leftover in (beside, old):  # of a painting that was interrupted
            shutil.rmtree(leftover, ignore_errors=True)
        _draw_set(beside, count, seed, progress, workers)
        (beside / STAMP).write_text(json.dumps(stamp) + "\n", encoding="utf-8")
        _refuse_foreign(target)  # painting takes minutes, in which somebody may have put a file there
        if target.exists():
            target.rename(old)
        beside.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    return Path(folder)


def draw_face(seed: int, index: int) -> tuple[Image.Image, dict[str, bool]]:
    """One portrait, 178×218 RGB, and its attributes; index 0 is the set's `000001.jpg`."""
    portrait = sample(np.random.default_rng(np.random.SeedSequence([seed, index])))
    return Image.fromarray(paint(portrait)), portrait.attributes


def _draw_set(folder: Path, count: int, seed: int, progress: Callable, workers: int | None) -> None:
    from joblib import Parallel, cpu_count, delayed  # a quarter of a second to import, needed here only

    (folder / IMAGES).mkdir(parents=True)
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    # A pool takes a second to start, so a small set is painted right here
    pool = Parallel(n_jobs=1 if len(chunks) <= 4 else workers or min(cpu_count(), 16), return_as="generator")
    painted = pool(delayed(_draw_chunk)(folder / IMAGES, seed, chunk) for chunk in chunks)
    bar = {"desc": "painting portraits", "unit": "portrait", "unit_scale": CHUNK}
    rows = [row for _ in progress(chunks, **bar) for row in next(painted)]  # one report for each chunk that is finished

    names = " ".join(rows[0])
    lines = (_file_name(i) + "".join(f" {1 if true else -1:2d}" for true in row.values()) for i, row in enumerate(rows))
    (folder / ATTRIBUTES).write_text(f"{count}\n{names}\n" + "\n".join(lines) + "\n", encoding="utf-8")
    parts = ((10 * i >= 8 * count) + (10 * i >= 9 * count) for i in range(count))
    lines = (f"{_file_name(i)} {part}\n" for i, part in enumerate(parts))
    (folder / PARTITION).write_text("".join(lines), encoding="utf-8")


def _draw_chunk(folder: Path, seed: int, indices: range) -> list[dict[str, bool]]:
    rows = []
    for index in indices:
        image, attributes = draw_face(seed, index)
        image.save(folder / _file_name(index), quality=QUALITY)
        rows.append(attributes)
    return rows


def _file_name(index: int) -> str:
    return f"{index + 1:06d}.jpg"


def _read_stamp(folder: Path) -> dict:
    """What the stamp says; nothing where it is missing or damaged."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _holds(folder: Path, stamp: dict) -> bool:
    """Whether the folder holds the very set that the stamp describes, with all its images."""
    return _read_stamp(folder) == stamp and sum(1 for _ in (folder / IMAGES).glob("*.jpg")) == stamp["count"]


def _refuse_foreign(folder: Path) -> None:
    """Raise `FileExistsError` unless the folder is missing, empty, or holds an earlier set and nothing else."""
    if not folder.exists():
        return
    if foreign := _first_foreign(folder) if folder.is_dir() else folder.name:
        reason = "is damaged" if foreign == STAMP else "draw_faces did not make"
        raise FileExistsError(f"{folder} holds {foreign}, which {reason}: give another folder, or move that away")


def _first_foreign(folder: Path) -> str:
    """The first file in the folder, or in its folder of images, that may be somebody's own; "" if there is none.

    Only the names that the stamp's count gives are ours for sure: without a stamp, or with a damaged one, none is.
    """
    count = _read_stamp(folder).get("count")
    ours = {IMAGES, ATTRIBUTES, PARTITION, STAMP} if isinstance(count, int) else set()
    for path in sorted(folder.iterdir()):
        if path.name not in ours or path.is_dir() != (path.name == IMAGES):
            return path.name
    if not (folder / IMAGES).exists():
        return ""
    painted = {_file_name(index) for index in range(count or 0)}
    for path in sorted((folder / IMAGES).iterdir()):
        if path.name not in painted or path.is_dir():
            return f"{IMAGES}/{path.name}"
    return ""
