"""Ctrl-C, a scheduler's SIGTERM and a closed terminal, as a request that is met when there is nothing half done."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

#: SIGHUP, which Windows hasn't got, comes when a terminal is closed; `nohup` has it ignored, and that is kept.
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _asked(number: int) -> bool:
    return number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) is not signal.SIG_IGN


@contextlib.contextmanager
def stop_requests(stop: threading.Event) -> Iterator[None]:
    """Have SIGINT, SIGTERM and SIGHUP set `stop`; the same one again does what it would have done without this.

    A step that is broken off has updated D and not G: nothing that could be saved, or resumed exactly. Two different
    ones are one request: Slurm sends SIGTERM to every process of a job, and the launcher then interrupts its kernel.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING) if _asked(number)}
    before = {number: handler for number, handler in handlers.items() if handler is not None}  # None: not Python's

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request(number: int, frame: Any) -> None:
        stop.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, request)
    try:
        yield
    finally:
        put_back()


def stop_like_ctrl_c() -> None:
    """Have SIGTERM and SIGHUP do what Ctrl-C does."""
    for number in filter(_asked, ENDING):
        signal.signal(number, stop_once)


def stop_once(number: int, frame: Any) -> NoReturn:
    """A handler that does what Ctrl-C does; said again while the run saves, by whichever signal, it does no harm."""
    for each in ENDING:  # a terminal that closes may send both
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
