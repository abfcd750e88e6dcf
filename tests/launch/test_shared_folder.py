"""Several sweeps of one file in one folder: they divide the runs among them, whoever is killed, and on any machine."""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import time

import filelock
import pytest

from dcgan_lib.launch import lease, sweep, worker
from dcgan_lib.launch.folders import LAUNCHER, SWEEP, TRAINER, FolderTaken, claim, is_taken
from dcgan_lib.launch.sweep_file import SweepRun

STEPS = 12  # of a stand-in for a training, 30 ms each


class NoLock:
    """The kernel's lock of a file system that does not tell other machines of it."""

    def __init__(self, path, **options):
        path.touch()

    @contextlib.contextmanager
    def acquire(self, wait=0):
        yield


@pytest.fixture
def elsewhere(monkeypatch):
    """A function that makes this process one on another machine, which shares nothing but the files."""

    def move(name):
        monkeypatch.setattr(lease, "machine", lambda: name)
        monkeypatch.setattr(filelock, "FileLock", NoLock)

    return move


def train(run, folder, steps, environment, stop, *told):
    """A stand-in for a launcher's process: it notes each step, goes on from the last one, and marks its end."""
    with claim(folder, name=LAUNCHER), claim(folder):
        done = len((folder / "steps").read_text().splitlines()) if (folder / "steps").exists() else 0
        for step in range(done + 1, STEPS + 1):
            if stop.is_set():
                return 130, ""
            with (folder / "steps").open("a") as steps:
                steps.write(f"{os.getpid()} {step}\n")
            time.sleep(0.03)
        with (folder / "ends").open("a") as ends:
            ends.write(f"{os.getpid()}\n")
    return 0, ""


@pytest.fixture
def start(tiny, tmp_path, monkeypatch):
    """Starts a sweep of eight runs in a process of its own, forked, so that nothing is imported again."""
    runs = [SweepRun(f"seed-{seed}", tiny.replace(seed=seed), "seed") for seed in range(1, 9)]
    monkeypatch.setattr(worker, "_launch", train)
    monkeypatch.setattr(sweep, "_prepare", lambda left, folders, here: {run.name: STEPS for run in left})
    for module in (sweep, worker):
        monkeypatch.setattr(module, "is_finished", lambda folder, config: (folder / "ends").exists())
        monkeypatch.setattr(module, "say", lambda line: None)
    begun = []

    def start(prepare=lambda: None):
        def work():
            prepare()
            sweep.run_sweep(runs, tmp_path, jobs=1)

        begun.append(multiprocessing.get_context("fork").Process(target=work))
        begun[-1].start()
        return begun[-1]

    yield start
    for process in begun:
        process.kill()


def wait_until(true):
    for _ in range(3000):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("waited for a minute")


@pytest.mark.parametrize("machines", [1, 4])
def test_four_sweeps_divide_the_runs_and_those_of_the_killed_go_on(start, tmp_path, monkeypatch, elsewhere, machines):
    monkeypatch.setattr(lease, "BEAT", 0.2)
    monkeypatch.setattr(lease, "DEAD", 6.0)  # 30 beats: a busy machine is not taken for a dead one
    on = {"prepare": lambda: elsewhere(str(os.getpid()))} if machines > 1 else {}
    chance, sweeps = random.Random(machines), [start(**on) for _ in range(4)]
    for _ in range(3):
        time.sleep(chance.uniform(0.2, 0.6))
        victim = chance.choice([each for each in sweeps if each.is_alive()])
        victim.kill()
        sweeps.append(start(**on))
    wait_until(lambda: not any(each.is_alive() for each in sweeps))
    assert [each.exitcode for each in sweeps].count(-signal.SIGKILL) == 3
    assert [each.exitcode for each in sweeps].count(0) == 4
    trained_by = set()
    for folder in (tmp_path / f"seed-{seed}" for seed in range(1, 9)):
        pids, steps = zip(*(line.split() for line in (folder / "steps").read_text().splitlines()), strict=True)
        assert list(map(int, steps)) == list(range(1, STEPS + 1))  # once each, and in order
        assert len((folder / "ends").read_text().splitlines()) == 1  # finished once
        segments = [pid for index, pid in enumerate(pids) if index == 0 or pids[index - 1] != pid]
        assert len(segments) == len(set(segments))  # never two at a time
        trained_by |= set(pids)
        assert not list(folder.glob("*.lock.*"))  # what the dead have left is gone
    assert len(trained_by) >= 4


def test_a_folder_that_another_machine_holds_is_taken_until_that_is_silent(tmp_path, elsewhere, monkeypatch):
    folder = tmp_path / "mine"
    with claim(folder), claim(folder, name=SWEEP):
        elsewhere("another")
        assert is_taken(folder)
        assert not is_taken(folder, LAUNCHER)
        told = rf"mine is being trained by another process, process {os.getpid()} on \S+, last heard of 0 s ago; after"
        with pytest.raises(FolderTaken, match=told):
            claim(folder, wait=0).__enter__()
        [held] = folder.glob(".lock.*")
        os.utime(held, (0, time.time() - lease.DEAD - 1))
        assert not is_taken(folder, TRAINER)
        with claim(folder, wait=0):
            assert not held.exists()
            assert len(list(folder.glob(".lock.*"))) == 1
    assert not list(folder.glob("*.lock.*"))


def test_what_a_killed_process_of_this_machine_has_left_holds_nothing(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".lock.0123456789ab").write_text(json.dumps({"machine": lease.machine(), "who": "process 1 on here"}))
    assert not is_taken(tmp_path)
    with claim(tmp_path, wait=0):
        assert not (tmp_path / ".lock.0123456789ab").exists()


def test_of_two_that_come_at_once_at_most_one_holds(tmp_path, elsewhere):
    """One that has written its file, and not looked yet, is seen by the other, which leaves."""
    (tmp_path / ".lock.0123456789ab").touch()  # its content is not there yet
    with pytest.raises(FolderTaken, match="a process elsewhere"):
        claim(tmp_path, wait=0).__enter__()
    assert [path.name for path in tmp_path.glob(".lock.*")] == [".lock.0123456789ab"]


def test_a_holder_that_was_taken_for_dead_is_interrupted(tmp_path, monkeypatch, ctrl_c):
    monkeypatch.setattr(lease, "BEAT", 0.05)
    told = "not heard of for 600 s, and another machine goes on with the run: it ends here"
    with pytest.warns(UserWarning, match=told), pytest.raises(KeyboardInterrupt), claim(tmp_path):  # noqa: PT031
        [held] = tmp_path.glob(".lock.*")
        held.unlink()
        wait_until(lambda: False)


def test_a_folder_that_is_gone_stays_gone_and_interrupts_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.05)
    folder = tmp_path / "mine"
    with claim(folder):
        folder.rename(tmp_path / "moved")
        time.sleep(0.2)
    assert not folder.exists()
    assert not is_taken(folder)
