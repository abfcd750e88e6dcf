"""A sweep as a whole, its runs replaced by functions: what is begun, what is told, what is refused."""

import os
import signal
import sys
import threading
from pathlib import Path

import joblib
import pytest

from dcgan_lib.launch import sweep
from dcgan_lib.launch.sweep_file import SweepRun
from dcgan_lib.launch.worker import Outcome


@pytest.fixture
def planned(tiny):
    """Four runs of a sweep."""
    return [SweepRun(f"seed-{seed}", tiny.replace(seed=seed), {"seed": seed}, "seed") for seed in range(1, 5)]


@pytest.fixture
def world(monkeypatch, images):
    """Replaces all that takes time: no data are prepared, nothing is trained. What was asked for is in its lists."""

    class World:
        prepared, begun, done, failing = [], [], set(), set()

        def load_images(self, config):
            self.prepared.append(config)
            return images

        def train(self, each, folder, threads, stop):
            self.begun.append((each.name, threads))
            failed = each.name in self.failing
            return Outcome(each, folder, *(("failed", "ValueError: no\n  in cell [3]") if failed else ("finished",)))

    world = World()
    monkeypatch.setattr(sweep, "load_images", world.load_images)
    monkeypatch.setattr(sweep, "train_in_process", world.train)
    monkeypatch.setattr(sweep, "is_done", lambda config, folder: folder.name in world.done)
    return world


def test_what_is_finished_is_skipped_and_a_failing_run_stops_no_other(world, planned, tmp_path, capsys):
    world.done, world.failing = {"seed-1"}, {"seed-2"}
    outcomes = sweep.run_sweep(planned, tmp_path, jobs=2)
    assert sorted(name for name, _ in world.begun) == ["seed-2", "seed-3", "seed-4"]
    assert [outcome.state for outcome in outcomes] == ["finished", "failed", "finished", "finished"]
    out = capsys.readouterr().out
    assert f"4 runs in {tmp_path}, 1 finished already; 2 at a time" in out
    assert "seed-2: begins" in out
    assert "seed-2: failed: ValueError: no\n" in out
    assert f"{tmp_path / 'seed-2'} failed: ValueError: no\n  in cell [3]" in out


def test_the_cores_are_shared_by_the_runs_at_a_time(world, planned, tmp_path, monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 7)
    for jobs in (1, 2, 9):
        sweep.run_sweep(planned[:1], tmp_path, jobs)
    assert [threads for _, threads in world.begun] == [0, 3, 1]  # 0: PyTorch's own choice


def test_all_data_are_prepared_once_before_the_first_run_begins(world, planned, tmp_path, monkeypatch):
    other = SweepRun("small", planned[0].config.replace(image_size=32), {"image_size": 32}, "seed")
    sweep.run_sweep([*planned, other], tmp_path, jobs=1)
    assert [config.image_size for config in world.prepared] == [16, 32]

    def no_data(config):
        raise FileNotFoundError(f"no data at {config.data}")

    monkeypatch.setattr(sweep, "load_images", no_data)
    world.begun.clear()
    elsewhere = [SweepRun(name, planned[0].config.replace(data=name), {"data": name}, "data") for name in ("a", "b")]
    with pytest.raises(ValueError, match=r"^a: no data at a\nb: no data at b$"):
        sweep.run_sweep(elsewhere, tmp_path, jobs=1)
    assert world.begun == []


def test_what_would_make_runs_fail_is_told_before_anything_starts(world, planned, tmp_path):
    changes = ({"device": "cuda:9"}, {"device": "gpu"}, {"device": "gpu", "seed": 7}, {"batch_size": 21})
    runs = [SweepRun(f"mine-{n}", planned[0].config.replace(**each), each, "mine") for n, each in enumerate(changes)]
    with pytest.raises(ValueError, match="device") as error:
        sweep.run_sweep(runs, tmp_path, jobs=1)
    assert str(error.value).splitlines() == [
        'mine-0: device is \'cuda:9\', which this machine has not: try "auto" or "cpu"',
        'mine-1: device is \'gpu\', which this machine has not: try "auto" or "cpu"',
        "mine-3: batch_size is 21, but there are 20 images: lower it",
    ]
    assert world.begun == []


