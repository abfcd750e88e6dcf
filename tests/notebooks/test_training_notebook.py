"""The training notebook in batch, through papermill and `dcgan train`: killed, stopped, gone on with, finished."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
from helpers.trainings import (
    PROJECT,
    assert_same_weights,
    finish,
    marked_token,
    one_thread,
    places,
    quick_settings,
    start,
    wait_for,
)

from dcgan_lib.config import Config
from dcgan_lib.launch.training import train_run
from dcgan_lib.records.reading import load_run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops and kills processes by signals")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Settings of a training that takes some seconds, on 96 drawn faces of its own."""
    every = {"sample_every": 60, "log_every": 20, "checkpoint_every": 8}
    return quick_settings(tmp_path_factory.mktemp("quick"), epochs=80, **every)


@pytest.fixture(scope="module")
def token_forms():
    with pytest.MonkeyPatch.context() as patch:
        yield marked_token(patch)


@pytest.fixture(scope="module")
def story(settings, token_forms, tmp_path_factory):
    """A run that is killed, gone on with, stopped, and gone on with to its end.

    Gives its folder, the exit code and what was printed each time, and its record and step when it was stopped.
    """
    folder = tmp_path_factory.mktemp("runs") / "mine"
    checkpoint = folder / "checkpoint.pt"

    def train():
        return start("train", settings, "--runs", folder.parent, "--run", "mine", "--tag", "two", "--tag", "words")

    process = train()
    wait_for(checkpoint, process)
    [kernel] = psutil.Process(process.pid).children()
    kernel.kill()  # in the middle of its training
    endings = [finish(process)]

    saved = checkpoint.stat().st_mtime
    process = train()
    wait_for(checkpoint, process, since=saved)
    [kernel] = psutil.Process(process.pid).children()
    kernel.suspend()  # as long a step as a slow machine has
    process.send_signal(signal.SIGINT)
    time.sleep(3)
    kernel.resume()
    endings.append(finish(process))
    stopped_at = torch.load(checkpoint, weights_only=True)["gan"]["step"]
    stopped = load_run(folder)
    stopped_as = stopped.state, stopped.last("training/batch/Dloss")[0]
    endings.append(finish(train()))
    return folder, endings, stopped_at, stopped_as


def test_a_killed_kernel_is_told_in_a_line(story):
    folder, [(code, _, err), *_], _, _ = story
    assert code == 1
    start, died = err.splitlines()
    assert start == f"starting {folder}"  # quiet in a log: no bar, not a line an update
    assert died.startswith("the kernel died")
    assert died.endswith(f" in {folder}: the same command goes on")


def test_ctrl_c_saves_closes_the_run_and_says_how_to_go_on(story):
    folder, [_, (code, _, err), _], step, stopped_as = story
    assert code == 130
    told = f"stopped, and saved after step {step:,} in {folder}; the same command goes on from there"
    assert err.splitlines() == [f"going on with {folder}", told]
    assert stopped_as == ("interrupted", step)
    assert step < 240


def test_a_run_leaves_its_folder_complete_and_says_what_next(story):
    folder, [*_, (code, out, err)], _, _ = story
    assert code == 0, err
    assert {path.name for path in folder.iterdir()} >= {"config.json", "checkpoint.pt", "samples", "neptune"}
    names = [path.name for path in sorted((folder / "samples").iterdir())]
    assert names == ["000060.png", "000120.png", "000180.png", "000240.png"]
    for told in ("mine", " 240 ", "finished", "000240.png", "dcgan runs"):
        assert told in out


def test_its_record_has_the_articles_fields(story):
    record = load_run(story[0])
    assert record.fields["config/dataset/size"] == 96
    assert record.tags == {"two", "words"}
    assert "ConvTranspose2d" in record.text("io_files/artifacts/Generator_arch")
    assert "LeakyReLU" in record.text("io_files/artifacts/Discriminator_arch")


def test_a_token_in_the_environment_is_written_nowhere(story, token_forms):
    folder, endings, _, _ = story
    assert places(token_forms, folder.parent, *(text for _, *texts in endings for text in texts)) == []


def test_weights_and_record_are_those_of_train_run_in_one_go(story, settings, tmp_path):
    with one_thread():
        expected = train_run(Config.from_file(settings), tmp_path / "whole")
    assert_same_weights(story[0], tmp_path / "whole")
    record = load_run(story[0])
    for name in ("Dloss", "Gloss", "D_x", "D_G_z1", "D_G_z2"):
        ours, theirs = (each.series(f"training/batch/{name}")[["step", "value"]] for each in (record, expected))
        assert ours["step"].tolist() == list(range(1, 241))
        assert ours.equals(theirs)
    steps = record.image_steps("images/fixed_noise")
    assert steps == expected.image_steps("images/fixed_noise") == [0, 60, 120, 180, 240]


def test_plain_papermill_refuses_a_parameter_that_does_not_exist(settings, tmp_path):
    command = ["-m", "papermill", "notebooks/03_training.ipynb", tmp_path / "out.ipynb", "--no-progress-bar"]
    command += ["-f", settings, "-p", "epoch", "9", "-p", "runs", tmp_path / "runs"]
    done = subprocess.run([sys.executable, *command], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "papermill passed 'epoch', no parameter here: did you mean 'epochs'?" in done.stderr
    assert not (tmp_path / "runs").exists()
