"""What tests of real trainings share: settings that take a second, the command as a process, a token to look for."""

import atexit
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch

from dcgan_lib.config import Config
from dcgan_lib.faces import draw_faces

PROJECT = Path(__file__).parents[2]
MARK = "token-that-must-not-be-written-4b8d"


def quick_settings(folder, **changes):
    """A file of settings of a training on 96 painted portraits of its own: 3 steps an epoch."""
    draw_faces(folder / "faces", count=96)
    config = Config.from_file(PROJECT / "configs/quick.yaml").replace(data=folder / "faces", max_images=96, **changes)
    config.save(folder / "quick.yaml")
    return folder / "quick.yaml"


@contextlib.contextmanager
def one_thread():
    """Compute as the commands that `start` begins do: networks so small are slower on two cores than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def start(command, *arguments, ranks=1):
    """`dcgan <command>` as a process that computes on one core, and is stopped by Ctrl-C even where this one isn't.

    With several `ranks` it is torchrun, which starts as many of them.
    """
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "-m", "--"]
    given = [sys.executable, "-m", *(launcher if ranks > 1 else []), "dcgan_lib", command, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # where it is ignored, a child ignores it too
    try:
        process = subprocess.Popen(given, cwd=PROJECT, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes)
        atexit.register(_end, process)
        return process
    finally:
        signal.signal(signal.SIGINT, before)


def _end(process):
    """End a process, and the kernel that it may have started, where a test has failed to."""
    with contextlib.suppress(psutil.NoSuchProcess):
        own = psutil.Process(process.pid)
        for each in [*own.children(recursive=True), own] if process.poll() is None else []:
            each.kill()


def finish(process):
    """Wait for a process's end: its exit code, output and errors."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for(path, process, since=0.0):
    """Wait until the file is there, and newer than `since`; an `AssertionError` where the process ends before."""
    for _ in range(6000):
        if (path.exists() and path.stat().st_mtime > since) or process.poll() is not None:
            break
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()


def assert_same_weights(folder, other):
    """All that training changed is the same in both runs' checkpoints, bit for bit."""
    ours, theirs = (torch.load(f / "checkpoint.pt", weights_only=True)["gan"] for f in (folder, other))
    assert ours["step"] == theirs["step"]
    for part in ("generator", "discriminator", "averaged"):
        assert ours.get(part, {}).keys() == theirs.get(part, {}).keys()
        assert all(torch.equal(value, theirs[part][name]) for name, value in ours.get(part, {}).items())
    for part in ("optimizer_g", "optimizer_d"):
        for index, state in ours[part]["state"].items():
            assert torch.equal(state["exp_avg_sq"], theirs[part]["state"][index]["exp_avg_sq"])


def marked_token(monkeypatch):
    """Put a marked token and a mode that would send it into the environment; returns the forms it could be found in."""
    token = base64.b64encode(json.dumps({"api_address": "http://127.0.0.1:9", "api_key": MARK}).encode()).decode()
    for name, value in {"MODE": "async", "PROJECT": "some/one", "API_TOKEN": token}.items():
        monkeypatch.setenv(f"NEPTUNE_{name}", value)
    return [MARK.encode(), token[:40].encode(), token[-40:].encode()]


def places(forms, runs, *outputs):
    """Where one of the forms is: files in the folder of runs, by name or content, and outputs."""
    files = [path for path in runs.rglob("*") if path.is_file()]
    texts = {path: str(path).encode() + path.read_bytes() for path in files}
    texts |= {f"output {i}": output.encode() for i, output in enumerate(outputs)}
    return [place for place, text in texts.items() if any(form in text for form in forms)]
