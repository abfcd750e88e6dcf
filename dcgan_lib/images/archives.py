"""Images inside a zip or a tar, which are never unpacked; and what a file is that is neither."""

import lzma
import re
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

from dcgan_lib.images import lists

NUMPY = b"\x93NUMPY"
#: How a file begins → what it is, and what to do with it.
KINDS = {
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it (7z x), and give the folder"),
    b"Rar!": ("a rar archive", "unpack it (unrar x), and give the folder"),
    b"\x1f\x8b": ("packed with gzip", "unpack it (tar -xf for a .tar.gz or .tgz, otherwise gunzip)"),
    b"BZh": ("packed with bzip2", "unpack it (tar -xf for a .tar.bz2, otherwise bunzip2)"),
    b"\xfd7zXZ": ("packed with xz", "unpack it (tar -xf for a .tar.xz, otherwise unxz)"),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", "unpack it (tar -xf for a .tar.zst, otherwise unzstd)"),
    b"PAR1": ("a parquet table", "write its images as files: pandas.read_parquet gives their bytes"),
    b"\x89HDF": ("an HDF5 file", "write its arrays as image files: h5py reads them"),
    NUMPY: ("an array of NumPy's", "write its images as files: PIL.Image.fromarray(array).save(name)"),
    b"\xff\xd8\xff": ("a single JPEG", "give the folder that holds it and others"),
    b"\x89PNG": ("a single PNG", "give the folder that holds it and others"),
}
UNREADABLE = (zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError, OSError, EOFError)
UNREADABLE += (LookupError, UnicodeError, zlib.error, lzma.LZMAError)  # what damaged and protected ones raise


class InTar(NamedTuple):
    """Where a file lies in a tar."""

    offset: int
    file_size: int


def list_archive(path: Path) -> tuple[dict[str, "zipfile.ZipInfo | InTar"], dict[str, tuple[int, int]]]:
    """Each file in a zip or a tar: name → where it lies, and name → its size and its checksum (in a tar, its mtime).

    Raises `ValueError` for anything else, saying what it is, and for an archive that would write outside its folder.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found = [(info.filename, info, (info.file_size, info.CRC)) for info in archive.infolist()]
            found = [each for each in found if not each[1].is_dir()]
            if found and all(name.endswith(".npy") for name, *_ in found):
                raise ValueError(f"{path} holds arrays of NumPy's: {KINDS[NUMPY][1]}")
        elif _head(path, 262)[257:262] == b"ustar":
            with tarfile.open(path, "r:") as archive:
                files = [info for info in archive if info.isreg() and not info.issparse()]
            found = [(i.name, InTar(i.offset_data, i.size), (i.size, int(i.mtime))) for i in files]
        else:
            raise zipfile.BadZipFile("File is not a zip file")
    except UNREADABLE as error:
        raise ValueError(what_it_is(path, error)) from error
    members, stamps = {}, {}
    for name, member, stamp in found:
        name = name.replace("\\", "/").removeprefix("./")  # backslashes, as some Windows programs write it
        if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
            raise ValueError(f"{path} is unsafe: its member {name!r} climbs out of the folder; pack it again")
        members[name], stamps[name] = member, stamp
    return members, stamps


def read_member(path: Path, member: "zipfile.ZipInfo | InTar", archive: zipfile.ZipFile | None) -> bytes:
    """The contents of a file in an archive; `archive` is the zip, opened."""
    if archive:
        try:
            return archive.read(member)
        except RuntimeError as error:
            reason = "protected by a password" if member.flag_bits & 1 else "packed by a method that is not read here"
            raise ValueError(f"{reason}: pack the archive again") from error
    with path.open("rb") as file:
        file.seek(member.offset)
        return file.read(member.file_size)


def read_lists(path: Path, members: dict[str, "zipfile.ZipInfo | InTar"]) -> dict[str, bytes]:
    """CelebA's lists in an archive; `ValueError` for one that cannot be read."""
    found = lists.first_of_each((name.rpartition("/")[2], name) for name in members)
    contents = {}
    for stem, name in found.items():
        lists.check_size(f"{name} in {path}", members[name].file_size)
        try:
            with zipfile.ZipFile(path) if isinstance(members[name], zipfile.ZipInfo) else path.open("rb") as opened:
                archive = opened if isinstance(opened, zipfile.ZipFile) else None
                contents[stem] = read_member(path, members[name], archive)
        except (*UNREADABLE, ValueError) as error:
            raise ValueError(f"{name} in {path} cannot be read ({error}): pack it again, or without it") from error
    return contents


def what_it_is(path: Path, error: Exception) -> str:
    """One line on a file that can't be read as a zip or a tar: by how it begins, what it is and what to do."""
    head = _head(path, 64)
    if not head:
        return f"{path} is empty: download it again; data/README.md says from where"
    if head.lstrip().startswith(b"<"):
        return f"{path} is not a zip ({lists.WEB_PAGE}): download it again; data/README.md says from where"
    for beginning, (kind, advice) in KINDS.items():
        if head.startswith(beginning):
            return f"{path} is {kind}, not a zip or a tar: {advice}"
    if head.startswith(b"PK"):
        return f"{path} is a zip that was cut short ({error}): download it again; data/README.md says from where"
    return f"{path} is not a zip or a tar, or one cut short ({error}): see whether it is what you meant to give"


def _head(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)
