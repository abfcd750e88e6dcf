"""One run of a sweep: when it is trained, and how its end is told."""

import threading
from unittest.mock import Mock

import pytest

from dcgan_lib.config import Config
from dcgan_lib.launch import worker
from dcgan_lib.launch.folders import LAUNCHER, TRAINER, claim
from dcgan_lib.launch.notebook import TAKEN
from dcgan_lib.launch.sweep_file import SweepRun

RUN = SweepRun("mine-1", Config(device="cpu"), "mine")


@pytest.fixture
def launch(monkeypatch):
    """Takes the place of the launcher's process, and of what it answers: exit code and last words."""
    launch = Mock(return_value=(0, ""))
    monkeypatch.setattr(worker, "_launch", launch)
    return launch


@pytest.fixture
def train(tmp_path):
    """Trains the run in a folder of the test's own."""

    def train(threads=0, stop=None):
        return worker.train_in_process(RUN, tmp_path / "mine-1", 12, threads, stop or threading.Event())

    return train


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A function that puts a shell script in the place of the launcher's Python."""

    def put(text):
        (tmp_path / "python").write_bytes(b"#!/bin/sh\n" + text)
        (tmp_path / "python").chmod(0o755)
        monkeypatch.setattr(worker.sys, "executable", str(tmp_path / "python"))

    return put


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((0, ""), ("finished", "")),
        ((130, "stopped, and saved"), ("interrupted", "")),
        ((TAKEN, "is being trained"), ("trained elsewhere", "")),
        ((1, "ValueError: no\n  in cell [3]"), ("failed", "ValueError: no\n  in cell [3]")),
        (OSError(28, "No space left on device"), ("failed", "OSError: [Errno 28] No space left on device")),
    ],
)
def test_the_launchers_exit_says_how_the_run_ended(launch, train, capsys, answer, outcome):
    launch.side_effect = [answer]
    assert train() == outcome
    told = ": ".join(filter(None, ["mine-1", outcome[0], outcome[1].split("\n")[0]]))
    assert capsys.readouterr().out == f"mine-1: begins\n{told}\n"


def test_last_words_in_another_code_are_told_as_far_as_they_can_be_read(script, train):
    script(b"printf 'a warning\\nthe disk is f\\374ll\\n  in cell [3]\\n' >&2\nexit 1\n")
    assert train() == ("failed", "the disk is f\ufffdll\n  in cell [3]")
    script(b"kill -9 $$")
    assert train() == ("failed", "its launcher was killed by signal 9; the same command goes on")


def test_a_request_to_stop_closes_the_launchers_input_and_waits_for_its_end(script, train, tmp_path, capsys):
    stop = threading.Event()
    script(b'echo "$@" > "$0.arguments"\ncat\nexit 130\n')
    threading.Timer(0.3, stop.set).start()
    assert train(stop=stop).state == "interrupted"
    assert capsys.readouterr().out == "mine-1: begins\nmine-1: finishes its step and saves\nmine-1: interrupted\n"
    arguments = (tmp_path / "python.arguments").read_text()
    assert arguments.startswith("-m dcgan_lib train ")
    assert arguments.endswith(f" --run mine-1 --runs {tmp_path} --tag mine --with-parent\n")


def test_threads_are_given_unless_the_user_has_said_how_many(launch, train, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    train(threads=3)
    train(threads=0)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    train(threads=3)
    assert [call.args[3] for call in launch.call_args_list] == [{"OMP_NUM_THREADS": "3"}, {}, {}]


def test_what_another_process_trains_what_is_finished_and_what_was_to_stop_is_left_alone(
    launch, train, tmp_path, monkeypatch
):
    stop = threading.Event()
    stop.set()
    assert train(stop=stop).state == "not begun"
    for name in (TRAINER, LAUNCHER):
        with claim(tmp_path / "mine-1", name=name):
            assert train().state == "trained elsewhere"
    assert train(stop=stop).state == "interrupted"
    monkeypatch.setattr(worker, "is_finished", lambda folder, config: True)
    assert train().state == "finished"
    launch.assert_not_called()


def test_a_run_without_a_checkpoint_is_tried_again_and_one_with_goes_on(launch, train, tmp_path, capsys):
    (tmp_path / "mine-1").mkdir()
    train()
    (tmp_path / "mine-1/checkpoint.pt").touch()
    train()
    assert capsys.readouterr().out.splitlines()[::2] == ["mine-1: tries again", "mine-1: goes on"]


def test_in_a_terminal_a_run_has_a_bar_with_its_step_and_losses(script, train, monkeypatch):
    record = Mock(steps=3, **{"last.return_value": (3, 0.5)})
    shown = []
    monkeypatch.setattr(worker, "load_run", lambda folder: record)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(worker.tqdm, "set_postfix", lambda bar, losses: shown.append((bar.n, bar.total, losses)))
    script(b"sleep 0.7\n")
    train()
    assert shown[0] == (3, 12, {"loss_d": "0.500", "loss_g": "0.500"})
