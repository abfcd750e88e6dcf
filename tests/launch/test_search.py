"""A search by Optuna: what is trained, told and gone on with, its trainings replaced by records with made-up scores."""

import math
import multiprocessing
import os
import signal
import sys

import pytest
from helpers.records import add_points, write_run

from dcgan_lib.__main__ import main
from dcgan_lib.launch import search
from dcgan_lib.launch.folders import SWEEP, FolderTaken, claim
from dcgan_lib.launch.search import run_search
from dcgan_lib.launch.sweep_file import Search
from dcgan_lib.launch.worker import ELSEWHERE, Outcome
from dcgan_lib.records.paths import DIVERGED
from dcgan_lib.records.writing import open_run

SPACE = {"learning_rate_g": {"low": 1e-5, "high": 1e-2, "log": True}, "generator_width": [8, 16]}
BEST = 3e-4  # the learning rate with the lowest score


@pytest.fixture
def optuna():
    return pytest.importorskip("optuna")


@pytest.fixture
def asked(tiny):
    """A search for ten runs."""
    return Search("mine", tiny.replace(evaluate_every=2), SPACE, 10, "swd")


@pytest.fixture
def trained(monkeypatch, images):
    """Replaces the training: a run's score is how far its learning rate is from `BEST`. It keeps what was trained."""
    trained = []

    def train(run, folder, steps, threads, stop):
        trained.append((run.name, run.config.learning_rate_g, run.config.generator_width))
        score = abs(math.log(run.config.learning_rate_g / BEST))
        write_run(folder, 9, scores={4: score, 8: score + 1}, learning_rate_g=run.config.learning_rate_g)
        return Outcome("finished")

    monkeypatch.setattr(search, "load_images", lambda config: images)
    monkeypatch.setattr(search, "train_in_process", train)
    return trained


def states(study):
    return [trial.state.name for trial in study.trials]


def test_the_scores_go_to_the_study_and_the_lowest_of_a_run_counts(optuna, asked, trained, tmp_path, capsys):
    study = run_search(asked, tmp_path, jobs=1)
    assert states(study) == ["COMPLETE"] * 10
    assert [name for name, _, _ in trained] == [f"mine-{number}" for number in range(10)]
    for trial, (_, rate, width) in zip(study.trials, trained, strict=True):
        assert trial.params == {"learning_rate_g": rate, "generator_width": width}
        assert trial.value == pytest.approx(abs(math.log(rate / BEST)))
        assert 1e-5 <= rate <= 1e-2
    assert {width for _, _, width in trained} == {8, 16}
    best = study.best_trial
    assert f"best: mine-{best.number}, swd {best.value:.4g}, {best.params}\n" in capsys.readouterr().out
    assert len(run_search(asked, tmp_path, jobs=1).trials) == 10  # again: nothing is left to do
    assert len(trained) == 10


def test_what_was_interrupted_goes_on_with_its_own_settings(optuna, asked, trained, tmp_path, monkeypatch):
    whole, settings = search.train_in_process, []

    def interrupted(run, folder, steps, threads, stop):
        if run.name != "mine-3":
            return whole(run, folder, steps, threads, stop)
        settings.append((run.name, run.config.learning_rate_g, run.config.generator_width))
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(60)
        return Outcome("interrupted")

    monkeypatch.setattr(search, "train_in_process", interrupted)
    with pytest.raises(KeyboardInterrupt, match="what was running is saved; the same command goes on from there"):
        run_search(asked, tmp_path, jobs=1)
    assert len(trained) == 3
    monkeypatch.setattr(search, "train_in_process", whole)
    study = run_search(asked, tmp_path, jobs=1)
    assert trained[3] == settings[0]
    assert [name for name, _, _ in trained] == [f"mine-{number}" for number in range(10)]
    assert states(study) == ["COMPLETE"] * 10


