"""Files as a hostile or unlucky world leaves them: whatever is in them, they are read, or refused in one line.

Each test damages small healthy files in random ways, some seconds of them in `make test`; `make fuzz` does it 10,000
times. Nothing else than the named refusals may be raised, nothing may take five seconds, fill the memory, or start a
program.
"""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import warnings
from contextlib import contextmanager, suppress

import numpy as np
import psutil
import pytest
import torch
from helpers.pictures import picture, save_images
from helpers.records import write_run
from PIL import Image

from dcgan_lib import checkpoint
from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.images import decoding, files, lists
from dcgan_lib.launch import read_sweep
from dcgan_lib.quality import diagnose
from dcgan_lib.records import load_runs, runs_table
from dcgan_lib.records.table import runs_as_text

COUNT = int(os.environ.get("DCGAN_FUZZ", "60"))  # of each kind of file
SECONDS = 5
GROWTH = 1 << 30  # of memory, in bytes
WORDS = (b"\0" * 8, b"\xff" * 8, b"-1", b"1e999", b"NaN", b'"', b"\x1b[2J", b"&a [*a]", b"!!python/x ", b"\xed\xa0\x80")


def mutated(data, chance):
    """The bytes with one to six faults: a bit turned, a piece lost, doubled, moved or overwritten, an end cut off."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        if not data:
            break
        start = chance.randrange(len(data))
        end = min(len(data), start + chance.choice((1, 2, 8, 64, 1000)))
        match chance.randrange(6):
            case 0:
                data[start] ^= 1 << chance.randrange(8)
            case 1:
                del data[start:end]
            case 2:
                data[start:start] = data[start:end]
            case 3:
                data[start:end] = chance.randbytes(end - start)
            case 4:
                data[start:start] = chance.choice(WORDS)
            case 5 if chance.random() < 0.3:
                del data[start:]
    return bytes(data)


@contextmanager
def bounded(monkeypatch, what):
    """Fail where it takes too long, grows too large, or starts a program."""

    def late(*_):
        raise KeyboardInterrupt(f"{what} took {SECONDS} seconds")  # no `except Exception` catches it

    monkeypatch.setattr(subprocess, "Popen", lambda *command, **_: pytest.fail(f"{what} started {command}"))
    before, handler = psutil.Process().memory_info().rss, signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
    assert psutil.Process().memory_info().rss - before < GROWTH, what


def outcome(read, *refusals):
    """What a function returns, or the one line in which it refuses; any other exception is the test's failure."""
    try:
        return read()
    except refusals as error:
        text = str(error)
    assert 0 < len(text) < 2000
    return text


def picture_files():
    image, kinds = Image.fromarray(picture(24, 20)), {}
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "PPM", "GIF", "TIFF"):
        file = io.BytesIO()
        image.save(file, kind)
        kinds[kind] = file.getvalue()
    file = io.BytesIO()
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)).save(file, "PNG")
    return kinds | {"16 bits": file.getvalue()}


@pytest.mark.parametrize("kind", picture_files())
def test_images(monkeypatch, kind):
    healthy, chance = picture_files()[kind], random.Random(kind)
    for number in range(COUNT):
        with bounded(monkeypatch, f"{kind} {number}"), decoding._large_images_allowed():
            shape = (3, 16, 16)
            with suppress(Exception):  # whatever it is, `prepare` counts the image and says why
                shape = decoding.decode(mutated(healthy, chance), 16, 3).shape
            assert shape == (3, 16, 16)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives(tmp_path, monkeypatch, kind):
    folder, healthy = save_images(tmp_path / "images", 3), tmp_path / f"healthy.{kind}"
    (folder / "list_attr_celeba.csv").write_text("image_id,Male\n000001.png,1\n")
    shutil.make_archive(str(tmp_path / "healthy"), kind, folder)
    content, chance, damaged = healthy.read_bytes(), random.Random(kind), tmp_path / "damaged"
    for number in range(COUNT):
        damaged.write_bytes(mutated(content, chance))
        with bounded(monkeypatch, f"{kind} {number}"):
            found = outcome(lambda: files.find_images(damaged), ValueError, FileNotFoundError)
            if isinstance(found, files.Source):
                with found.reading() as read:
                    for index in range(len(found.names)):
                        with suppress(Exception):  # as above
                            read(index)


