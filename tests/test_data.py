"""The cache: made once, whole, shared; and the batches that come of it."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.pictures import picture, save_images, zip_folder
from PIL import Image

from dcgan_lib.data import epoch_order
from dcgan_lib.images import decoding

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.filterwarnings("error")  # a warning that no test expects is one that a user would see


def test_second_call_decodes_nothing_and_changes_are_seen(tmp_path, ready, monkeypatch):
    folder = save_images(tmp_path / "images", 4)
    packed = zip_folder(folder, tmp_path / "images.zip")
    first, from_zip = ready(folder), ready(packed)

    def refuse(*_, **__):
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "decode", refuse)
        again = ready(folder)
        np.testing.assert_array_equal(again.images, first.images)
        assert (again.names, again.fingerprint) == (first.names, first.fingerprint)
        moved = ready(shutil.move(packed, tmp_path / "elsewhere.zip"))  # a zip is known by its listing
        assert moved.fingerprint == from_zip.fingerprint
        assert moved.source == str(tmp_path / "elsewhere.zip")

    def place(prepared):
        return prepared.images.filename

    assert from_zip.fingerprint == first.fingerprint  # the same pixels, from wherever they came
    others = [ready(folder, image_size=9), ready(folder, channels=1)]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 3

    places = {place(first)}
    os.utime(folder / "000002.png", ns=(1, 1))
    places.add(place(ready(folder)))
    (folder / "list_eval_partition.txt").write_text("000001.png 0\n000002.png 1\n000003.png 2\n")
    places.add(place(ready(folder)))
    (folder / "000004.png").rename(folder / "000005.png")
    places.add(place(ready(folder)))
    assert len(places) == 4
    assert ready(folder).fingerprint == first.fingerprint  # none of that touched a pixel


def the_cache(tmp_path):
    """The one cache folder that there is, and nothing half-made beside it."""
    (folder,) = [p for p in (tmp_path / "cache").iterdir() if p.name != ".lock"]
    assert not folder.name.startswith(".partial")
    return folder


def turn_a_bit(path):
    """As a disk that fails does."""
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: os.truncate(folder / "images.npy", 200),
        lambda folder: (folder / "images.npy").write_bytes(b""),
        lambda folder: os.truncate(folder / "images.npy", 4000),
        lambda folder: (folder / "meta.json").write_text('{"names": ['),
        lambda folder: (folder / "meta.json").write_text("{}"),
        lambda folder: os.truncate(folder / "labels.npy", 100),
        lambda folder: turn_a_bit(folder / "labels.npy"),
        lambda folder: turn_a_bit(folder / "images.npy"),
        lambda folder: (folder / "labels.npy").unlink(),
    ],
)
def test_damaged_cache_is_rebuilt_with_a_word(tmp_path, ready, damage):
    source = save_images(tmp_path / "images", 4)
    expected = np.array(ready(source).images)
    damage(the_cache(tmp_path))
    with pytest.warns(UserWarning, match=r"the cache in .* is damaged: preparing it again"):
        again = ready(source)
    np.testing.assert_array_equal(again.images, expected)
    ready(source)  # without a word


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EACCES, errno.ESTALE])
def test_a_whole_cache_that_cannot_be_read_just_now_is_kept(tmp_path, ready, monkeypatch, number):
    source = save_images(tmp_path / "images", 4)
    ready(source)
    kept = sorted((path.name, path.stat().st_mtime_ns) for path in the_cache(tmp_path).iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(np, "load", lambda *_, **__: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
        line = rf"cannot read or write the cache in .*cache: {os.strerror(number)}; .* another folder as cache="
        with pytest.raises(OSError, match=line) as caught:
            ready(source)
    assert caught.value.errno == number
    assert sorted((path.name, path.stat().st_mtime_ns) for path in the_cache(tmp_path).iterdir()) == kept


def test_a_cache_on_a_disk_that_fails_is_made_again(tmp_path, ready, monkeypatch):
    source = save_images(tmp_path / "images", 4)
    ready(source)
    load, failures = np.load, iter([True, True])

    def failing(*arguments, **options):
        if next(failures, False):
            raise OSError(errno.EIO, "Input/output error")
        return load(*arguments, **options)

    monkeypatch.setattr(np, "load", failing)
    with pytest.warns(UserWarning, match=r"the cache in .* is damaged: preparing it again"):
        assert len(ready(source)) == 4


def test_images_are_prepared_without_waiting_for_torch(tmp_path):
    """A launcher does it before the kernel, which imports torch, has begun."""
    save_images(tmp_path / "images", 10)
    code = f"""
