"""Signals that ask a process to end."""

import os
import signal

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