def test_lists(monkeypatch):
    names = [f"{i:06d}.jpg" for i in range(1, 9)]
    official = "8\nMale Young\n" + "".join(f"{name} 1 -1\n" for name in names)
    kaggle = "image_id,Male,Young\n" + "".join(f"{name},1,-1\n" for name in names)
    chance = random.Random("lists")
    for number in range(COUNT):
        data = mutated(chance.choice((official, kaggle)).encode(), chance)
        with bounded(monkeypatch, f"list {number}"):
            labels = outcome(lambda data=data: lists.read_labels({lists.ATTRIBUTES: data}, names), ValueError)
            if not isinstance(labels, str):
                columns, attributes, partition = labels
                assert (attributes.shape, partition.shape) == ((8, len(columns)), (8,))


def test_checkpoints(tmp_path, monkeypatch):
    gan = GAN(Config(image_size=16, generator_width=2, discriminator_width=2, device="cpu", sample_count=2))
    gan.save(tmp_path / "healthy.pt")
    healthy, chance, path = (tmp_path / "healthy.pt").read_bytes(), random.Random("checkpoints"), tmp_path / "c.pt"
    whole = gan.state_dict()["generator"]
    for number in range(COUNT):
        path.write_bytes(mutated(healthy, chance))
        with bounded(monkeypatch, f"checkpoint {number}"):
            loaded = outcome(lambda: GAN.load(path, "cpu"), checkpoint.CheckpointError, ValueError, TypeError)
            if isinstance(loaded, GAN):  # the damage is where nothing is kept
                for name, weight in loaded.generator.state_dict().items():
                    assert torch.equal(weight, whole[name])


def test_settings_and_sweeps(tmp_path, monkeypatch):
    config = "recipe: modern\nepochs: 3\nlearning_rate_g: 2e-4\ndata: data/faces\nflip: true\n"
    sweep = "settings: {epochs: 3}\ngrid:\n  seed: [1, 2]\n  noise: [normal, uniform]\n"
    chance, path = random.Random("settings"), tmp_path / "file.yaml"
    for number in range(COUNT):
        for text, read in ((config, Config.from_file), (sweep, read_sweep)):
            path.write_bytes(mutated(text.encode(), chance))
            with bounded(monkeypatch, f"settings {number}"):
                outcome(lambda read=read: read(path), ValueError, TypeError, OSError)


def test_records(tmp_path, monkeypatch):
    write_run(tmp_path / "healthy", 20, grids=(5, 10), tags=("a",))
    [log] = (tmp_path / "healthy").rglob("data-1.log")
    healthy, chance = log.read_bytes(), random.Random("records")
    shutil.copytree(tmp_path / "healthy", tmp_path / "runs/damaged")
    [damaged] = (tmp_path / "runs").rglob("data-1.log")
    for number in range(COUNT):
        damaged.write_bytes(mutated(healthy, chance))
        with bounded(monkeypatch, f"record {number}"):
            records = load_runs(tmp_path / "runs")
            runs_table(records)
            assert "\x1b" not in runs_as_text(records)
            for record in records:
                for finding in diagnose(record):
                    assert "\n" not in str(finding)
                for path in record.series_names:
                    record.series(path)
                for path in record.image_names:
                    record.images(path)


def test_metadata_of_records(tmp_path, monkeypatch):
    write_run(tmp_path / "runs/one", 5)
    [metadata] = tmp_path.rglob("metadata.json")
    healthy, chance = metadata.read_bytes(), random.Random("metadata")
    for number in range(COUNT):
        metadata.write_bytes(mutated(healthy, chance))
        with bounded(monkeypatch, f"metadata {number}"):
            for record in load_runs(tmp_path / "runs"):
                assert json.dumps(record.problems) is not None
                assert record.steps in (0, 5)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_pretrained_folders(tmp_path, monkeypatch, name):
    config = Config(image_size=16, generator_width=2, discriminator_width=2, latent_dim=4, device="cpu")
    folder = GAN(config).save_pretrained(tmp_path / "faces")
    healthy, chance = (folder / name).read_bytes(), random.Random(name)
    for number in range(COUNT):
        (folder / name).write_bytes(mutated(healthy, chance))
        with bounded(monkeypatch, f"{name} {number}"):
            gan = outcome(lambda: GAN.from_pretrained(folder, "cpu"), ValueError, OSError)
            if isinstance(gan, GAN):
                assert gan.sample(torch.zeros(2, gan.config.latent_dim)).isfinite().all()
