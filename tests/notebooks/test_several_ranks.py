"""`dcgan train` under torchrun: a rank killed, all stopped, gone on with, and finished, on two ranks and on one."""

import os
import signal

import psutil
import pytest
import torch
from helpers.ranks import run_ranks
from helpers.trainings import assert_same_weights, finish, quick_settings, start, wait_for

from dcgan_lib.records.reading import load_run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops and kills processes by signals")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    every = {"sample_every": 60, "log_every": 20, "checkpoint_every": 8}
    return quick_settings(tmp_path_factory.mktemp("quick"), epochs=40, augment=True, **every)


@pytest.fixture(scope="module")
def story(settings, tmp_path_factory):
    """A run whose second rank is killed, gone on with, stopped, and gone on with to its end.

    Gives its folder, what was printed each time, and its step when it was stopped.
    """
    folder = tmp_path_factory.mktemp("runs") / "mine"
    checkpoint = folder / "checkpoint.pt"

    def train():
        return start("train", settings, "--runs", folder.parent, "--run", "mine", ranks=2)

    process = train()
    wait_for(checkpoint, process)
    [second] = [each for each in psutil.Process(process.pid).children() if each.environ().get("RANK") == "1"]
    second.kill()
    endings = [finish(process)]
    saved = checkpoint.stat().st_mtime
    process = train()
    wait_for(checkpoint, process, since=saved)
    process.send_signal(signal.SIGTERM)
    endings.append(finish(process))
    stopped_at = torch.load(checkpoint, weights_only=True)["gan"]["step"]
    endings.append(finish(train()))
    return folder, endings, stopped_at


def own_lines(err):
    """What the course says, without what torchrun does."""
    return [
        line for line in err.splitlines() if line.startswith(("starting", "going on", "stopped", "rank", "the kernel"))
    ]


def test_a_killed_rank_ends_all_and_the_checkpoint_is_whole(story):
    folder, [(code, _, err), *_], _ = story
    assert code == 1
    first, *told = own_lines(err)
    assert first == f"starting {folder}"
    assert len(told) == 1
    assert told[0].endswith(
        ("the same command goes on from there", "the same command goes on from the last checkpoint")
    )


def test_sigterm_saves_once_and_ends_all(story):
    folder, [_, (code, _, err), _], step = story
    assert code != 0
    told = f"stopped, and saved after step {step} in {folder}; the same command goes on from there"
    assert own_lines(err) == [f"going on with {folder}", told]
    assert step < 120


def test_it_ends_with_the_weights_and_the_record_of_a_run_never_killed(story, settings, tmp_path):
    folder, [*_, (code, out, err)], _ = story
    assert code == 0, err
    assert " 120 " in out
    script = """
import sys
from dcgan_lib.config import Config
from dcgan_lib.launch.training import train_run
record = train_run(Config.from_file(sys.argv[1]), sys.argv[2], **eval(sys.argv[3]))
print(record and record.steps)
"""
    for limits, steps in (({"steps": 30}, 32), ({"steps": 30}, 32), ({}, 120)):  # to a checkpoint, no further, on
        ends = run_ranks(script, settings, tmp_path / "whole", limits)
        assert [(code, out) for code, out, _ in ends] == [(0, f"{steps}\n"), (0, "None\n")], ends
    assert_same_weights(folder, tmp_path / "whole")
    ours, theirs = load_run(folder), load_run(tmp_path / "whole")
    for name in ("Dloss", "Gloss", "D_x", "D_G_z1", "D_G_z2"):
        series = ours.series(f"training/batch/{name}")[["step", "value"]]
        assert series["step"].tolist() == list(range(1, 121))
        assert series.equals(theirs.series(f"training/batch/{name}")[["step", "value"]])


def test_what_cant_be_trained_is_told_in_one_line(settings, tmp_path):
    code, _, err = finish(start("train", settings, "--runs", tmp_path, "--set", "batch_size", 7, ranks=2))
    assert code == 1
    advice = "make it a multiple of 2, two images each at least"
    assert err.count("batch_size") == 1
    assert f"batch_size is 7, which 2 ranks can't share: {advice}\n" in err
    code, _, err = finish(start("sweep", "configs/sweeps/epochs.yaml", "--runs", tmp_path, ranks=2))
    assert code == 1
    assert err.count("dcgan sweep") == 1
    assert "dcgan sweep shares the GPUs out by itself, one a run: call it without torchrun\n" in err
    assert list(tmp_path.iterdir()) == []
