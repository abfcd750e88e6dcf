"""One run of a sweep: when it is trained, on which GPU, and how its end is told."""

import os
import pickle
import threading
from contextlib import ExitStack

import joblib
import pytest

from dcgan_lib.config import Config
from dcgan_lib.launch import worker
from dcgan_lib.launch.notebook import LAUNCHER, TAKEN, claim
from dcgan_lib.launch.sweep_file import SweepRun
from dcgan_lib.launch.worker import Stop, default_jobs, is_done, one_gpu, train_in_process

PLANNED = SweepRun("mine-1", Config(device="cpu"), {"seed": 1}, "mine")


@pytest.fixture
def launches(monkeypatch):
    """Replaces the launcher's process: what it is to answer, call by call, and the environments it was given."""
    answers, environments = [], []

    def launcher(planned, folder, environment, stop):
        environments.append(environment)
        return answers.pop(0)

    monkeypatch.setattr(worker, "_launcher", launcher)
    monkeypatch.setattr(worker, "is_done", lambda config, folder: False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return answers, environments


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """A machine with two GPUs, of which no other process knows."""
    monkeypatch.setattr(worker, "visible_gpus", lambda: ["0", "GPU-b1"])
    monkeypatch.setattr(worker.tempfile, "gettempdir", lambda: str(tmp_path))


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ((0, ""), "finished", ""),
        ((130, "stopped, and saved"), "interrupted", ""),
        ((1, "ValueError: no"), "failed", "ValueError: no"),
        ((-9, "its launcher was killed"), "failed", "its launcher was killed"),
    ],
)
def test_the_launchers_exit_says_how_the_run_ended(launches, tmp_path, answer, state, said):
    launches[0].append(answer)
    outcome = train_in_process(PLANNED, tmp_path / "mine-1", 0, Stop())
    assert (outcome.state, outcome.said) == (state, said)


def test_a_launcher_that_another_forestalled_is_started_again(launches, tmp_path):
    launches[0].extend([(TAKEN, "is being trained"), (0, "")])
    assert train_in_process(PLANNED, tmp_path / "mine-1", 0, Stop()).state == "finished"
    assert launches[0] == []


def test_a_process_that_cannot_be_started_is_a_failed_run(launches, tmp_path, monkeypatch):
    def no_launcher(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker, "_launcher", no_launcher)
    outcome = train_in_process(PLANNED, tmp_path / "mine-1", 0, Stop())
    assert (outcome.state, outcome.said) == ("failed", "OSError: [Errno 28] No space left on device")


@pytest.mark.skipif(os.name != "posix", reason="the launcher is a shell script here")
def test_last_words_in_another_code_are_told_as_far_as_they_can_be_read(tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_bytes(b"#!/bin/sh\nprintf 'the disk is f\\374ll\\n' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(worker.sys, "executable", str(script))
    outcome = train_in_process(PLANNED, tmp_path / "mine-1", 0, Stop())
    assert (outcome.state, outcome.said) == ("failed", "the disk is f\ufffdll")


def test_threads_are_given_unless_the_user_has_said_how_many(launches, tmp_path, monkeypatch):
    launches[0].extend([(0, "")] * 3)
    train_in_process(PLANNED, tmp_path / "mine-1", 3, Stop())
    train_in_process(PLANNED, tmp_path / "mine-1", 0, Stop())
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    train_in_process(PLANNED, tmp_path / "mine-1", 3, Stop())
    assert launches[1] == [{"OMP_NUM_THREADS": "3"}, {}, {}]


@pytest.mark.parametrize("name", [".lock", LAUNCHER])
def test_a_run_that_another_process_trains_is_waited_for_and_then_not_trained_again(
    launches, tmp_path, monkeypatch, capsys, name
):
    stop = Stop()
    waited = threading.Event()
    monkeypatch.setattr(stop, "wait", lambda seconds: waited.set())
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(train_in_process(PLANNED, tmp_path / "mine-1", 0, stop)))
    with claim(tmp_path / "mine-1", name=name):
        thread.start()
        assert waited.wait(60)
        assert not outcomes
        monkeypatch.setattr(worker, "is_done", lambda config, folder: True)  # the other has come to its end
    thread.join(60)
    assert [outcome.state for outcome in outcomes] == ["finished"]
    assert launches[1] == []
    assert capsys.readouterr().out.count("mine-1: another process trains it, waiting for its end") == 1


def test_after_a_request_to_stop_nothing_begins(launches, tmp_path):
    stop = Stop()
    stop.set()
    assert train_in_process(PLANNED, tmp_path / "mine-1", 0, stop).state == "not begun"
    (tmp_path / "mine-1").mkdir()
    assert train_in_process(PLANNED, tmp_path / "mine-1", 0, stop).state == "interrupted"
    assert launches[1] == []


def test_a_finished_run_with_more_epochs_than_before_is_not_done(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "is_finished", lambda folder: True)
    PLANNED.config.save(tmp_path / "config.json")
    assert is_done(PLANNED.config, tmp_path)
    assert not is_done(PLANNED.config.replace(epochs=PLANNED.config.epochs + 1), tmp_path)


def test_a_run_can_be_sent_to_another_process():
    stop = Stop()
    stop.set()
    function, arguments, _ = pickle.loads(pickle.dumps(joblib.delayed(train_in_process)(PLANNED, "folder", 1, stop)))
    assert function is train_in_process
    assert arguments[0] == PLANNED
    assert not arguments[3].is_set()


@pytest.mark.usefixtures("gpus")
def test_every_gpu_is_held_by_one_run_at_a_time():
    stop = Stop()
    with one_gpu("auto", stop) as first:
        with one_gpu("cuda", stop) as second:
            assert [first, second] == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "GPU-b1"}]
            with one_gpu("cpu", stop) as none:
                assert none == {}
            waiting = threading.Thread(target=lambda: one_gpu("auto", stop).__enter__())
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()  # until one is free, or the sweep is stopped
            stop.set()
            waiting.join(60)
            assert not waiting.is_alive()
        stop.clear()
        with one_gpu("auto", stop) as again:
            assert again == {"CUDA_VISIBLE_DEVICES": "GPU-b1"}


@pytest.mark.usefixtures("gpus")
def test_a_gpu_asked_for_by_its_number_is_held_and_keeps_its_number():
    stop = Stop()
    with ExitStack() as stack:
        assert stack.enter_context(one_gpu("cuda:0", stop)) == {}
        assert stack.enter_context(one_gpu("auto", stop)) == {"CUDA_VISIBLE_DEVICES": "GPU-b1"}


def test_only_gpus_that_the_environment_leaves_are_used(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert worker.visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 7")
    assert worker.visible_gpus() == ["5", "7"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert worker.visible_gpus() == []


def test_as_many_at_a_time_as_there_are_gpus_or_cores_with_memory(gpus, monkeypatch):
    runs = [Config()] * 9
    assert default_jobs(runs) == 2
    assert default_jobs(runs[:1]) == 1
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"total": 6 * worker.MEMORY + 1})())
    assert default_jobs([config.replace(device="cpu") for config in runs]) == 6
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"total": 99 * worker.MEMORY})())
    assert default_jobs([config.replace(device="cpu") for config in runs]) == 8
