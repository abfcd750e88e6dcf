"""Sweeps of real trainings: two at once on the same runs, and one that is killed and started again."""

import json
import re

import pytest
from helpers.trainings import assert_same_weights, finish, quick_settings, start, wait_for

from dcgan_lib.records.reading import load_run

SEEDS = (1, 2)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A file of settings of a training that takes some seconds, on 96 drawn faces."""
    every = {"sample_every": 120, "log_every": 20, "checkpoint_every": 10}
    return quick_settings(tmp_path_factory.mktemp("sweeps"), epochs=80, **every)


def sweep(settings, runs, name, *changes):
    """Start a sweep over these changes, two runs at a time: a process."""
    file = settings.with_name(f"{name}.yaml")
    file.write_text(json.dumps({"base": settings.name, "runs": changes}))
    return start("sweep", file, "--runs", runs, "--jobs", 2)


def processes(folder):
    """How many processes have trained the run."""
    return len(list((folder / "neptune").rglob("metadata.json")))


@pytest.fixture(scope="module")
def whole(settings, tmp_path_factory):
    """Two runs by two sweeps at once, and one that fails in the first: their folder, and how each sweep ended."""
    runs = tmp_path_factory.mktemp("whole")
    changes = [{"seed": seed} for seed in SEEDS]
    (runs / "whole-seed=5").mkdir()
    (runs / "whole-seed=5/checkpoint.pt").write_text("no checkpoint")
    first = sweep(settings, runs, "whole", {"seed": 5}, *changes)
    wait_for(runs / "whole-seed=1/.lock", first)
    second = sweep(settings, runs, "whole", *changes)
    return runs, [finish(process) for process in (first, second)]


def test_two_sweeps_at_once_never_share_a_run_and_both_see_all_finished(whole):
    runs, endings = whole
    assert [code for code, _, _ in endings] == [1, 0]
    for _, out, _ in endings:
        for seed in SEEDS:
            assert re.search(rf"^whole-seed={seed} .* 240 .* finished +{seed}$", out, re.MULTILINE), out
    assert [processes(runs / f"whole-seed={seed}") for seed in SEEDS] == [1, 1]
    assert re.search(r"^whole-seed=1: (trained elsewhere|finished)$", endings[1][1], re.MULTILINE)


def test_a_run_that_fails_stops_no_other_and_its_cell_is_named(whole):
    runs, [(_, out, _), _] = whole
    assert re.search(r"whole-seed=5 failed: CheckpointError: .* is no checkpoint: see whether .*\n", out)
    cell, source = re.search(r"in cell \[(\d+)\], '(.*)'; .*whole-seed=5/notebook.ipynb", out).groups()
    executed = json.loads((runs / "whole-seed=5/notebook.ipynb").read_text(encoding="utf-8"))
    [failed] = [each for each in executed["cells"] if each["metadata"].get("papermill", {}).get("exception")]
    assert failed["execution_count"] == int(cell)
    assert "".join(failed["source"]).startswith(source)


def test_every_run_bears_the_sweeps_name_as_a_tag(whole):
    assert {load_run(whole[0] / f"whole-seed={seed}").tags for seed in SEEDS} == {frozenset({"whole"})}


def test_killed_and_started_again_at_once_a_sweep_ends_as_one_that_never_was(settings, whole, tmp_path):
    changes = [{"seed": seed} for seed in SEEDS]
    killed = sweep(settings, tmp_path, "broken", *changes)
    wait_for(tmp_path / "broken-seed=1/checkpoint.pt", killed)
    killed.kill()
    killed.communicate()
    code, out, err = finish(
        sweep(settings, tmp_path, "broken", *changes)
    )  # while the launchers of the first still save
    assert code == 0, err
    assert "2 runs in " in out
    assert processes(tmp_path / "broken-seed=1") == 2
    for seed in SEEDS:
        ours, theirs = tmp_path / f"broken-seed={seed}", whole[0] / f"whole-seed={seed}"
        assert_same_weights(ours, theirs)
        series, expected = (load_run(f).series("training/batch/Dloss")[["step", "value"]] for f in (ours, theirs))
        assert series["step"].tolist() == list(range(1, 241))
        assert series.equals(expected)
