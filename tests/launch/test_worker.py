"""One run of a sweep: when it is trained, and how its end is told."""

import threading

import pytest

from dcgan_lib.config import Config
from dcgan_lib.launch import worker
from dcgan_lib.launch.folders import LAUNCHER, TRAINER, claim
from dcgan_lib.launch.notebook import TAKEN
from dcgan_lib.launch.sweep_file import SweepRun
from dcgan_lib.launch.worker import train_in_process

RUN = SweepRun("mine-1", Config(device="cpu"), {"seed": 1}, "mine")


@pytest.fixture
def launches(monkeypatch):
    """Replaces the launcher's process: what it is to answer, call by call, and the environments it was given."""
    answers, environments = [], []

    def launch(run, folder, steps, environment, stop):
        environments.append(environment)
        return answers.pop(0)

    monkeypatch.setattr(worker, "_launch", launch)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return answers, environments


@pytest.fixture
def train(tmp_path):
    """Trains the run in a folder of the test's own."""

    def train(threads=0, stop=None):
        return train_in_process(RUN, tmp_path / "mine-1", 12, threads, stop or threading.Event())

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
        ((-9, "its launcher was killed"), ("failed", "its launcher was killed")),
    ],
)
def test_the_launchers_exit_says_how_the_run_ended(launches, train, capsys, answer, outcome):
    launches[0].append(answer)
    assert train() == outcome
    told = ": ".join(filter(None, ["mine-1", outcome[0], outcome[1].split("\n")[0]]))
    assert capsys.readouterr().out == f"mine-1: begins\n{told}\n"


def test_a_process_that_cannot_be_started_is_a_failed_run(train, monkeypatch):
    def no_launcher(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker, "_launch", no_launcher)
    assert train() == ("failed", "OSError: [Errno 28] No space left on device")


def test_last_words_in_another_code_are_told_as_far_as_they_can_be_read(script, train):
    script(b"printf 'a warning\\nthe disk is f\\374ll\\n  in cell [3]\\n' >&2\nexit 1\n")
    assert train() == ("failed", "the disk is f\ufffdll\n  in cell [3]")


def test_a_request_to_stop_closes_the_launchers_input_and_waits_for_its_end(script, train, tmp_path, capsys):
    stop = threading.Event()
    script(b'echo "$@" > "$0.arguments"\ncat\nsleep 0.1\nexit 130\n')
    threading.Timer(0.3, stop.set).start()
    assert train(stop=stop).state == "interrupted"
    assert capsys.readouterr().out == "mine-1: begins\nmine-1: finishes its step and saves\nmine-1: interrupted\n"
    arguments = (tmp_path / "python.arguments").read_text()
    assert arguments.startswith("-m dcgan_lib train ")
    assert arguments.endswith(f" --run mine-1 --runs {tmp_path} --tag mine --with-parent\n")


def test_threads_are_given_unless_the_user_has_said_how_many(launches, train, monkeypatch):
    launches[0].extend([(0, "")] * 3)
    train(threads=3)
    train(threads=0)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    train(threads=3)
    assert launches[1] == [{"OMP_NUM_THREADS": "3"}, {}, {}]


@pytest.mark.parametrize("name", [TRAINER, LAUNCHER])
def test_a_run_that_another_process_trains_and_one_that_is_finished_are_left_alone(
    launches, train, tmp_path, monkeypatch, name
):
    with claim(tmp_path / "mine-1", name=name):
        assert train().state == "trained elsewhere"
    monkeypatch.setattr(worker, "is_finished", lambda folder, config: True)
    assert train().state == "finished"
    assert launches[1] == []


def test_after_a_request_to_stop_nothing_begins(launches, train, tmp_path):
    stop = threading.Event()
    stop.set()
    assert train(stop=stop).state == "not begun"
    (tmp_path / "mine-1").mkdir()
    assert train(stop=stop).state == "interrupted"
    assert launches[1] == []


def test_a_run_without_a_checkpoint_is_tried_again_and_one_with_goes_on(launches, train, tmp_path, capsys):
    launches[0].extend([(1, "no")] * 2)
    (tmp_path / "mine-1").mkdir()
    train()
    (tmp_path / "mine-1/checkpoint.pt").touch()
    train()
    assert capsys.readouterr().out.splitlines()[::2] == ["mine-1: tries again", "mine-1: goes on"]


def test_in_a_terminal_a_run_has_a_bar_with_its_step_and_losses(script, train, monkeypatch):
    class Record:
        steps = 3

        def refresh(self):
            return True

        def last(self, path):
            return 3, 0.5

    shown = []
    monkeypatch.setattr(worker, "load_run", lambda folder: Record())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(worker.tqdm, "set_postfix", lambda bar, losses: shown.append((bar.n, bar.total, losses)))
    script(b"sleep 0.7\n")
    train()
    assert shown[0] == (3, 12, {"loss_d": "0.500", "loss_g": "0.500"})
