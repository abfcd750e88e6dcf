"""A whole run as a function: complete, stopped early and gone on with, refused."""

import os
import shutil
import signal
from unittest.mock import Mock

import pytest
import torch
from helpers.trainings import assert_same_weights, one_thread

from dcgan_lib.launch import training
from dcgan_lib.launch.folders import FolderTaken, claim
from dcgan_lib.launch.training import train_run
from dcgan_lib.records.reading import load_run
from dcgan_lib.records.writing import FolderGone
from dcgan_lib.train import TrainingDiverged, train_step


@pytest.fixture(autouse=True)
def quick():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of `tiny` that nothing interrupts; the first test makes it."""
    return tmp_path_factory.mktemp("runs") / "whole"


@pytest.fixture
def asked():
    """The steps at which `evaluator` was asked for scores, and whether for D's overfitting."""
    return []


@pytest.fixture
def evaluator(asked):
    return lambda gan, overfitting: asked.append((gan.step, overfitting)) or {"swd": float(gan.step)}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_recorded_drawn_measured_and_saved(tiny, images, whole, evaluator, asked):
    view = Mock()
    config = tiny.replace(evaluate_every=6)
    record = train_run(config, whole, images, tags=["first"], evaluator=evaluator, view=view)
    assert (record.state, record.steps, record.tags) == ("finished", 12, {"first"})
    assert record.series("training/batch/Gloss")["step"].tolist() == list(range(1, 13))
    assert record.image_steps("images/fixed_noise") == [0, 4, 8, 12]
    assert record.series("metrics/swd")["step"].tolist() == [6, 12]
    assert asked == [(6, True), (12, True)]
    names = {"config.json", "checkpoint.pt", "best.pt", "best.json", "samples", "neptune"}
    assert {path.name for path in whole.iterdir()} >= names
    assert sorted(path.name for path in (whole / "samples").iterdir()) == ["000004.png", "000008.png", "000012.png"]
    shown = [(report.step, grid is not None) for report, grid in (call.args for call in view.update.call_args_list)]
    assert shown == [(step, step % 4 == 0) for step in range(2, 13, 2)]
    view.close.assert_called_once()


def test_stopped_early_and_gone_on_with_it_ends_as_one_that_never_was(tiny, images, whole, tmp_path, evaluator, asked):
    before = signal.getsignal(signal.SIGINT)
    record = train_run(tiny, tmp_path, images, steps=5, evaluator=evaluator)
    assert (record.state, record.steps) == ("interrupted", 6)  # the first report from there on
    assert asked == [(6, True)]
    assert signal.getsignal(signal.SIGINT) is before
    files = contents(tmp_path)
    train_run(tiny, tmp_path, images, steps=6)
    assert contents(tmp_path) == files

    view = Mock(**{"update.side_effect": lambda report, grid: report.step == 8 and os.kill(os.getpid(), signal.SIGINT)})
    with pytest.raises(KeyboardInterrupt, match="stopped after step 9 of 12"):
        train_run(tiny, tmp_path, images, view=view)
    assert load_run(tmp_path).state == "interrupted"
    record, expected = train_run(tiny, tmp_path, images), load_run(whole)
    assert record.state == "finished"
    assert_same_weights(tmp_path, whole)
    for name in ("training/batch/Dloss", "training/health/variety"):
        assert record.series(name)[["step", "value"]].equals(expected.series(name)[["step", "value"]])


def test_seconds_are_those_of_all_calls(tiny, images, tmp_path):
    first = train_run(tiny, tmp_path, images, seconds=1e-9)
    assert (first.state, first.steps) == ("interrupted", 2)
    spent = first.fields["training/seconds"]
    assert train_run(tiny, tmp_path, images, seconds=spent).steps == 2
    second = train_run(tiny, tmp_path, images, seconds=spent * 1.001)
    assert second.steps == 4
    assert second.fields["training/seconds"] > spent


def test_a_step_of_ones_own_is_what_is_repeated(tiny, images, tmp_path, monkeypatch, evaluator, asked):
    monkeypatch.setattr(training, "load_images", lambda config: images)
    step = Mock(side_effect=train_step)
    train_run(tiny, tmp_path, step=step, steps=4, evaluator=evaluator)
    assert step.call_count == 4
    assert asked == [(4, False)]  # what its D has learnt to see is not known


def test_a_run_that_diverges_says_so_and_saves_nothing_of_it(tiny, images, tmp_path):
    def step(gan, real, z):
        outcome = train_step(gan, real, z)
        if gan.step == 6:
            next(gan.generator.parameters()).data.fill_(float("nan"))
        return outcome

    with pytest.raises(TrainingDiverged):
        train_run(tiny, tmp_path, images, step=step, steps=6)
    assert load_run(tmp_path).state == "diverged"
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["gan"]["step"] == 4


def test_a_folder_deleted_meanwhile_is_told_and_the_same_call_begins_again(tiny, images, tmp_path):
    folder = tmp_path / "mine"
    view = Mock(**{"update.side_effect": lambda report, grid: report.step == 6 and shutil.rmtree(folder)})
    with pytest.raises(FolderGone, match="mine was deleted or moved while the run trained"):
        train_run(tiny, folder, images, view=view)
    assert view.update.call_args.args[0].step == 6  # told at the next report
    assert not folder.exists()
    record = train_run(tiny, folder, images)
    assert (record.state, len(record.series("training/batch/Gloss"))) == ("finished", 12)


def test_what_cannot_be_trained_is_refused_and_nothing_in_the_folder_changes(tiny, images, whole, monkeypatch):
    monkeypatch.setattr(training, "claim", lambda folder: claim(folder, wait=0.1))
    files = contents(whole)
    with pytest.raises(ValueError, match="beta1 was"):
        train_run(tiny.replace(beta1=0.9), whole, images)
    with pytest.raises(ValueError, match="there are 20 images"):
        train_run(tiny.replace(batch_size=21), whole.with_name("new"), images)
    assert not whole.with_name("new").exists()
    with claim(whole), pytest.raises(FolderTaken):
        train_run(tiny, whole, images)
    images.__dict__["fingerprint"] = "of others"
    with pytest.raises(ValueError, match="other images"):
        train_run(tiny, whole, images)
    assert contents(whole) == files