import sys
from dcgan_lib.data import prepare
prepared = prepare({str(tmp_path / "images")!r}, 8, cache={str(tmp_path / "cache")!r})
print(len(prepared), len(prepared.rows(hold_out=True)), "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["10", "9", "False"]


def test_interrupted_build_leaves_nothing(tmp_path, ready):
    source = save_images(tmp_path / "images", 40)

    def interrupt(iterable, **_):
        for i, item in enumerate(iterable):
            if i == 20:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        ready(source, progress=interrupt)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [".lock"]
    assert len(ready(source)) == 40


HALFWAY = """
import sys, time
from pathlib import Path
from dcgan_lib.data import prepare


def pause(iterable, **_):
    for i, item in enumerate(iterable):
        if i == 20:
            print("halfway", flush=True)
            while not Path("go").exists():
                time.sleep(0.01)
        yield item

print(len(prepare("images", image_size=8, cache="cache", progress=pause)))
"""


@pytest.fixture
def halfway(tmp_path):
    """Another process that has prepared 20 of 40 images, and goes on when the file `go` is there."""
    save_images(tmp_path / "images", 40)
    child = subprocess.Popen(
        [sys.executable, "-c", HALFWAY],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "halfway\n"
    yield child
    child.kill()
    child.communicate()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_killed_build_is_not_taken_for_whole(tmp_path, ready, halfway):
    halfway.kill()
    halfway.wait()
    assert list((tmp_path / "cache").glob(".partial-*"))
    assert len(ready(tmp_path / "images")) == 40
    the_cache(tmp_path)


def test_two_processes_at_once_share_one_build(tmp_path, ready, halfway, monkeypatch):
    monkeypatch.setattr(decoding, "decode", None)  # this process must wait for the other's work
    results = []
    waiting = threading.Thread(target=lambda: results.append(ready(tmp_path / "images")))
    waiting.start()
    time.sleep(0.2)
    assert waiting.is_alive()
    (tmp_path / "go").touch()
    waiting.join(timeout=20)
    assert len(results[0]) == 40
    assert halfway.communicate(timeout=20)[0] == "40\n"
    the_cache(tmp_path)


def test_progress_is_told_the_total_and_a_log_stays_quiet(tmp_path, ready, capfd):
    source = save_images(tmp_path / "images", 4)
    told = {}

    def progress(iterable, **options):
        told.update(options, steps=0)
        for item in iterable:
            told["steps"] += 1
            yield item

    ready(source, progress=progress, workers=1)
    assert (told["total"], told["steps"], told["unit"]) == (4, 4, "image")
    ready(source, image_size=9)
    assert capfd.readouterr() == ("", "")


def test_a_cache_that_cannot_be_written_says_where_and_how_much(tmp_path, ready, monkeypatch):
    source = save_images(tmp_path / "images", 700)
    line = r"cannot read or write the cache in .*cache.*: {}; it needs 0\.1 MB there, or pass another folder as cache="

    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=line.format("Not a directory").replace("cache.*:", "file.*:")):
        ready(source, cache=tmp_path / "file" / "cache")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
        with pytest.raises(OSError, match=line.format(r"only 0\.0 MB are free")) as caught:
            ready(source)
        assert caught.value.errno == errno.ENOSPC

    resource = pytest.importorskip("resource")  # a disk that fills up on the way: real writes that fail
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match=line.format("File too large")):
            ready(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [".lock"]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only disk")))
        with pytest.raises(OSError, match=line.format("Read-only disk")):
            ready(source)
    assert len(ready(source)) == 700


def test_a_whole_cache_is_read_even_where_it_cannot_be_written(tmp_path, ready, monkeypatch):
    source = save_images(tmp_path / "images", 3)
    ready(source)
    monkeypatch.setattr(Path, "mkdir", None)
    assert len(ready(source)) == 3


def devices():
    return ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.mark.parametrize("device", devices())
def test_batches_span_exactly_minus_one_to_one_and_flip(tmp_path, ready, device):
    folder = tmp_path / "images"
    folder.mkdir()
    for i, value in enumerate((0, 255, 51)):
        Image.new("RGB", (8, 8), (value,) * 3).save(folder / f"{i}.png")
    Image.fromarray(picture(8, 8)).save(folder / "3.png")
    images = ready(folder)

    batch = images.batch(np.array([1, 0, 2]), device)
    assert batch.shape == (3, 3, 8, 8)
    assert batch.dtype == torch.float32
    assert batch.device.type == device
    assert [x.unique().tolist() for x in batch[:2]] == [[1.0], [-1.0]]
    torch.testing.assert_close(batch[2].cpu(), torch.full((3, 8, 8), -0.6))

    plain, mirrored = images.batch([3, 3], device, flip=torch.tensor([False, True]))
    assert torch.equal(mirrored, plain.flip(-1))
    assert not torch.equal(mirrored, plain)
    assert torch.equal(plain, images.batch(torch.tensor([3]), device)[0])
    images.images[0] = 7  # the map is private: what a notebook writes never reaches the disk
    assert ready(folder).images[0].max() == 0


def test_epoch_order_takes_every_image_once_and_repeats_itself():
    def flat(*arguments, **options):
        return np.concatenate([indices for indices, _ in epoch_order(*arguments, **options)]).tolist()

    order = epoch_order(103, 10, seed=5, epoch=2)
    assert [len(indices) for indices, _ in order] == [10] * 10 + [3]
    assert all(flip is None for _, flip in order)
    assert sorted(flat(103, 10, 5, 2)) == list(range(103))
    assert flat(103, 10, 5, 2) == flat(103, 10, 5, 2) == flat(103, 7, 5, 2) == flat(103, 10, 5, 2, flip=True)
    orders = [flat(103, 10, seed, epoch) for seed in range(5) for epoch in range(5)]
    assert len(set(map(tuple, orders))) == 25

    flips = torch.cat([flip for _, flip in epoch_order(1000, 64, 0, 0, flip=True)])
    again = torch.cat([flip for _, flip in epoch_order(1000, 64, 0, 0, flip=True)])
    assert flips.dtype == torch.bool
    assert torch.equal(flips, again)
    assert 400 < flips.sum() < 600


def test_meta_tells_which_source_a_cache_folder_belongs_to(tmp_path, ready):
    source = save_images(tmp_path / "images", 3)
    ready(source)
    assert json.loads((the_cache(tmp_path) / "meta.json").read_text())["source"] == str(source)


def test_an_epoch_of_some_rows_is_that_of_as_many_images_mapped_through_them():
    rows = np.random.default_rng(1).choice(1000, 103, replace=False)
    ours = epoch_order(rows, 10, seed=5, epoch=2, flip=True)
    theirs = epoch_order(103, 10, seed=5, epoch=2, flip=True)
    for (indices, flip), (places, same_flip) in zip(ours, theirs, strict=True):
        assert indices.tolist() == rows[places].tolist()
        assert torch.equal(flip, same_flip)
    assert sorted(np.concatenate([indices for indices, _ in ours])) == sorted(rows)


@pytest.mark.parametrize(
    ("partition", "expected"),
    [
        ([0, 2, 1, -1, 2, 0] * 4, [1, 4, 7, 10, 13, 16, 19, 22]),  # the official list's
        ([-1] * 24, [9, 19]),
        ([0] * 24, [9, 19]),  # a list that names no test image
    ],
)
def test_what_is_held_out_is_the_official_test_split_or_else_every_tenth_image(images, partition, expected):
    split = dataclasses.replace(images, images=np.zeros((24, 3, 4, 4), np.uint8), partition=np.int8(partition))
    assert split.test_rows().tolist() == expected
    assert split.rows(hold_out=True).tolist() == [i for i in range(24) if i not in expected]
    assert split.rows().tolist() == list(range(24))


@pytest.mark.parametrize(
    ("partition", "says"), [([-1] * 9, "none is held out"), ([2] * 12, "all are in the official test split")]
)
def test_a_split_with_an_empty_side_is_told_with_what_to_do(images, partition, says):
    count = len(partition)
    split = dataclasses.replace(images, images=images.images[:count], partition=np.array(partition, np.int8))
    assert len(split.rows()) == count
    with pytest.raises(ValueError, match=rf"of the {count} images in memory {says}: set hold_out: False"):
        split.rows(hold_out=True)
