"""Signals that ask a process to end."""

import os
import signal
import threading

import pytest

from dcgan_lib.compute import interrupts


@pytest.mark.skipif(os.name != "posix", reason="stops by signals")
def test_a_signal_that_comes_while_the_run_saves_does_no_harm(terminal):
    before = {number: signal.getsignal(number) for number in interrupts.ENDING}
    try:
        interrupts.stop_like_ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGHUP)
        for number in (signal.SIGTERM, signal.SIGHUP):  # of a terminal that closes
            os.kill(os.getpid(), number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.skipif(os.name != "posix", reason="stops by signals")
def test_two_kinds_of_signal_are_one_request_and_the_same_again_is_insistence(ctrl_c):
    before, stop = signal.getsignal(signal.SIGTERM), threading.Event()
    with interrupts.stop_requests(stop):
        for number in (signal.SIGTERM, signal.SIGINT):  # of Slurm to all processes, and of the launcher to its kernel
            os.kill(os.getpid(), number)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before