def test_processes_that_share_the_folder_share_the_search(optuna, asked, trained, tmp_path, monkeypatch):
    quick = search.train_in_process

    def train(run, folder, steps, threads, stop):
        """As `train_in_process` does it: one process a run, and what is finished is not trained again."""
        try:
            with claim(folder, wait=0, name=SWEEP):
                if not (folder / "neptune").exists():
                    with (tmp_path / "trained").open("a") as names:
                        names.write(f"{run.name} {os.getpid()}\n")
                    quick(run, folder, steps, threads, stop)
                return Outcome("finished")
        except FolderTaken:
            return Outcome(ELSEWHERE)

    monkeypatch.setattr(search, "train_in_process", train)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=run_search, args=(asked, tmp_path, 1)) for _ in range(3)]
    for each in processes:
        each.start()
    for each in processes:
        each.join(60)
        assert each.exitcode == 0
    names, pids = zip(*(line.split() for line in (tmp_path / "trained").read_text().splitlines()), strict=True)
    assert sorted(names) == sorted(f"mine-{number}" for number in range(10))  # once each
    assert len(set(pids)) > 1
    study = run_search(asked, tmp_path, jobs=1)
    assert states(study)[:10] == ["COMPLETE"] * 10


def test_a_hopeless_run_is_given_up_and_one_that_fails_is_not_tried_again(
    optuna, asked, trained, tmp_path, monkeypatch, capsys
):
    whole = search.train_in_process

    def train(run, folder, steps, threads, stop):
        if run.name == "mine-1":
            assert stop.wait(60)
            return Outcome("interrupted")
        return Outcome("failed", "no") if run.name == "mine-2" else whole(run, folder, steps, threads, stop)

    monkeypatch.setattr(search, "LOOK", 0.1)
    monkeypatch.setattr(
        search, "_hopeless", lambda folder: "mode collapse, since step 7" if "-1" in folder.name else ""
    )
    monkeypatch.setattr(search, "train_in_process", train)
    study = run_search(asked, tmp_path, jobs=1)
    assert states(study) == ["COMPLETE", "PRUNED", "FAIL", *["COMPLETE"] * 7]
    assert "mine-1: given up: mode collapse, since step 7\n" in capsys.readouterr().out
    assert states(run_search(asked, tmp_path, jobs=1)) == states(study)


def test_a_run_without_a_score_has_failed(optuna, asked, trained, tmp_path, monkeypatch, capsys):
    def train(run, folder, steps, threads, stop):
        write_run(folder, 9)
        return Outcome("finished")

    monkeypatch.setattr(search, "train_in_process", train)
    assert set(states(run_search(asked, tmp_path, jobs=1))) == {"FAIL"}
    assert "mine-0: failed: " in capsys.readouterr().out


def test_a_study_of_other_settings_is_not_gone_on_with(optuna, asked, trained, tmp_path):
    run_search(asked, tmp_path, jobs=1)
    other = Search("mine", asked.base.replace(beta1=0.9), SPACE, 10, "swd")
    with pytest.raises(ValueError, match=r"mine\.optuna\.log is a search with other settings: give the file another"):
        run_search(other, tmp_path, jobs=1)
    more = Search("mine", asked.base, SPACE, 12, "swd")
    assert len(run_search(more, tmp_path, jobs=1).trials) == 12


def test_diagnose_says_which_runs_are_hopeless(tiny, tmp_path):
    write_run(tmp_path / "fine", 30)
    assert search._hopeless(tmp_path / "fine") == ""
    assert search._hopeless(tmp_path / "nowhere") == ""
    with open_run(tiny, tmp_path / "diverged") as run:
        add_points(run, range(1, 7))
        run[DIVERGED] = 7
        run["training/state"] = "diverged"
    assert search._hopeless(tmp_path / "diverged").startswith("divergence, since step 7")


def test_the_command_tells_what_it_needs_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    text = "settings: {evaluate_every: 2}\nsearch: {trials: 2, space: {beta1: [0.0, 0.5]}}"
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["sweep", str(tmp_path / "mine.yaml")]) == 1
    assert main(["sweep", str(tmp_path / "mine.yaml"), "--backend", "ray"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "a search needs a package: pip install 'optuna>=5.0'",
        "a search trains here: start the same command on several machines, and they share the search",
    ]
