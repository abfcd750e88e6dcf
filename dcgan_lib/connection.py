"""Sends a run's record to a Neptune server while it is being written, from a process of its own.

The client may hang there, retry for minutes or break down: the training and its record on this machine go on.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from dcgan_lib.journal import Journal, Process, find_processes

CHECK_SECONDS = 5.0  # for the server to answer, whole
START_SECONDS = 30.0  # for the client to begin a run there
STOP_SECONDS = 30.0  # for what the server has not got yet, once the run has ended
_EVERY_SECONDS = 1.0  # what is new in the record is sent

_SPECIFICATION = "/api/backend/swagger.json"  # what the client asks a server for first
_MOST_BYTES = 20_000_000  # of that answer; Neptune's own had less than one
_READY, _DELIVERED = "ready", "delivered"

Answer = Callable[..., None]  # says a line to the process of the training, and ends this one


class NotConnected(Exception):
    """Why a record does not reach the server: one line, without secrets."""


class Mirror:
    """What is written to `record`, a process's own folder in `<run>/neptune/offline`, goes to the server as well.

    The server's address comes from `NEPTUNE_API_TOKEN`, the project from `NEPTUNE_PROJECT`. Raises `NotConnected`
    where the server does not answer within `CHECK_SECONDS`, or the client does not begin within `START_SECONDS`.
    """

    def __init__(self, record: Path) -> None:
        limits = [str(seconds) for seconds in (CHECK_SECONDS, START_SECONDS, STOP_SECONDS)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dcgan_lib.connection", record.resolve(), *limits],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,  # its end tells of the run's end, however this process ends
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # retries, tracebacks
                text=True,
                start_new_session=True,  # Ctrl-C is for the training
            )
        except OSError as error:
            raise NotConnected(f"the process that sends the record could not be started: {_reason(error)}") from error
        answer = self._process.stdout.readline().strip()  # comes in time: the process limits itself
        if answer != _READY:
            self._end()
            raise NotConnected(answer or "the process that sends the record broke down")

    def finish(self) -> None:
        """Wait until the server has all of it, for `STOP_SECONDS` at most; raises `NotConnected` where it has not."""
        answer = self._end()
        if answer != _DELIVERED:
            raise NotConnected(answer or "the process that sends the record broke down")

    def _end(self) -> str:
        try:
            answer, _ = self._process.communicate(timeout=STOP_SECONDS + 5)
        except subprocess.TimeoutExpired:  # it is suspended, or the machine is very busy
            self._process.kill()
            answer, _ = self._process.communicate()
        return answer.strip()


def server_address() -> str:
    """The address within `NEPTUNE_API_TOKEN`, as the client reads it; raises `NotConnected` where there is none."""
    token = os.environ.get("NEPTUNE_API_TOKEN", "").strip()
    if not token:
        raise NotConnected("no token: set NEPTUNE_API_TOKEN")
    if token == "ANONYMOUS":
        raise NotConnected("the token ANONYMOUS belonged to Neptune's own service, which is gone")
    try:
        content = json.loads(base64.b64decode(token))
        address = content.get("api_url") or content["api_address"]
        address = address if "://" in address else f"https://{address}"
        shown_address(address)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotConnected("NEPTUNE_API_TOKEN is damaged: copy it once more") from None
    if not os.environ.get("NEPTUNE_PROJECT"):
        raise NotConnected("no project: set NEPTUNE_PROJECT to workspace/project")
    return address


def shown_address(address: str) -> str:
    """Scheme, host and port alone: what else an address holds may be secret. `ValueError` where there is no host."""
    parts = urlsplit(address)
    if not parts.hostname:
        raise ValueError("no host")
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def check(address: str) -> None:
    """Ask the server for what the client asks first, however long it takes.

    Raises `NotConnected` for an answer that isn't Neptune's, and what `requests` raises for none.
    """
    import requests

    trusting = bool(os.environ.get("NEPTUNE_ALLOW_SELF_SIGNED_CERTIFICATE"))
    with requests.get(urljoin(address, _SPECIFICATION), stream=True, verify=not trusting) as response:
        if response.status_code != 200:
            raise NotConnected(f"answered {response.status_code}")
        body = bytearray()
        for chunk in response.iter_content(65_536):
            body += chunk
            if len(body) > _MOST_BYTES:
                raise NotConnected("sent an answer without end")
    try:
        json.loads(body)["paths"]
    except (ValueError, KeyError, TypeError):
        raise NotConnected("answered with something else than Neptune's interface") from None


def follow(record: Path, ended: threading.Event) -> Iterator[dict[str, Any]]:
    """The record's operations as they come, each once, until `ended` is set and the last of them is read."""
    journal, process = Journal(record), Process(datetime.now(UTC), record, "")
    newest = 0
    while True:
        last = ended.wait(_EVERY_SECONDS)  # asked before reading: what was written before the end is read after it
        for _, _, line in journal.new_lines([process]):
            entry = json.loads(line)
            if entry["version"] > newest:  # not what a forked worker has written a second time
                newest = entry["version"]
                yield entry["obj"]
        if last:
            return