def test_what_this_machine_lacks_is_no_matter_to_finished_runs_nor_to_other_machines(world, planned, tmp_path):
    runs = [SweepRun("seed-1", planned[0].config.replace(device="cuda:9"), {"seed": 1}, "seed")]
    with joblib.parallel_config(backend="sequential"):
        [outcome] = sweep.run_sweep(runs, tmp_path, jobs=1)
    assert outcome.state == "finished"
    world.done = {"seed-1"}
    sweep.run_sweep(runs, tmp_path, jobs=1)
    assert len(world.begun) == 1


def test_a_run_without_a_checkpoint_is_tried_again_and_one_with_goes_on(world, planned, tmp_path, capsys):
    for name in ("seed-1", "seed-2"):
        (tmp_path / name).mkdir()
    (tmp_path / "seed-2/checkpoint.pt").touch()
    sweep.run_sweep(planned[:3], tmp_path, jobs=1)
    said = [line for line in capsys.readouterr().out.splitlines() if line.endswith(("begins", "again", "on"))]
    assert said == ["seed-1: tries again", "seed-2: goes on", "seed-3: begins"]


def test_a_folder_with_other_settings_is_refused_before_anything_starts(world, planned, tmp_path):
    for each in planned[:2]:
        (tmp_path / each.name).mkdir()
        each.config.replace(batch_size=4).save(tmp_path / each.name / "config.json")
    with pytest.raises(ValueError, match=r"seed-1 is .*: batch_size was 4 and is now 8; .*\n.*seed-2 is "):
        sweep.run_sweep(planned, tmp_path, jobs=1)
    assert world.prepared == world.begun == []


def test_ctrl_c_lets_what_runs_come_to_its_end_and_begins_nothing_more(world, planned, tmp_path, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGINT)
    together = threading.Barrier(2, timeout=60)

    def train(each, folder, threads, stop):
        world.begun.append(each.name)
        if together.wait() == 0:  # two are running
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(60)
        return Outcome(each, folder, "interrupted")

    monkeypatch.setattr(sweep, "train_in_process", train)
    with pytest.raises(KeyboardInterrupt, match="what was running is saved; the same command goes on from there"):
        sweep.run_sweep(planned, tmp_path, jobs=2)
    assert sorted(world.begun) == ["seed-1", "seed-2"]
    states = [line.split()[1:3] for line in capsys.readouterr().out.splitlines()[-4:]]
    assert states == [["interrupted", "0"], ["interrupted", "0"], ["not", "begun"], ["not", "begun"]]
    assert signal.getsignal(signal.SIGINT) is before


def note_process(each, folder, threads, stop):
    """A training that leaves its process's id behind."""
    folder.mkdir(parents=True)
    (folder / "pid").write_text(str(os.getpid()))
    return Outcome(each, folder, "finished")


def test_another_backend_of_joblib_can_take_the_place_of_threads(world, planned, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "train_in_process", note_process)
    with joblib.parallel_config(backend="loky"):
        outcomes = sweep.run_sweep(planned, tmp_path, jobs=2)
    assert [outcome.state for outcome in outcomes] == ["finished"] * 4
    assert str(os.getpid()) not in {(tmp_path / each.name / "pid").read_text() for each in planned}


