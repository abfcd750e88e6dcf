"""`dcgan train`: the training notebook run by papermill in a folder of its own."""

import _thread
import argparse
import asyncio
import contextlib
import logging
import os
import pickle
import shutil
import signal
import sys
import threading
import time
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dcgan_lib.compute.interrupts import stop_like_ctrl_c
from dcgan_lib.compute.torchrun import RankLost, check_ranks, rank, ranks
from dcgan_lib.config import Config
from dcgan_lib.data import load_images
from dcgan_lib.launch.folders import (
    LAUNCHER,
    TRAINER,
    FolderTaken,
    as_word,
    check_folder,
    choose_run,
    claim,
    is_taken,
    run_folder,
)
from dcgan_lib.launch.gpus import check_device
from dcgan_lib.records.writing import FolderGone
from dcgan_lib.settings import parse_yaml

STOP_SECONDS = 180.0  # that a kernel has, once it is told to stop, to finish its step and save
STOP_SECONDS_OF_RANKS = 20.0  # the same under torchrun, which kills a launcher, and not its kernel, after 30 s
IDLE_SECONDS = 5.0  # that it has to end, once nothing trains: some never do by themselves
TAKEN = 75  # exit code of a launcher whose folder another process holds: try again later


def find_notebook() -> Path:
    """The training notebook: beside the package in a checkout, or else in ./notebooks; `FileNotFoundError` for none."""
    for project in (Path(__file__).parents[2], Path()):
        notebook = project / "notebooks/03_training.ipynb"
        if notebook.is_file():
            return notebook
    raise FileNotFoundError("the notebooks are not here: clone the course, or cd to it, where notebooks/ is")


def run_notebook(config: Config, folder: str | Path, tags: Iterable[str] = ()) -> None:
    """Execute the training notebook with these settings in a run's folder, or go on with what is there.

    `tags`: words to find the run by. Raises `OSError` or `ValueError`, before anything in the folder changes, where the
    images or the device can't be used, or the folder holds a run of others; `FolderTaken` where another process trains
    there; `FolderGone` where the folder is deleted or moved meanwhile; `RuntimeError` where a cell fails or the kernel
    is killed: the notebook as far as it got is in the folder.
    """
    notebook, folder = find_notebook(), Path(folder)
    check_ranks(config)
    check_device(config.device)
    check_folder(folder, config, load_images(config))  # prepared here, where a terminal has a bar
    if ranks() > 1:
        from dcgan_lib.launch.following import call_others  # imports torch

        call_others()
    import papermill  # takes a second to import
    from nbclient.exceptions import DeadKernelError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # it warns of settings that the notebook doesn't show
    runs = folder.parent.absolute().as_posix()  # the notebook goes to the project's folder
    executed = folder / "notebook.ipynb"
    begun, status = folder.exists(), StatusLine()
    with claim(folder, name=LAUNCHER):
        with claim(folder):
            pass  # nothing trains here now; the kernel claims the folder for itself
        print(f"{'going on with' if begun else 'starting'} {folder}", file=sys.stderr)
        try:
            papermill.execute_notebook(
                notebook,
                executed,
                parameters=config.to_dict() | {"runs": runs, "run_id": folder.name, "tags": " ".join(tags)},
                kernel_name="python3",
                progress_bar=False,
                stdout_file=status,
                kernel_manager_class=_kernel_manager(folder),
                extra_arguments=["--log-level=CRITICAL"],  # it tells of connections, and of what Ctrl-C closed
            )
        except papermill.PapermillExecutionError as error:
            if error.ename == FolderGone.__name__:
                raise FolderGone(folder) from error
            if error.ename == RankLost.__name__:
                raise RankLost(error.evalue) from error
            source = next((line for line in error.source.splitlines() if line.strip()), "")
            where = f"in cell [{error.exec_count}], {source!r}; the notebook with the traceback: {executed}"
            said = next(iter(str(error.evalue).strip().splitlines()), "")  # CUDA's go on for several lines
            raise RuntimeError(f"{error.ename}: {said}\n  {where}") from error
        except FileNotFoundError as error:  # of papermill's own, as it writes the notebook
            raise error if folder.exists() else FolderGone(folder) from error
        except DeadKernelError as error:
            died = "the kernel died, as it does when memory runs out"
            raise RuntimeError(f"{died}; {_saved(folder)}: the same command goes on") from error
        finally:
            status.bar.close()


class StatusLine:
    """A text stream of which a terminal shows the newest line, in place, and a log nothing but warnings.

    A warning is a line that begins with "!", as `LiveView` prints them: it stays.
    """

    def __init__(self) -> None:
        self.bar = tqdm(bar_format="{desc}", leave=False, disable=None)

    def write(self, text: str) -> None:
        """Show the text's last line, as far as the terminal is wide, and keep its warnings."""
        lines = text.strip().splitlines()
        for line in lines:
            if line.startswith("! "):
                self.bar.write(line, file=sys.stderr)
        for line in [line for line in lines if not line.startswith("! ")][-1:]:
            self.bar.set_description_str(line.strip()[: shutil.get_terminal_size().columns - 1])

    def flush(self) -> None:
        """Nothing waits to be written."""


