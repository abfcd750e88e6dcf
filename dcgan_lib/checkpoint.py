"""A state on disk that is always whole: written beside, synced, renamed; read back without running any code in it."""

import contextlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from dcgan_lib.settings import first_line

if TYPE_CHECKING:  # imported where it is used: whoever only writes a small file does not wait for it
    import torch

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch's own magic number, pickled


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or that belongs to another set-up; the message says which and what to do."""


def save(path: str | Path, **parts: Any) -> None:
    """Write the parts to `path`, replacing what is there only once the new file is whole and on the disk.

    A part is anything with a `state_dict()`, or plain numbers, strings, tensors, and lists and dicts of them.
    Raises `OSError` in one line where the disk won't take it; the file that was there stays as it was.
    """
    import torch

    path = Path(path)
    state = {name: part.state_dict() if hasattr(part, "state_dict") else part for name, part in parts.items()}
    try:
        write_whole(path, lambda file: torch.save(state, file))
    except (OSError, RuntimeError) as error:  # torch's zip writer reports a full disk as a RuntimeError
        kept = f"the checkpoint before it is intact in {path}" if path.exists() else "none was there before"
        mended = "Free some space or choose another folder" if path.parent.is_dir() else "Its folder is gone"
        raise OSError(f"could not write {path}: {first_line(error)}; {kept}. {mended}") from error


def write_whole(path: Path, content: str | bytes | Callable[[BinaryIO], Any]) -> None:
    """Write a file beside its place, sync it, and rename it: `path` is the old file or the new one, never half of one.

    content: text (UTF-8), bytes, or a function that writes to the open file.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # make the renaming itself durable, where a folder can be opened and synced
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def load(path: str | Path, device: "str | torch.device" = "cpu") -> dict[str, Any]:
    """Read the parts that `save` wrote, tensors on `device`: name → state.

    PyTorch's format from before 1.6 is read as well. Raises `FileNotFoundError`, or `CheckpointError` for a file that
    is something else, was cut short, fails its checksums or carries code: only tensors and plain values are ever read
    (`weights_only=True`), so a checkpoint from a stranger can do no harm.
    """
    import torch

    check(path)
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} holds more than tensors and plain values: it is not loaded") from error
    except (RuntimeError, EOFError, OSError, LookupError, ValueError) as error:
        raise _damaged(Path(path)) from error


def check(path: str | Path) -> None:
    """Raise what `load` raises of a file that is not there, is something else or fails its checksums; without torch."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}: train first, or give the path of a checkpoint.pt")
    with path.open("rb") as file:
        head = file.read(len(LEGACY))
    if len(head) > 1 and not head.startswith((b"PK", LEGACY)):
        raise CheckpointError(f"{path} is no checkpoint: see whether it is the file you meant")
    try:
        if head != LEGACY:
            with zipfile.ZipFile(path) as archive:
                if archive.testzip():  # PyTorch itself doesn't ask for the checksums
                    raise zipfile.BadZipFile
    except (RuntimeError, EOFError, OSError, LookupError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> CheckpointError:
    best = path.with_name("best.pt")
    copies = f"put a copy in its place, {best} for instance" if best.is_file() and best != path else "put back a copy"
    return CheckpointError(f"{path} is damaged or cut short: {copies}, or rename it to begin again")
