"""What torchrun tells a process: which one it is of those that train one GAN together. It loads no torch."""

import os

from dcgan_lib.config import Config


class RankLost(RuntimeError):
    """Another rank has ended or doesn't answer; without a text where another rank tells it."""


def rank() -> int:
    """This process's number, from 0; that of a process by itself is 0."""
    return int(os.environ["RANK"]) if ranks() > 1 else 0


def ranks() -> int:
    """How many processes train together, on all machines: 1 unless torchrun started this one with others."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def check_ranks(config: Config) -> None:
    """`ValueError` where the ranks can't share a batch evenly, with two images each at least."""
    if config.batch_size % ranks() or config.batch_size < 2 * ranks() > 2:
        advice = f"make it a multiple of {ranks()}, two images each at least"
        raise ValueError(f"batch_size is {config.batch_size}, which {ranks()} ranks can't share: {advice}")


def own_gpu(name: str, count: int) -> str:
    """The GPU of this rank, "cuda:1", say, for the device "cuda" of a machine with so many; alone, "cuda" itself.

    Raises `ValueError` where the machine has fewer GPUs than ranks, or `name` gives one GPU to all of them.
    """
    if ranks() == 1 or not name.startswith("cuda"):
        return name
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    if name != "cuda":
        raise ValueError(f"device is {name!r}, but each of {ranks()} ranks takes a GPU of its own: set it to cuda")
    if here > count > 0:
        advice = f"start {count}, or set device to cpu"
        raise ValueError(f"{here} ranks were started on a machine with {count} GPU{'s' * (count > 1)}: {advice}")
    return f"cuda:{os.environ['LOCAL_RANK']}"
