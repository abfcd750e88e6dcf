"""`python -m dcgan_lib.launch configs/cpu.yaml`: the training notebook run by papermill in a folder of its own."""

import _thread
import argparse
import contextlib
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from dcgan_lib.compute.interrupts import stop_once
from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, prepare
from dcgan_lib.faces import draw_faces
from dcgan_lib.launch.status_line import StatusLine
from dcgan_lib.settings import parse_yaml

NOTEBOOK = Path(__file__).parents[2] / "notebooks/03_training.ipynb"

STOP_SECONDS = 600.0  # that a kernel has, once it is told to stop, to finish its step and save
IDLE_SECONDS = 5.0  # that it has where nothing trains: jupyter's own; some never end by themselves

LAUNCHER = ".launcher.lock"  # held by whoever writes a run's notebook, as .lock is by the kernel that trains
TAKEN = 75  # exit code of a launcher whose folder another process holds: try again later


def is_finished(folder: Path) -> bool:
    """Whether a run's record says that its training is finished, and papermill, if it ran, got to the end."""
    from dcgan_lib.records.reading import load_run  # pandas takes a while to import

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


class FolderTaken(RuntimeError):
    """Another process holds the run's folder."""


@contextlib.contextmanager
def claim(folder: Path, wait: float = 10, name: str = ".lock") -> Iterator[None]:
    """Hold a run's folder: no other process trains in it meanwhile. The hold ends with the process, however it ends.

    Waits some seconds, since a killed run's kernel lives on for a moment. Raises `FolderTaken` after that.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / name, timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        advice = "wait for it, or give another run_id"
        raise FolderTaken(f"{folder} is being trained by another process: {advice}") from None
    try:
        yield
    finally:
        lock.release()


def launch(config: Config, folder: Path, tags: Iterable[str] = ()) -> None:
    """Execute the training notebook with these settings in a run's folder, or go on with what is there.

    `tags`: words to find the run by. Raises `FolderTaken` where another process trains there,
    `papermill.PapermillExecutionError` where a cell fails, and `nbclient.exceptions.DeadKernelError` where the
    kernel is killed; the notebook as far as it got is in the folder.
    """
    import papermill  # takes a second to import

    of_the_run = {"runs": folder.parent.as_posix(), "run_id": folder.name, "tags": " ".join(tags)}
    with claim(folder, name=LAUNCHER):
        with claim(folder):
            pass  # nothing trains here now; the kernel claims the folder for itself
        status = StatusLine(sys.stderr)
        try:
            papermill.execute_notebook(
                NOTEBOOK,
                folder / "notebook.ipynb",
                parameters=config.to_dict() | of_the_run,
                kernel_name="python3",
                progress_bar=False,
                stdout_file=status,
                kernel_manager_class=_kernel_manager(folder),
                extra_arguments=["--log-level=ERROR"],  # the kernel's: it warns of every TCP connection, local ones too
            )
        finally:
            status.end()


def _kernel_manager(folder: Path) -> type:
    """A manager of kernels that gives one which trains in this folder the time to save, and an idle one little."""
    from jupyter_client import AsyncKernelManager

    class RunKernelManager(AsyncKernelManager):
        @property
        def shutdown_wait_time(self) -> float:  # asked for once the kernel has been told to stop
            try:
                with claim(folder, wait=0):
                    return IDLE_SECONDS
            except FolderTaken:
                return STOP_SECONDS

    return RunKernelManager


def summary(folder: Path) -> str:
    """What a person wants to know of a run that has ended: where it is, how it went, and what to do next."""
    from dcgan_lib.records.reading import load_run

    record = load_run(folder)
    names = [name for name in record.series_names if name.startswith("training/batch/")]
    last = "  ".join(f"{name.rsplit('/', 1)[-1]} {record.last(name)[1]:.3f}" for name in names)
    grids = sorted((folder / "samples").glob("*.png"))
    lines = {
        "run": f"{folder}  ({record.steps:,} steps, {record.state})",
        "losses": last or "none yet",
        "faces": grids[-1] if grids else "none yet",
        "look": f"make lab, then notebooks/04_results.ipynb; what was executed is in {folder / 'notebook.ipynb'}",
        "compare": f"python -m dcgan_lib.runs {folder.parent}",
    }
    return "\n".join(f"{label:>8}  {text}" for label, text in lines.items())


class Arguments(argparse.ArgumentParser):
    """What the commands that train take alike: `--runs`, and `--set` for single settings."""

    def __init__(self, module: str, description: str) -> None:
        super().__init__(prog=f"python -m dcgan_lib.{module}", description=description)
        self.add_argument("--runs", type=_folder, default=Path("runs"), help="the folder of all runs (default: runs)")
        given = "a setting instead of the file's, for all runs, as in --set max_images 256; repeatable"
        self.add_argument("-s", "--set", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help=given)

    def parse_args(self, *arguments: Any) -> argparse.Namespace:
        given = super().parse_args(*arguments)
        if not Path("dcgan_lib").is_dir():  # from where notebook 3 would look for the runs, and this for its images
            self.error(f"run it in the project's folder: cd {NOTEBOOK.parents[1]}")
        return given

    def error(self, message: str) -> NoReturn:
        if "--set: expected" in message:
            message = "--set takes a name and a value, as in --set max_images 256"
        super().error(message)


def overrides(given: list[list[str]]) -> dict[str, Any]:
    """What `--set` was given, the values read as YAML; `ValueError` names the setting whose value is none."""
    return {name: parse_yaml(value, f"--set {name}") for name, value in given}


def main() -> int:
    """Train as a settings file says.

    Gives 0 where the run is finished, 1 where it failed, 75 where another process trains it, 130 where it was stopped.
    """
    parser = Arguments("launch", __doc__)
    parser.add_argument("settings", type=Path, help="a YAML file of Config's settings, such as configs/cpu.yaml")
    parser.add_argument("--run", help="the run's name; by default the unfinished run of these settings, or a new one")
    parser.add_argument("--tag", action="append", default=[], metavar="WORD", help="to find the run by; repeatable")
    parser.add_argument("--with-parent", action="store_true", help="stop and save once standard input is closed")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, stop_once)
    if given.with_parent:
        threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        config = Config.from_file(given.settings).replace(**overrides(given.set))
        from nbclient.exceptions import DeadKernelError
        from papermill import PapermillExecutionError

        if not given.with_parent:  # which has done so for all its runs
            load_images(config)
    except (OSError, ValueError, TypeError) as error:
        return _say(str(error))
    except KeyboardInterrupt:
        return _say("stopped before the training began; the same command begins again", 130)

    folder = given.runs / (given.run or choose_run(given.runs, config, given.settings.stem))
    print(f"{'going on with' if folder.exists() else 'starting'} {folder}", file=sys.stderr)
    executed = folder / "notebook.ipynb"
    try:
        launch(config, folder, given.tag)
    except KeyboardInterrupt:
        return _say(f"stopped, {_saved(folder)}; the same command goes on from there", 130)
    except PapermillExecutionError as error:
        source = next((line for line in error.source.splitlines() if line.strip()), "")
        cell = f"cell [{error.exec_count}], {source!r}"
        return _say(f"{error.ename}: {error.evalue}\n  in {cell}; the notebook with the traceback: {executed}")
    except DeadKernelError:
        return _say(f"the kernel died, as it does for want of memory; {_saved(folder)}: the same command goes on")
    except RuntimeError as error:
        return _say(str(error), TAKEN if isinstance(error, FolderTaken) else 1)
    print(summary(folder))
    return 0


def load_images(config: Config) -> ImageSet:
    """Draw and prepare the images here, where a terminal has a bar, and bad data is told before a run begins."""
    if config.data == "data/faces":
        draw_faces(config.data)
    return prepare(config.data, config.image_size, config.channels, config.max_images)


def _folder(text: str) -> Path:
    if Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text} is a file: give a folder")
    return Path(text)


def _stop_with_parent() -> None:
    """Wait until standard input is closed, which every system does when the process at its other end is gone."""
    while os.read(0, 1024):  # not sys.stdin, which would be locked when this process ends
        pass
    _thread.interrupt_main(signal.SIGTERM)


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
