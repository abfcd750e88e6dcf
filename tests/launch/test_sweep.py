"""A sweep as a whole, its runs replaced by functions: what is begun, what is told, what is refused."""

import os
import signal
import threading
from contextlib import ExitStack, nullcontext

import joblib
import pytest
from helpers.records import write_run

from dcgan_lib.__main__ import main
from dcgan_lib.launch import sweep
from dcgan_lib.launch.folders import TRAINER, claim, is_taken
from dcgan_lib.launch.sweep_file import SweepRun
from dcgan_lib.launch.worker import Outcome

FAILED = Outcome("failed", "ValueError: no\n  in cell [3]")


@pytest.fixture
def runs(tiny):
    """Four runs of a sweep."""
    return [SweepRun(f"seed-{seed}", tiny.replace(seed=seed), "seed") for seed in range(1, 5)]


@pytest.fixture
def world(monkeypatch, images):
    """Replaces all that takes time: no images are prepared, nothing is trained. It keeps what was asked for."""

    class World:
        def __init__(self):
            self.prepared, self.begun, self.done, self.failing = [], [], set(), set()

        def load_images(self, config):
            self.prepared.append(config.image_size)
            if config.data == "nowhere":
                raise FileNotFoundError("no data at nowhere")
            return images

        def train(self, run, folder, steps, threads, stop):
            if is_taken(folder, TRAINER):
                return Outcome("trained elsewhere")
            self.begun.append((run.name, steps, threads))
            return FAILED if run.name in self.failing else Outcome("finished")

    world = World()
    monkeypatch.setattr(sweep, "load_images", world.load_images)
    monkeypatch.setattr(sweep, "train_in_process", world.train)
    monkeypatch.setattr(sweep, "is_finished", lambda folder, config: folder.name in world.done)
    return world


def test_what_is_finished_is_skipped_and_a_failing_run_stops_no_other(world, runs, tmp_path, capsys):
    world.done, world.failing = {"seed-1"}, {"seed-2"}
    outcomes = sweep.run_sweep(runs, tmp_path, jobs=2)
    assert sorted(name for name, _, _ in world.begun) == ["seed-2", "seed-3", "seed-4"]
    assert outcomes == {run.name: FAILED if run.name == "seed-2" else Outcome("finished") for run in runs}
    out = capsys.readouterr().out
    assert f"4 runs in {tmp_path}, 1 finished already; 2 at a time\n" in out
    assert f"{tmp_path / 'seed-2'} failed: ValueError: no\n  in cell [3]\n" in out


def test_the_cores_are_shared_by_the_runs_at_a_time(world, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 7)
    for jobs in (1, 2, 9):
        sweep.run_sweep(runs[:1], tmp_path, jobs)
    assert world.begun == [("seed-1", 12, 0), ("seed-1", 12, 3), ("seed-1", 12, 1)]  # 0: PyTorch's own choice


def test_a_run_that_another_process_trains_is_passed_over_and_come_back_to_last(world, runs, tmp_path, monkeypatch):
    said = []
    with ExitStack() as held:
        held.enter_context(claim(tmp_path / "seed-1"))
        monkeypatch.setattr(sweep, "say", lambda line: said.append(line) or ("waiting" in line and held.close()))
        outcomes = sweep.run_sweep(runs[:3], tmp_path, jobs=1)
    assert [name for name, _, _ in world.begun] == ["seed-2", "seed-3", "seed-1"]
    assert outcomes["seed-1"].state == "finished"
    assert [line for line in said if "waiting" in line] == ["waiting for the end of seed-1"]


def test_all_that_would_make_runs_fail_is_told_before_anything_starts(world, runs, tmp_path):
    (tmp_path / "seed-1").mkdir()
    runs[0].config.replace(beta1=0.9).save(tmp_path / "seed-1/config.json")
    changes = ({"device": "cuda:9"}, {"device": "cuda:9", "seed": 7}, {"batch_size": 21}, {"data": "nowhere"})
    runs += [SweepRun(f"mine-{n}", runs[0].config.replace(**each), "mine") for n, each in enumerate(changes)]
    with pytest.raises(ValueError, match="device") as error:
        sweep.run_sweep(runs, tmp_path, jobs=1)
    first, second, third, fourth = str(error.value).splitlines()
    assert first.startswith(f"seed-1: {tmp_path / 'seed-1'} is a run of other settings: beta1 was 0.9 and is now 0.5; ")
    assert second.startswith("mine-0: device is 'cuda:9'")
    assert third == "mine-2: batch_size is 21, but there are 20 images: lower it"
    assert fourth == "mine-3: no data at nowhere"
    assert world.prepared == [16, 16]  # each set once
    assert world.begun == []
    world.done = {run.name for run in runs}  # what this machine lacks is no matter to finished runs
    assert len(sweep.run_sweep(runs, tmp_path, jobs=1)) == 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_lets_what_runs_come_to_its_end_and_begins_nothing_more(world, runs, tmp_path, monkeypatch, number):
    before = signal.getsignal(number)
    together = threading.Barrier(2, timeout=60)

    def train(run, folder, steps, threads, stop):
        if stop.is_set():
            return Outcome("not begun")
        world.begun.append(run.name)
        if together.wait() == 0:  # two are running
            os.kill(os.getpid(), number)
        assert stop.wait(60)
        return Outcome("interrupted")

    monkeypatch.setattr(sweep, "train_in_process", train)
    with pytest.raises(KeyboardInterrupt, match="what was running is saved; the same command goes on from there"):
        sweep.run_sweep(runs, tmp_path, jobs=2)
    assert sorted(world.begun) == ["seed-1", "seed-2"]
    assert signal.getsignal(number) is before


def test_the_table_at_the_end_is_that_of_the_runs_records(world, runs, tmp_path, capsys):
    for run in runs[:2]:
        write_run(tmp_path / run.name, seed=run.config.seed)
    sweep.run_sweep(runs, tmp_path, jobs=1)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[-3:]]
    assert [line[0] for line in lines[1:]] == ["seed-1", "seed-2"]
    assert [line[-2:] for line in lines] == [["state", "seed"], ["finished", "1"], ["finished", "2"]]


@pytest.mark.parametrize(
    ("arguments", "failing", "code", "told"),
    [
        ([], set(), 0, 'compare: notebooks/05_compare_runs.ipynb with sweep = "mine.yaml", runs = "other"\n'),
        ([], {"mine-seed=2"}, 1, "the same command tries again what is not finished"),
        (["--jobs", "0"], set(), 1, "--jobs is 0: give 1 or more"),
        (["--set", "epoch", "2"], set(), 1, "unknown setting 'epoch': did you mean 'epochs'?"),
        (["--set", "seed", "["], set(), 1, "--set seed, line 1, column 2: expected"),
        (["--set", "epochs=3"], set(), 2, "NAME VALUE"),
        (["--runs", "mine.yaml"], set(), 2, "mine.yaml is a file: give a folder"),
    ],
)
def test_the_command_says_by_its_exit_code_whether_all_runs_are_finished(
    world, tmp_path, monkeypatch, capsys, arguments, failing, code, told
):
    world.failing = failing
    (tmp_path / "mine.yaml").write_text("settings: {batch_size: 8}\ngrid: {seed: [1, 2]}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *handler: None)
    with pytest.raises(SystemExit, match="2") if code == 2 else nullcontext():  # argparse's own
        assert main(["sweep", "mine.yaml", "--runs", "other", *arguments]) == code
    assert told in "".join(capsys.readouterr())
