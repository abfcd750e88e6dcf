"""What a container may use: its memory and its cores, which are fewer than the host's."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def memory_bytes(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that this process may use: the machine's, or less where Docker, Slurm or Kubernetes set a limit.

    Reads control groups of version 1 and 2, from the process's own up to the root.
    """
    import psutil

    return min([psutil.virtual_memory().total, *_limits(cgroups, own)])


def _limits(cgroups: Path, own: Path) -> Iterator[int]:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":  # version 2
                root, file = cgroups, "memory.max"
            elif "memory" in controllers.split(","):
                root, file = cgroups / "memory", "memory.limit_in_bytes"
            else:
                continue
            place = root / path.strip("/")
            for folder in (place, *place.parents):
                if folder.is_relative_to(root):
                    with contextlib.suppress(OSError, ValueError):  # not there, or "max"
                        yield int((folder / file).read_text())


def share_cores() -> None:
    """Have PyTorch compute with as many threads as the container has cores; without effect where it has all.

    PyTorch counts the host's cores, and threads that wait for a core slow all others down. `OMP_NUM_THREADS` wins.
    """
    import joblib  # which knows quotas of both versions
    import torch

    if "OMP_NUM_THREADS" not in os.environ and joblib.cpu_count() < torch.get_num_threads():
        torch.set_num_threads(joblib.cpu_count())
