"""Where to compute, in which precision, and from which memory."""

import ctypes
import functools
import sys
import time

import torch

from dcgan_lib.compute.limits import share_cores
from dcgan_lib.compute.torchrun import own_gpu

WORTH = 0.85  # share of fp32's time from which bf16 is taken: clear of what chance makes of a measurement


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" takes CUDA, then Apple's MPS, then the CPU. Each rank has a GPU of its own.

    Raises `ValueError` for an unknown name, or a device that this machine does not have.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(own_gpu(name, torch.cuda.device_count()))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f'device is {name!r}, which this machine does not have: try "auto" or "cpu"') from error
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """ "fp32" or "bf16"; "auto" takes bf16 on a GPU that multiplies it natively, and on a CPU where it is quicker."""
    if name != "auto":
        return name
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # A name that PyTorch may change; it has no public one yet.
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        native = device.type == "cpu" and supported() and share_of_time() < WORTH
    return "bf16" if native else "fp32"


@functools.cache
def share_of_time() -> float:
    """How long this CPU takes in bf16 for a DCGAN's hidden layer and its gradients, as a multiple of fp32.

    Measured once a process, in about 0.2 s: among processors that have the instruction some take 0.6 times as long,
    others 1.2 times. The shortest of several turns, taken alternately and on one core, since others may be computing.
    """
    sizes = ((16, 64, 16, 16), (128, 64, 4, 4))  # of the maps and the weight; drawn, they would move random states
    maps, weight = (torch.ones(size).to(memory_format=torch.channels_last).requires_grad_() for size in sizes)
    took: dict[bool, list[float]] = {True: [], False: []}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for turn in range(10):
            began, half = time.perf_counter(), bool(turn % 2)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                torch.nn.functional.conv2d(maps, weight, stride=2, padding=1).sum().backward()
            took[half].append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return min(took[True]) / min(took[False])


def tune(device: torch.device) -> None:
    """What makes training on a device faster, for the rest of the process; on a CPU the results stay the same."""
    if device.type == "cpu":
        keep_freed_memory()
        share_cores()
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.deterministic  # the sizes are the same at every step


def keep_freed_memory() -> None:
    """Tell glibc to keep what PyTorch frees, for the rest of the process; elsewhere without effect.

    It would give every tensor above 32 MB back to the system and ask for it again, and the top of its heap as well:
    a training step at full width on the CPU then waits for 6,600 page faults, some 7 % of its time.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl has none
        return
    for parameter, value in ((-4, 0), (-1, 2**31 - 1), (-2, 1 << 26)):  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD
        mallopt(parameter, value)
