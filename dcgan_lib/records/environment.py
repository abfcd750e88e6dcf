"""What a run's numbers depend on besides its settings: versions, device, threads, the commit of the code."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcgan_lib.config import Config

if TYPE_CHECKING:
    import torch


def describe(config: Config, device: "torch.device | str") -> dict[str, Any]:
    """Seed, versions, device, threads, platform, and the commit of the code, as plain values.

    `git_commit` and `git_dirty` (the library differs from that commit) are absent where there is no git checkout.
    """
    import torch

    on_gpu = str(device).startswith("cuda")
    return {
        "seed": config.seed,
        "python": platform.python_version(),
        "torch": torch.__version__,  # tells CUDA's builds apart, unlike the package's metadata
        **{package: importlib.metadata.version(package) for package in ("torchvision", "numpy", "neptune")},
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if on_gpu else platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        **git_state(Path(__file__).parents[1]),  # of the whole library
    }


def git_state(folder: Path) -> dict[str, Any]:
    """The commit that a package's folder is at, and whether it differs from it; empty where there is no checkout."""
    if "site-packages" in folder.parts:  # installed: a checkout further up would be somebody else's
        return {}
    git = ["git", "--no-optional-locks", "-C", str(folder)]
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "--", "."])
    try:
        said = [subprocess.run([*git, *c], check=True, capture_output=True, text=True).stdout for c in commands]
    except (OSError, subprocess.CalledProcessError):  # no git, no checkout, or no commit yet
        return {}
    return {"git_commit": said[0].strip(), "git_dirty": said[1] != ""}
