"""Checkpoints: whole or not there, safe to read, and the random sources go on where they were."""

import os
import pickle
import random
import stat

import numpy as np
import pytest
import torch
from torch import nn

from dcgan_lib import checkpoint
from dcgan_lib.compute.random_states import random_states, set_random_states


def test_round_trip_of_modules_and_plain_values(tmp_path):
    layer = nn.Linear(3, 2)
    checkpoint.save(tmp_path / "c.pt", layer=layer, step=7, names=["a", "b"])
    back = checkpoint.load(tmp_path / "c.pt")
    assert torch.equal(back["layer"]["weight"], layer.weight)
    assert (back["step"], back["names"]) == (7, ["a", "b"])
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_random_sources_go_on_exactly(tmp_path):
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    checkpoint.save(tmp_path / "c.pt", random=random_states())
    expected = draw()
    draw()
    set_random_states(checkpoint.load(tmp_path / "c.pt")["random"])
    assert draw() == expected


def test_a_crash_while_writing_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    checkpoint.save(path, step=1)

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match=r"could not write .*c\.pt.*No space left.*is intact") as caught:
        checkpoint.save(path, step=2)
    assert "\n" not in str(caught.value)
    assert checkpoint.load(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_disk_that_is_really_full_is_told_in_one_line(tmp_path):
    (tmp_path / "c.pt.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"could not write .*none was there before. Free some space"):
        checkpoint.save(tmp_path / "c.pt", data=torch.zeros(100_000))


def test_a_folder_that_is_gone_is_told_as_that(tmp_path):
    with pytest.raises(OSError, match=r"could not write .*checkpoint.pt: .* Its folder is gone$"):
        checkpoint.save(tmp_path / "gone/checkpoint.pt", step=1)
    assert not (tmp_path / "gone").exists()


def test_a_file_system_that_syncs_no_folders_takes_checkpoints_all_the_same(tmp_path, monkeypatch):
    synced = []

    def fsync(number):
        synced.append(stat.S_ISDIR(os.fstat(number).st_mode))
        if synced[-1]:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(checkpoint.os, "fsync", fsync)
    checkpoint.save(tmp_path / "c.pt", step=1)
    assert synced == [False, True]
    assert checkpoint.load(tmp_path / "c.pt") == {"step": 1}


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*c\.pt: train first"):
        checkpoint.load(tmp_path / "c.pt")


@pytest.mark.parametrize("keep", [0, 1, 100, 1000, -1])
def test_cut_short(tmp_path, keep):
    path = tmp_path / "c.pt"
    checkpoint.save(path, data=torch.zeros(1000))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(checkpoint.CheckpointError, match=r"c\.pt is damaged or cut short: put back a copy, or re"):
        checkpoint.load(path)


def test_a_damaged_byte_is_found_and_the_best_checkpoint_offered(tmp_path):
    checkpoint.save(tmp_path / "c.pt", data=torch.zeros(1000))
    content = bytearray((tmp_path / "c.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "c.pt").write_bytes(content)
    checkpoint.save(tmp_path / "best.pt", data=torch.zeros(1))
    with pytest.raises(checkpoint.CheckpointError, match=r"put a copy in its place, .*best\.pt for instance"):
        checkpoint.load(tmp_path / "c.pt")


def test_the_format_of_before_pytorch_1_6_is_read(tmp_path):
    torch.save({"weight": torch.ones(3)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert checkpoint.load(tmp_path / "old.pth")["weight"].tolist() == [1, 1, 1]


def test_another_kind_of_file_is_not_called_damaged(tmp_path):
    (tmp_path / "notes.txt").write_text("not weights")
    with pytest.raises(checkpoint.CheckpointError, match=r"notes\.txt is no checkpoint: see whether it is the file"):
        checkpoint.load(tmp_path / "notes.txt")


class Payload:
    def __reduce__(self):
        return os.system, ("touch carried-code-ran",)


def test_code_in_a_checkpoint_never_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"gan": Payload()}, "c.pt")
    with pytest.raises(checkpoint.CheckpointError, match="holds more than tensors and plain values"):
        checkpoint.load("c.pt")
    with open("raw.pt", "wb") as file:
        pickle.dump(Payload(), file)
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.load("raw.pt")
    assert not (tmp_path / "carried-code-ran").exists()
