"""The runs of a sweep on the machines of a Ray or Dask cluster, which share the project's folder with this one."""

import contextlib
import importlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import joblib

from dcgan_lib.launch.lease import DEAD, beating, silence
from dcgan_lib.launch.sweep_file import SweepRun
from dcgan_lib.launch.worker import Outcome, say, train_in_process

BACKENDS = ("ray", "dask")
LOOK = 1.0  # seconds between two looks at what has ended, and at whether to stop


class Engine(NamedTuple):
    """What a sweep needs of a cluster."""

    submit: Callable[..., Any]  # (gpus, function, *arguments): a future
    ready: Callable[[list[Any]], list[Any]]  # those of these futures that have ended, after `LOOK` seconds at most
    result: Callable[[Any], Any]  # of a future that has ended; raises what the function raised
    gpus: int  # in the whole cluster, as far as it says


@contextlib.contextmanager
def connect(backend: str, address: str | None = None) -> Iterator[Engine]:
    """Connect to the cluster at this address, or start one on this machine.

    Raises `RuntimeError` where the package is missing, and `OSError` where no cluster answers.
    """
    try:
        importlib.import_module({"ray": "ray", "dask": "distributed"}[backend])
    except ImportError as error:
        raise RuntimeError(f"--backend {backend} needs packages: pip install -r requirements-cluster.txt") from error
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context({"ray": _ray, "dask": _dask}[backend](address))
        except (OSError, RuntimeError, ValueError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise OSError(f"no {backend.title()} cluster at {address or 'this machine'}: {reason}") from error
        yield engine


def train_on_cluster(
    engine: Engine,
    backend: str,
    jobs: int,
    runs: list[SweepRun],
    home: Path,
    steps: dict[str, int],
    stop: threading.Event,
) -> dict[str, Outcome]:
    """Train these runs in the folder `home`, at most `jobs` at a time, each on a GPU if the cluster has any.

    Where `stop` is set, or this process is not heard of for `lease.DEAD` seconds, those that train save and end.
    """
    outcomes = {run.name: Outcome("not begun") for run in runs}
    waiting, running = list(runs), {}
    home = home.resolve()
    going_on = home / f".sweep-{secrets.token_hex(6)}"  # as long as it is there, the runs are wanted
    home.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as alive:
        alive.enter_context(beating(going_on))
        for left_over in home.glob(".sweep-*"):
            if not _wanted(left_over):
                left_over.unlink(missing_ok=True)
        while running or (waiting and not stop.is_set()):
            if stop.is_set():
                alive.close()
            while waiting and len(running) < jobs and not stop.is_set():
                run = waiting.pop(0)
                gpus = int(engine.gpus > 0 and run.config.device != "cpu")
                given = (backend, run, home / run.name, steps[run.name], going_on, Path.cwd())
                running[engine.submit(gpus, train_remotely, *given)] = run.name
            for future in engine.ready(list(running)) if running else []:
                name = running.pop(future)
                try:
                    outcomes[name] = engine.result(future)
                except Exception as error:  # its machine is gone, or the package is not there: the other runs go on
                    said = str(error).strip().splitlines() or [type(error).__name__]  # Ray's ends with what happened
                    outcomes[name] = Outcome("failed", said[-1])
                    say(f"{name}: failed: {outcomes[name].said}")
    return outcomes


def train_remotely(backend: str, run: SweepRun, folder: Path, steps: int, going_on: Path, project: Path) -> Outcome:
    """Train one run as `train_in_process` does, on the machine of the cluster that calls this.

    `project`: the folder that settings may name files in, at the same place on all machines.
    """
    tell, threads = print, 0  # Ray passes on what is printed, and gives as many threads as cores
    if backend == "dask":
        import distributed

        worker = distributed.get_worker()
        tell, threads = partial(worker.log_event, "print"), max(1, joblib.cpu_count() // worker.state.nthreads)
    stop, ended = threading.Event(), threading.Event()

    def look() -> None:
        with contextlib.suppress(OSError):  # a network that is down for a moment
            if not _wanted(going_on):
                stop.set()

    def watch() -> None:
        while not ended.wait(LOOK):
            look()

    look()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        return train_in_process(run, folder, steps, threads, stop, tell, project)
    finally:
        ended.set()
        watcher.join()


def _wanted(going_on: Path) -> bool:
    """Whether the sweep that keeps this file is alive and wants its runs; the clock is that of the disk's machine."""
    try:
        return silence(going_on, going_on.parent) < DEAD
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _ray(address: str | None) -> Iterator[Engine]:
    import ray

    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()  # ray.init waits for minutes
    ray.init(address, logging_level="error", **({} if address else {"include_dashboard": False}))

    def submit(gpus: int, function: Callable[..., Any], *arguments: Any) -> Any:
        return ray.remote(num_cpus=1, num_gpus=gpus)(function).remote(*arguments)

    def ready(futures: list[Any]) -> list[Any]:
        return ray.wait(futures, num_returns=1, timeout=LOOK)[0]

    try:
        yield Engine(submit, ready, ray.get, int(ray.cluster_resources().get("GPU", 0)))
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _dask(address: str | None) -> Iterator[Engine]:
    import distributed

    with distributed.Client(address, **({} if address else {"processes": False, "dashboard_address": None})) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        gpus = sum(int(worker["resources"].get("GPU", 0)) for worker in workers)

        def submit(gpus: int, function: Callable[..., Any], *arguments: Any) -> Any:
            return client.submit(function, *arguments, resources={"GPU": gpus} if gpus else None, pure=False)

        def ready(futures: list[Any]) -> list[Any]:
            with contextlib.suppress(TimeoutError):
                distributed.wait(futures, LOOK, "FIRST_COMPLETED")
            return [future for future in futures if future.done()]

        yield Engine(submit, ready, distributed.Future.result, gpus)