def _kernel_manager(folder: Path) -> type:
    """A manager of kernels that gives one which trains in this folder the time to save, and then little to end.

    So a launcher that is told to stop ends within `STOP_SECONDS`, `IDLE_SECONDS` and what its own end takes, a second
    or two on an idle machine, whatever the kernel does; as a rule within seconds of the save.
    """
    from jupyter_client import AsyncKernelManager

    class RunKernelManager(AsyncKernelManager):
        async def _async_finish_shutdown(self, *given: Any, **options: Any) -> None:
            """Wait until the kernel, which has been told to stop, has saved; then until it ends, or kill it."""
            waiting = asyncio.all_tasks() - {asyncio.current_task()}
            for task in waiting:
                task.cancel()  # it waits for a cell's end, and would tell of a dead kernel or of closed sockets
            await asyncio.gather(*waiting, return_exceptions=True)
            saved_by = time.monotonic() + (STOP_SECONDS if ranks() == 1 else STOP_SECONDS_OF_RANKS)
            while is_taken(folder, TRAINER) and time.monotonic() < saved_by and await self.is_alive():
                await asyncio.sleep(0.1)
            self.shutdown_wait_time = IDLE_SECONDS
            await super()._async_finish_shutdown(*given, **options)

    return RunKernelManager


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """What the commands that train take alike: `--runs`, and `--set` for single settings."""
    parser.add_argument("--runs", type=_folder, default=Path("runs"), help="the folder of all runs (default: runs)")
    told = "a setting instead of the file's, as in --set max_images 256; repeatable"
    parser.add_argument("-s", "--set", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help=told)


def overrides(given: list[list[str]]) -> dict[str, Any]:
    """What `--set` was given, the values read as YAML; `ValueError` names the setting whose value is not YAML."""
    return {name: parse_yaml(value, f"--set {name}") for name, value in given}


def read_settings(given: argparse.Namespace) -> Config:
    """The Config of a file of settings and `--set`."""
    return Config.from_file(given.settings).replace(**overrides(given.set))


def warn_in_one_line() -> None:
    """Have warnings shown as what they say, without the line of the library that they come from."""
    warnings.formatwarning = lambda message, *_: f"{message}\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `dcgan train`."""
    parser.add_argument("settings", type=Path, help="a YAML file of Config's settings, such as configs/cpu.yaml")
    parser.add_argument("--run", help="the run's name; by default the unfinished run of these settings, or a new one")
    parser.add_argument("--tag", action="append", default=[], metavar="WORD", help="to find the run by; repeatable")
    parser.add_argument("--with-parent", action="store_true", help="stop and save once standard input is closed")
    add_run_options(parser)


def main(given: argparse.Namespace) -> int:
    """Train as a settings file says; returns 0, or 75 where another process trains it, or 130 where it was stopped."""
    stop_like_ctrl_c()
    warn_in_one_line()
    if given.with_parent:
        threading.Thread(target=_stop_with_parent, daemon=True).start()
    if rank() > 0:
        from dcgan_lib.launch.following import follow  # imports torch

        return follow(lambda: read_settings(given))
    config = read_settings(given)
    folder = run_folder(given.runs, given.run or choose_run(given.runs, config, as_word(given.settings.stem)))
    try:
        run_notebook(config, folder, given.tag)
    except FolderTaken as error:
        print(error, file=sys.stderr)
        return TAKEN
    except KeyboardInterrupt:
        print(f"stopped, {_saved(folder)}; the same command goes on from there", file=sys.stderr)
        return 130
    from dcgan_lib.records.reading import load_run  # pandas takes a while to import
    from dcgan_lib.records.table import runs_as_text

    record = load_run(folder)
    print(runs_as_text([record]))
    print(f"  faces  {max((folder / 'samples').glob('*.png'), default='none yet')}")
    print(f"   look  make lab, then notebooks/04_results.ipynb; what was executed is in {folder / 'notebook.ipynb'}")
    print(f"compare  dcgan runs {given.runs}")
    if record.lacking:
        print(f"{folder} is not whole: {record.lacking}", file=sys.stderr)
    return 1 if record.lacking else 0


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
    with contextlib.suppress(Exception):  # of a file that is missing, or none of ours
        with zipfile.ZipFile(folder / "checkpoint.pt") as archive:
            [pickled] = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            state = _PlainValues(archive.open(pickled)).load()
        return f"and saved after step {state['gan']['step']:,} in {folder}"
    return f"and nothing was saved yet in {folder}"


class _PlainValues(pickle.Unpickler):
    """Reads a checkpoint without its tensors, and so without torch, which a busy machine imports in half a minute."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """What stands for all that the file names, nothing of which is imported."""
        return OrderedDict if name == "OrderedDict" else lambda *given: None

    def persistent_load(self, where: Any) -> None:
        """No tensor's numbers are read."""