def send(record: Path, ended: threading.Event, run: Any) -> None:
    """Give the record's operations to `run`, an open Neptune run, as they are: values, steps and times."""
    from neptune.internal.operation import Operation

    for content in follow(record, ended):
        operation = Operation.from_dict(content)
        if content.get("tmp_file_name"):  # by path: the client deletes a file of its own once it is sent
            operation.file_path = str(record / "upload_path" / content["tmp_file_name"])
            operation.tmp_file_name = None
        with run.lock():
            run._op_processor.enqueue_operation(operation, wait=False)


def _connect_and_send(record: Path, limits: list[float], answer: Answer) -> None:
    check_seconds, start_seconds, stop_seconds = limits
    address = server_address()
    shown = shown_address(address)
    try:
        with _at_most(check_seconds, answer, f"{shown} did not answer within {check_seconds:g} s"):
            check(address)
        import neptune

        first = find_processes(record.parents[1], record.parents[2])[0][0]
        with _at_most(start_seconds, answer, f"{shown} began no run within {start_seconds:g} s"):
            run = neptune.init_run(
                mode="async",
                custom_run_id=first.uuid,  # the same for all processes of a run, and for no other run
                name=record.parents[2].name,
                flush_period=_EVERY_SECONDS,
                capture_stdout=False,
                capture_stderr=False,
                capture_hardware_metrics=False,
                capture_traceback=False,  # the record has the training's own
                git_ref=False,
                source_files=[],
            )
    except NotConnected as error:
        raise NotConnected(f"{shown} {error}") from None
    except Exception as error:
        raise NotConnected(f"{shown} could not be used: {_reason(error)}") from None
    answer(_READY, last=False)

    ended = threading.Event()
    threading.Thread(target=_await_end, args=(ended,), daemon=True).start()
    send(record, ended, run)
    with _at_most(stop_seconds, answer, f"{shown} did not take all within {stop_seconds:g} s"):
        run.wait()
    answer(_DELIVERED)


def _await_end(ended: threading.Event) -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: the pipe closes with the run, or with its process
    ended.set()


@contextlib.contextmanager
def _at_most(seconds: float, answer: Answer, otherwise: str) -> Iterator[None]:
    """End this process, with a line, where the block takes longer: nothing else stops a name server or a client."""
    timer = threading.Timer(seconds, answer, [otherwise])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _reason(error: BaseException) -> str:
    """What is at the bottom of an exception: the system's own words, or else a name; a message may hold the token."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__


def main() -> None:
    """What `Mirror` starts: its first line says "ready" or why not, its last "delivered" or why not."""
    record, *limits = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the client prints, too
    queue = tempfile.mkdtemp(prefix="neptune-")  # for what the client has not sent yet
    os.environ["NEPTUNE_DATA_DIRECTORY"] = queue

    def answer(line: str, last: bool = True) -> None:
        if last:
            shutil.rmtree(queue, ignore_errors=True)
        with contextlib.suppress(OSError):  # the training was killed
            print(line, file=answers, flush=True)
        if last:
            os._exit(0)  # the client's own way out waits for the server, as long as it takes

    try:
        _connect_and_send(Path(record), [float(seconds) for seconds in limits], answer)
    except NotConnected as error:
        answer(str(error))
    except Exception as error:
        answer(f"the server stopped taking this run's record: {_reason(error)}")


if __name__ == "__main__":
    main()