def test_the_table_shows_what_each_run_came_to_beside_its_swept_settings(tiny, tmp_path):
    from dcgan_lib.records.writing import log_report, open_run
    from dcgan_lib.train import Report

    both = [
        SweepRun("mine-1", tiny.replace(seed=7), {"seed": 7}, "mine"),
        SweepRun("mine-2", tiny.replace(beta1=0.25), {"beta1": 0.25}, "mine"),
    ]
    series = {"loss_d": [1.5, 0.25], "loss_g": [2.0, 3.5]}
    place = {"step": 2, "total": 12, "epoch": 1, "epochs": 4, "steps": range(1, 3), "images_per_second": 1.0}
    due = {"sample_due": False, "checkpoint_due": False, "evaluation_due": False}
    ending = due | {"diverged_at": 2, "interrupted": False}
    with open_run(tiny, tmp_path / "mine-1") as run:
        log_report(run, Report(**place, series=series, **ending))
    states = zip(both, ("failed", "not begun"), strict=True)
    lines = sweep.table([Outcome(each, tmp_path / each.name, state) for each, state in states]).splitlines()
    assert lines[0].split() == ["state", "steps", "loss_d", "loss_g", "minutes", "seed", "beta1"]
    assert lines[1].split()[:5] == ["mine-1", "diverged", "2", "0.25", "3.5"]
    assert lines[1].split()[6:] == ["7", "0.5"]
    assert lines[2].split() == ["mine-2", "not", "begun", "0", "-", "-", "0.00", str(tiny.seed), "0.25"]


@pytest.mark.parametrize(
    ("arguments", "failing", "code", "told"),
    [
        ([], set(), 0, 'compare: notebooks/05_compare_runs.ipynb with sweep = "mine.yaml" and runs = "other"\n'),
        ([], set(), 0, "or: python -m dcgan_lib.dashboard other\n"),
        (["--runs", "runs"], set(), 0, 'with sweep = "mine.yaml"\n     or: make dashboard\n'),
        ([], {"mine-seed=2"}, 1, "the same command tries again what is not finished"),
        (["--jobs", "0"], set(), 1, "--jobs is 0: give 1 or more"),
        (["--set", "epoch", "2"], set(), 1, "unknown setting 'epoch': did you mean 'epochs'?"),
        (["--set", "path", "2"], set(), 1, "unknown setting 'path'"),
        (["--set", "seed", "["], set(), 1, "--set seed, line 1, column 2: expected"),
    ],
)
def test_the_command_says_by_its_exit_code_whether_all_runs_are_finished(
    world, tmp_path, monkeypatch, capsys, arguments, failing, code, told
):
    world.failing = failing
    (tmp_path / "mine.yaml").write_text("settings: {batch_size: 8}\ngrid: {seed: [1, 2]}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dcgan_lib").mkdir()  # as the project's folder has it
    monkeypatch.setattr(sys, "argv", ["sweep", "mine.yaml", "--runs", "other", *arguments])
    before = signal.getsignal(signal.SIGTERM)
    assert sweep.main() == code
    signal.signal(signal.SIGTERM, before)
    assert told in "".join(capsys.readouterr())


def test_elsewhere_than_in_the_project_nothing_is_begun(tmp_path, monkeypatch, capsys):
    """The notebook would train in the project's folder, and the command look for its runs here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sweep", "mine.yaml"])
    with pytest.raises(SystemExit):
        sweep.main()
    assert "run it in the project's folder: cd " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "epochs=3"], "--set takes a name and a value, as in --set max_images 256"),
        (["--runs", __file__], "test_sweep.py is a file: give a folder"),
    ],
)
def test_arguments_that_are_none_are_told_with_what_to_give(monkeypatch, capsys, arguments, told):
    monkeypatch.setattr(sys, "argv", ["sweep", "mine.yaml", *arguments])
    with pytest.raises(SystemExit):
        sweep.main()
    assert told in capsys.readouterr().err


def test_in_a_terminal_each_run_that_goes_on_has_a_bar_with_its_step_and_losses(world, planned, tmp_path, monkeypatch):
    from dcgan_lib.launch.worker import Stop

    class Record:
        steps, series_names = 3, ["training/batch/Dloss"]

        def refresh(self):
            return True

        def last(self, path):
            return 3, 0.5

    monkeypatch.setattr(sweep, "_record", lambda folder: Record())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with sweep.Progress(Path(tmp_path), {"seed-1": 12}, Stop()) as progress:
        [_] = progress.beginning(planned[:1])
        bar = progress.bars["seed-1"]
        for _ in range(600):
            if bar.n:
                break
            progress.ended.wait(0.1)
        assert (bar.n, bar.total) == (3, 12)
        assert "loss_d=0.500" in str(bar)
        progress.end(Outcome(planned[0], tmp_path, "finished"))
        assert progress.bars == {}
