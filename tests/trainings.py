"""What the tests of real trainings share: settings that take a second, and the commands as processes."""

import subprocess
import sys
import time
from pathlib import Path

from dcgan_lib.config import Config
from dcgan_lib.faces import draw_faces

PROJECT = Path(__file__).parents[1]


def quick_settings(folder, **changes):
    """A file of settings of a training on 96 drawn faces of its own: 3 steps an epoch."""
    draw_faces(folder / "faces", count=96)
    config = Config.from_file(PROJECT / "configs/quick.yaml").replace(data=folder / "faces", max_images=96, **changes)
    config.save(folder / "quick.yaml")
    return folder / "quick.yaml"


def start(module, *arguments):
    """`python -m dcgan_lib.<module>` as a process."""
    command = [sys.executable, "-m", f"dcgan_lib.{module}", *map(str, arguments)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """Wait for a process's end: its exit code, output and errors."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for(path, process):
    """Wait until the file is there; an `AssertionError` with what the process said where it ends before."""
    for _ in range(1200):
        if path.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    assert path.exists(), process.communicate()
