"""CelebA's lists about its images, the attributes and the split, as they are published and as people change them."""

import csv
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

ATTRIBUTES, PARTITION = "list_attr_celeba", "list_eval_partition"
LISTS = tuple(stem + suffix for stem in (ATTRIBUTES, PARTITION) for suffix in (".txt", ".csv"))  # .csv: Kaggle's
MOST_BYTES = 1 << 26  # of one list; CelebA's longest has 26 MB
WEB_PAGE = "it is a web page, as Google Drive sends when its quota is spent"
ID = "image_id"  # the column of Kaggle's lists that names the image


def first_of_each(files: Iterable[tuple[str, str | Path]]) -> dict[str, str | Path]:
    """The first of the files, (name, place) each, that is an attribute list, and the first that is a partition."""
    found = {}
    for name, place in files:
        if name in LISTS:
            found.setdefault(name[:-4], place)
    return found


def lists_at(folder: Path) -> dict[str, bytes]:
    """The lists in a folder, and above it where it is CelebA's img_align_celeba."""
    places = [folder.resolve()]
    while places[-1].name == "img_align_celeba":
        places.append(places[-1].parent)
    found = first_of_each((name, place / name) for place in places for name in LISTS if (place / name).is_file())
    return {stem: read_list(path) for stem, path in found.items()}


def read_list(path: Path) -> bytes:
    """The contents of a list; `ValueError` for one that is far too large."""
    check_size(path.name, path.stat().st_size)
    return path.read_bytes()


def check_size(name: str, size: int) -> None:
    """`ValueError` for a list that would fill the memory."""
    if size > MOST_BYTES:
        raise ValueError(f"{name} has {size >> 20} MB: a list of attributes or of the split has at most 64")


def read_labels(lists: dict[str, bytes], names: list[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The attributes' names (A), attributes (N, A) of ±1 and partition (N,) of 0, 1, 2.

    A row is that of an image of the same file name, or of the same name but for suffix, case and folder: the official
    lists say 000001.jpg where the image may be 000001.png. An image without a row has attributes 0 and partition -1.
    Warns of a list that matches fewer than half of the images. Raises `ValueError` for a row that makes no sense.
    """
    columns, attributes = _table(ATTRIBUTES, lists.get(ATTRIBUTES, b""), names, ("-1", "1"), missing=0)
    _, partition = _table(PARTITION, lists.get(PARTITION, b""), names, ("0", "1", "2"), missing=-1)
    return columns, attributes[:, : len(columns)], partition[:, 0]


def _table(
    title: str, data: bytes, names: list[str], allowed: tuple[str, ...], missing: int
) -> tuple[list[str], np.ndarray]:
    if data.lstrip().startswith(b"<"):
        raise ValueError(f"{title} is damaged: {WEB_PAGE}; download the list again or take it away")
    try:
        columns, rows = _parse(data, allowed)
    except csv.Error as error:
        raise ValueError(
            f"{title} is damaged: a quote is missing or too many ({error}); download the list again or take it away"
        ) from error
    width = len(columns) or 1
    exact = {file.rpartition("/")[2]: values for file, values in rows}
    alike = {_stem(file): values for file, values in rows}
    table, matched = np.full((len(names), width), missing, dtype=np.int8), []
    for index, name in enumerate(names):
        cells = exact.get(name.rpartition("/")[2]) or alike.get(_stem(name))
        if cells is not None:
            if len(cells) != width or not set(cells).issubset(allowed):
                raise ValueError(
                    f"{title} is damaged: the row of {name} should hold {width} of {'/'.join(allowed)}, "
                    f"but reads {' '.join(cells)[:40]!r}; download the list again or take it away"
                )
            table[index] = [int(cell) for cell in cells]
            matched.append(name)
    if rows and 2 * len(matched) < len(names):
        warnings.warn(f"{title} {_few_match(rows, names, matched)}", stacklevel=5)
    return columns, table


def _few_match(rows: list[tuple[str, list[str]]], names: list[str], matched: list[str]) -> str:
    """That a list knows few of the images, with one that it doesn't know and a row that no image is called."""
    known = set(map(_stem, matched))
    lacking = next(name for name in names if _stem(name) not in known)
    told = f"has rows for {len(matched)} of {len(names)} images only: none for {lacking[-60:]!r}"
    spare = next((file for file, _ in rows if _stem(file) not in known), None)
    if spare is None:
        return f"{told}; it may be cut short: get it again, or take it away"
    return f"{told}, but one for {spare[:60]!r}, which no image is called; rename one of them, or take the list away"


def _parse(data: bytes, allowed: tuple[str, ...]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """A list's columns besides the image's name, and its rows, (name, cells) each."""
    lines = [line for line in data.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    if lines and lines[0].strip().isdigit():  # the official attribute list begins with its count
        del lines[0]
    if not lines:
        return [], []
    table = list(_cells(lines))
    header = table.pop(0) if table[0][-1] not in allowed else []  # the official partition has none
    if not header or len(header) < len(table[0] if table else header):  # the official attributes: no word for the name
        return header, [(name, cells) for name, *cells in table]
    place = header.index(ID) if ID in header else 0
    # pandas writes a column of numbers before the others, without a name.
    kept = [i for i, word in enumerate(header) if i != place and word and not word.startswith("Unnamed:")]
    rows = [(row[place], [row[i] if i < len(row) else "" for i in kept]) for row in table if place < len(row)]
    return [header[i] for i in kept], rows


def _cells(lines: list[str]) -> Iterator[list[str]]:
    """Each line's cells: of CSV, where the first line has a comma, semicolon or tab, or else between blanks."""
    delimiter = next((mark for mark in ",;\t" if mark in lines[0]), None)
    if delimiter is None:
        yield from (line.split() for line in lines)
        return
    for row in csv.reader(lines, delimiter=delimiter, strict=True):  # else an open quote swallows the rows after it
        yield [cell.strip() for cell in row]


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem.casefold()
