"""What tests of real trainings share: settings that take a second, the commands as processes, a token to look for."""

import base64
import json
import subprocess
import sys
import time
from pathlib import Path

from dcgan_lib.config import Config
from dcgan_lib.faces import draw_faces

PROJECT = Path(__file__).parents[2]
MARK = "token-that-must-not-be-written-4b8d"


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
