"""How many runs this machine trains at a time, and on which of its GPUs."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from dcgan_lib.compute.torchrun import own_gpu, ranks
from dcgan_lib.config import Config

MEMORY = 2 << 30  # bytes for a run on the CPU: at the sizes of configs/cpu.yaml it takes at most 1.7 GB


def default_jobs(configs: list[Config]) -> int:
    """One run a GPU at a time, or without GPUs one a core that has memory."""
    import joblib

    from dcgan_lib.compute.limits import memory_bytes

    gpus = gpus_for("auto") if any(config.device != "cpu" for config in configs) else []
    most = len(gpus) or min(joblib.cpu_count(), memory_bytes() // MEMORY)
    return max(1, min(len(configs), most))


def gpus_for(device: str) -> list[str]:
    """The GPUs that a run with this setting may use, as CUDA_VISIBLE_DEVICES names them; none for the CPU."""
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cuda"):
        return []
    import torch  # takes seconds to import

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count)))).split(",")[:count]
    return [gpu.strip() for index, gpu in enumerate(visible) if number in ("", str(index))]


def check_device(device: str) -> None:
    """`ValueError` for a device that is not here, or not for each rank of this machine.

    A GPU that is here is not tried, which would take memory from it.
    """
    if device == "cpu" or (device == "auto" and ranks() == 1):  # nothing that could be missing: no need to load torch
        return
    if gpus := gpus_for(device):
        own_gpu("cuda" if device == "auto" else device, len(gpus))
    elif device != "auto":
        from dcgan_lib.compute.device import choose_device

        choose_device(device)


@contextlib.contextmanager
def one_gpu(device: str, stop: Event) -> Iterator[dict[str, str]]:
    """Hold a GPU that no run of any sweep holds; gives the environment that shows it alone.

    Waits until one is free, or `stop` is set. Without GPUs, or for the CPU, there is nothing to wait for.
    """
    from filelock import FileLock, Timeout

    gpus = gpus_for(device)
    while gpus and not stop.is_set():
        for gpu in gpus:
            lock = FileLock(Path(tempfile.gettempdir()) / f"dcgan-gpu-{gpu.replace('/', '-')}.lock", mode=0o666)
            with contextlib.suppress(Timeout), lock.acquire(blocking=False):  # for all users of the machine
                yield {} if ":" in device else {"CUDA_VISIBLE_DEVICES": gpu}
                return
        stop.wait(1)
    yield {}
