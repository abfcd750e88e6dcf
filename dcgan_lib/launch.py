"""`python -m dcgan_lib.launch configs/cpu.yaml`: the training notebook run by papermill in a folder of its own."""

import argparse
import contextlib
import json
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import yaml

from dcgan_lib.config import Config

NOTEBOOK = Path(__file__).parents[1] / "notebooks/03_training.ipynb"

STOP_SECONDS = 600.0  # that a kernel has, once it is told to stop, to finish its step and save; jupyter's 5 are few


class StatusLine:
    """A text stream of which a terminal shows the newest line, in place, and a log shows nothing."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.terminal = stream.isatty()

    def write(self, text: str) -> None:
        lines = [line for line in text.splitlines() if line.strip()]
        if lines and self.terminal:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write("\r" + lines[-1].strip()[:width].ljust(width))

    def flush(self) -> None:
        self.stream.flush()

    def end(self) -> None:
        """Leave the line, so that what is printed next begins on its own."""
        if self.terminal:
            self.stream.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self.stream.flush()


def is_finished(folder: Path) -> bool:
    """Whether a run's record says that its training is finished, and papermill, if it ran, got to the end."""
    from dcgan_lib.runs import load_run  # pandas takes a while to import

    try:
        if load_run(folder).state != "finished":
            return False
    except FileNotFoundError:  # stopped before there was a record
        return False
    executed = folder / "notebook.ipynb"
    if not executed.exists():
        return True
    try:
        about = json.loads(executed.read_text(encoding="utf-8"))["metadata"]["papermill"]
    except (ValueError, KeyError):
        return False
    return bool(about.get("end_time")) and not about.get("exception")


def choose_run(runs: Path, config: Config, label: str) -> str:
    """The newest unfinished run of this very Config, to go on with it, or a new name: label-date-time."""
    for folder in sorted(runs.glob(f"{label}-*"), reverse=True):
        try:
            same = Config.from_file(folder / "config.json") == config
        except (OSError, ValueError, TypeError):  # no run, or one of another version
            continue
        if same and not is_finished(folder):
            return folder.name
    return f"{label}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"  # two may start in one second


@contextlib.contextmanager
def claim(folder: Path, wait: float = 10) -> Iterator[None]:
    """Hold a run's folder: no other process trains in it meanwhile. The hold ends with the process, however it ends.

    Waits some seconds, since a killed run's kernel lives on for a moment. Raises `RuntimeError` after that.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        advice = "wait for it, or give another run_id"
        raise RuntimeError(f"{folder} is being trained by another process: {advice}") from None
    try:
        yield
    finally:
        lock.release()


def launch(config: Config, folder: Path) -> None:
    """Execute the training notebook with these settings in a run's folder, or go on with what is there.

    Raises `papermill.PapermillExecutionError` where a cell fails, and `nbclient.exceptions.DeadKernelError` where the
    kernel is killed; the notebook as far as it got is in the folder.
    """
    import papermill  # takes a second to import
    from traitlets.config import Config as Traits

    with claim(folder, wait=10):
        pass  # another process's notebook is not to be overwritten; the kernel claims the folder for itself
    status = StatusLine(sys.stderr)
    try:
        papermill.execute_notebook(
            NOTEBOOK,
            folder / "notebook.ipynb",
            parameters=config.to_dict() | {"runs": folder.parent.as_posix(), "run_id": folder.name},
            kernel_name="python3",
            progress_bar=False,
            stdout_file=status,
            config=Traits({"KernelManager": {"shutdown_wait_time": STOP_SECONDS}}),
            extra_arguments=["--log-level=ERROR"],  # the kernel's: it warns of every TCP connection, the local ones too
        )
    finally:
        status.end()


def summary(folder: Path) -> str:
    """What a person wants to know of a run that has ended: where it is, how it went, and what to do next."""
    from dcgan_lib.runs import load_run

    record = load_run(folder)
    names = [name for name in record.series_names if name.startswith("training/batch/")]
    points = {name.rsplit("/", 1)[-1]: record.series(name).iloc[-1] for name in names}
    last = "  ".join(f"{label} {point['value']:.3f}" for label, point in points.items())
    steps = max((point["step"] for point in points.values()), default=0)
    grids = sorted((folder / "samples").glob("*.png"))
    lines = {
        "run": f"{folder}  ({steps:,} steps, {record.state})",
        "losses": last or "none yet",
        "faces": grids[-1] if grids else "none yet",
        "look": f"make lab, then notebooks/04_results.ipynb; what was executed is in {folder / 'notebook.ipynb'}",
        "compare": f"python -m dcgan_lib.runs {folder.parent}",
    }
    return "\n".join(f"{label:>8}  {text}" for label, text in lines.items())


def main() -> int:
    """Train as a settings file says; 0 where the run is finished, 1 where it failed, 130 where it was stopped."""
    parser = argparse.ArgumentParser(prog="python -m dcgan_lib.launch", description=__doc__)
    parser.add_argument("settings", type=Path, help="a YAML file of Config's settings, such as configs/cpu.yaml")
    parser.add_argument("--run", help="the run's name; by default the unfinished run of these settings, or a new one")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder of all runs (default: runs)")
    parser.add_argument("-s", "--set", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's way to say what Ctrl-C says
    try:
        config = Config.from_file(given.settings).replace(**{name: yaml.safe_load(value) for name, value in given.set})
        _get_ready(config)
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        return _say(f"{given.settings}: {error}")
    except KeyboardInterrupt:
        return _say("stopped before the training began; the same command begins again", 130)

    folder = given.runs / (given.run or choose_run(given.runs, config, given.settings.stem))
    print(f"{'going on with' if folder.exists() else 'starting'} {folder}", file=sys.stderr)
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError

    executed = folder / "notebook.ipynb"
    try:
        launch(config, folder)
    except KeyboardInterrupt:
        return _say(f"stopped, {_saved(folder)}; the same command goes on from there", 130)
    except PapermillExecutionError as error:
        return _say(f"{error.ename}: {error.evalue}\n  the notebook with the traceback: {executed}")
    except DeadKernelError:
        return _say(f"the kernel died, as it does for want of memory; {_saved(folder)}: the same command goes on")
    except RuntimeError as error:
        return _say(str(error))
    print(summary(folder))
    return 0


def _get_ready(config: Config) -> None:
    """Draw and prepare the images here, where a terminal has a bar, and bad data is told before a run begins."""
    from dcgan_lib.data import prepare  # takes a few seconds to import
    from dcgan_lib.faces import draw_faces

    if config.data == "data/faces":
        draw_faces(config.data)
    prepare(config.data, config.image_size, config.channels, config.max_images)


def _saved(folder: Path) -> str:
    from dcgan_lib.checkpoint import load

    try:
        return f"and saved after step {load(folder / 'checkpoint.pt')['gan']['step']:,} in {folder}"
    except (OSError, ValueError, KeyError):
        return f"and nothing was saved yet in {folder}"


def _say(message: str, code: int = 1) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
