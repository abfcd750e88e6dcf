"""Who holds a folder that several machines share: a lease, beside the kernel's lock.

The kernel's lock ends with its holder, but on some shared file systems it is known to one machine alone. A lease is a
file of the holder's own, `<lock>.<random letters>`: it says who holds it, and its time of change when the holder was
last heard of. Who wants a lease writes its file first and looks for others' afterwards, so that of two who come at the
same time at least one sees the other.
"""

import _thread
import contextlib
import json
import os
import platform
import re
import secrets
import signal
import threading
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

BEAT = 20.0  # seconds between two signs of life
DEAD = 600.0  # seconds without one, after which another machine takes the holder for dead


class Held(RuntimeError):
    """Another machine holds the lease; the message says which, and since when it was last heard of."""


@contextlib.contextmanager
def lease(lock: Path) -> Iterator[None]:
    """Hold the lease beside a lock that this process holds already; raises `Held`.

    Where another machine has taken this process for dead, as after a computer's sleep, it is interrupted as by Ctrl-C.
    """
    own = lock.with_name(f"{lock.name}.{secrets.token_hex(6)}")
    with beating(own):
        others = [other for other in _leases(lock) if other != own]
        if holder := _alive(lock, others):
            raise Held(holder)
        for dead in others:  # and none that has come since
            dead.unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def beating(own: Path) -> Iterator[None]:
    """Keep a file that says who this process is, and by its time of change that it lives; it goes with the block."""
    own.write_text(json.dumps({"machine": machine(), "who": f"process {os.getpid()} on {platform.node()}"}))
    ended = threading.Event()
    beats = threading.Thread(target=_beat, args=(own, ended), daemon=True)
    beats.start()
    try:
        yield
    finally:
        ended.set()
        beats.join()
        with contextlib.suppress(OSError):  # the folder may be gone
            own.unlink()


def holder_elsewhere(lock: Path) -> str:
    """Who holds the lease on another machine, in words; empty for nobody. The caller holds the lock, on this one."""
    return _alive(lock, _leases(lock))


def silence(file: Path, probe: Path) -> float:
    """Seconds since the lease's file was renewed, by the clock of the machine that has the disk.

    `probe`: a file in the same file system, whose time of change may be set. Raises `FileNotFoundError`.
    """
    os.utime(probe)
    return probe.stat().st_mtime - file.stat().st_mtime


@cache
def machine() -> str:
    """What tells this machine from others: its kernel, where it says so, since that is what knows of its locks."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return platform.node()


def _leases(lock: Path) -> list[Path]:
    named = re.compile(re.escape(lock.name) + r"\.[0-9a-f]{12}")  # and not what filelock may put beside a lock
    return sorted(path for path in lock.parent.iterdir() if named.fullmatch(path.name))


def _alive(lock: Path, leases: list[Path]) -> str:
    """Who holds one of these leases. One of this machine counts for nothing: its holder would have the lock."""
    for each in leases:
        about = {"machine": "", "who": "a process elsewhere"}
        with contextlib.suppress(FileNotFoundError):  # given back meanwhile
            with contextlib.suppress(ValueError):  # half written
                about = json.loads(each.read_text())
            silent = silence(each, lock)
            if about["machine"] != machine() and silent < DEAD:
                return f"{about['who']}, last heard of {max(0, silent):.0f} s ago; after {DEAD:.0f} s it counts as dead"
    return ""


def _beat(own: Path, ended: threading.Event) -> None:
    """Renew the lease's file every `BEAT` seconds, until it is given back or taken away."""
    while not ended.wait(BEAT):
        try:
            os.utime(own)  # to the time of the machine that has the disk, as NFS does it
        except FileNotFoundError:
            if own.parent.exists() and not ended.is_set():
                told = f"this process was not heard of for {DEAD:.0f} s, and another machine goes on with the run"
                warnings.warn(f"{own.parent}: {told}: it ends here", stacklevel=2)
                _thread.interrupt_main(signal.SIGINT)
            return
        except OSError:  # a network that is down for a moment
            continue
