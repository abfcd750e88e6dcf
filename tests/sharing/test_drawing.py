"""`dcgan sample`: what is in the files is what `GAN.sample` draws, and nothing else is touched."""

import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from dcgan_lib import GAN
from dcgan_lib.__main__ import main
from dcgan_lib.data import prepare
from dcgan_lib.images import to_bytes
from dcgan_lib.quality.metrics import contrast, sliced_wasserstein
from dcgan_lib.sharing import drawing
from dcgan_lib.sharing.drawing import BATCH, draw, save_images, save_walk, seeded_noise
from dcgan_lib.train import fit


@pytest.fixture(params=[3, 1], ids=["colour", "grey"])
def gan(request, tiny, images):
    import dataclasses

    gan = GAN(tiny.replace(channels=request.param, average_half_life=40))
    list(fit(gan, dataclasses.replace(images, images=images.images[:, : request.param])))
    return gan


@pytest.fixture
def source(tiny, tmp_path):
    return str(GAN(tiny).save_pretrained(tmp_path / "faces"))


def pixels(path):
    array = np.asarray(Image.open(path))
    return torch.from_numpy(array.reshape(*array.shape[:2], -1).copy()).permute(2, 0, 1)


def test_each_file_is_what_sample_draws_from_its_z(gan, tmp_path):
    paths = save_images(gan, tmp_path / "out", 70, seed=4)
    assert [path.name for path in paths] == [f"{number:05d}.png" for number in range(70)]
    assert sorted((tmp_path / "out").iterdir()) == paths
    drawn = to_bytes(gan.sample(seeded_noise(gan.config, 4, range(70))))
    read = torch.stack([pixels(path) for path in paths])
    assert read.shape == drawn.shape
    assert (read.int() - drawn.int()).abs().max() <= 1  # batches of another size may be rounded otherwise
    assert (read == drawn).float().mean() > 0.999


@pytest.mark.parametrize("count", [1, 5, BATCH, BATCH + 1])
def test_an_image_is_the_same_whatever_the_count(gan, count):
    many = torch.cat(list(draw(gan, 2 * BATCH + 3, seed=7)))
    assert len(many) == 2 * BATCH + 3
    assert torch.equal(torch.cat(list(draw(gan, count, seed=7))), many[:count])
    assert not torch.equal(torch.cat(list(draw(gan, count, seed=8))), many[:count])


@pytest.mark.parametrize(("noise", "spread"), [("normal", 1.0), ("uniform", 3**-0.5)])
def test_the_noise_is_the_configs_and_each_number_has_its_own(tiny, noise, spread):
    config = tiny.replace(noise=noise, latent_dim=100)
    z = seeded_noise(config, 3, range(400))
    assert z.shape == (400, 100)
    assert z.dtype == torch.float32
    assert abs(z.mean()) < 5 * spread / 200
    assert abs(z.std() - spread) < 5 * spread / 200
    assert torch.equal(seeded_noise(config, 3, range(7, 9)), z[7:9])
    others = torch.cat([z, seeded_noise(config, 4, range(400))])
    correlations = torch.corrcoef(others).fill_diagonal_(0)
    assert correlations.abs().max() < 6 / 10  # of independent vectors of 100 numbers: 1/10 is one deviation
    if noise == "uniform":
        assert z.abs().max() <= 1


def test_the_files_score_as_the_tensors_do(gan, images, tmp_path):
    save_images(gan, tmp_path / "out", 64)
    channels = gan.config.channels
    read = torch.from_numpy(prepare(tmp_path / "out", 16, channels, cache=tmp_path / "cache").images)
    drawn, real = gan.sample(seeded_noise(gan.config, 0, range(64))), torch.from_numpy(images.images[:, :channels])
    assert contrast(read) == pytest.approx(contrast(drawn), rel=1e-2)
    scores = [sliced_wasserstein(each, real, patches=4000, directions=64)[16] for each in (read, drawn)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-2)


def test_the_same_command_writes_its_own_again_and_touches_nothing_else(tiny, tmp_path):
    out, gan = tmp_path / "out", GAN(tiny)
    save_images(gan, out, 5, seed=1)
    (out / ".DS_Store").write_text("a file browser's")
    [first, *_] = save_images(gan, out, 5, seed=2)
    assert Image.open(first).info["Description"] == "drawn by a GAN: seed 2, image 0"
    with pytest.raises(FileExistsError, match=r"out holds 0000[34]\.png, which is not among the 3 images to be writt"):
        save_images(gan, out, 3)  # the others would stay, and be taken for its own
    Image.new("RGB", (16, 16)).save(out / "00001.png")  # of the same name, but somebody else's
    for _ in range(2):
        with pytest.raises(FileExistsError, match=r"out holds 00001\.png, that this command has not written: choose"):
            save_images(gan, out, 5)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/00000.png").write_text("no image")
    (tmp_path / "file").write_text("mine")
    for taken in ("notes", "file"):
        with pytest.raises(FileExistsError, match=r"choose a(nother)? folder"):
            save_images(gan, tmp_path / taken, 5)
    assert (tmp_path / "notes/00000.png").read_text() == "no image"


def test_memory_stays_flat_where_files_are_slower_than_images(tiny, tmp_path, monkeypatch):
    import threading

    waiting, most, lock = 0, 0, threading.Lock()
    gate, drawn = threading.Semaphore(0), drawing.draw

    def counted(gan, count, seed):
        nonlocal waiting, most
        for batch in drawn(gan, count, seed):
            with lock:
                waiting += 1
                most = max(most, waiting)
            if waiting > 6:
                gate.release()  # the files are written only once so many batches wait
            yield batch

    def slow(*given):
        nonlocal waiting
        gate.acquire(timeout=0.05)
        with lock:
            waiting -= 1

    monkeypatch.setattr(drawing, "draw", counted)
    monkeypatch.setattr(drawing, "_write", slow)
    monkeypatch.setattr(drawing.os, "cpu_count", lambda: 2)
    save_images(GAN(tiny), tmp_path / "out", 20 * BATCH)
    assert most <= 6  # twice as many as threads, the one just drawn, and the one that is taken out


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_a_walk_passes_through_the_seeds_faces_and_ends_where_it_begins(tmp_path, suffix):
    if suffix == ".mp4" and not shutil.which("ffmpeg"):
        pytest.importorskip("imageio_ffmpeg")
    gan = GAN.from_pretrained(device="cpu")  # its images differ from frame to frame: WebP joins those that don't
    path = save_walk(gan, tmp_path / f"walk{suffix}", faces=3, seed=2)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    if suffix == ".mp4":
        assert path.read_bytes()[4:8] == b"ftyp"
        return
    with Image.open(path) as walk:
        assert (walk.n_frames, walk.size, walk.info["loop"]) == (3 * drawing.STEPS, (64, 64), 0)
        faces = torch.cat(list(draw(gan, 3, seed=2))).permute(0, 2, 3, 1).numpy()
        for number, face in enumerate(faces):
            walk.seek(number * drawing.STEPS)
            shown = np.asarray(walk.convert("RGB")).astype(float)
            assert np.abs(shown - face).mean() < 8  # of 255: 256 colours, or WebP's loss


def test_what_a_walk_cannot_be_is_told(tiny, tmp_path, monkeypatch):
    gan = GAN(tiny)
    with pytest.raises(ValueError, match=r"walk\.avi: a walk is a \.gif, a \.webp or an \.mp4"):
        save_walk(gan, tmp_path / "walk.avi")
    with pytest.raises(ValueError, match="faces is 1: a walk needs at least 2"):
        save_walk(gan, tmp_path / "walk.gif", faces=1)
    monkeypatch.setattr(drawing.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(RuntimeError, match=r"an \.mp4 needs ffmpeg, which is not here: pip install imageio-ffmpeg, or"):
        save_walk(gan, tmp_path / "walk.mp4")
    monkeypatch.setattr(drawing.shutil, "which", lambda name: sys.executable)  # no ffmpeg
    with pytest.raises(RuntimeError, match=r"^ffmpeg could not write .*walk\.mp4: .+$"):
        save_walk(gan, tmp_path / "walk.mp4")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_all_three(source, tmp_path, capsys):
    out, grid, walk = tmp_path / "a/out", tmp_path / "b/grid.png", tmp_path / "c/walk.gif"
    where = ["--to", str(out), "--grid", str(grid), "--walk", str(walk), "--faces", "2", "--device", "cpu"]
    assert main(["sample", source, "--count", "9", "--seed", "3", *where]) == 0
    assert len(list(out.iterdir())) == 9
    assert Image.open(grid).size == (2 + 8 * 18, 2 + 2 * 18)
    shown = np.asarray(Image.open(grid))[2:18, 2:18]
    assert np.array_equal(shown, np.asarray(Image.open(out / "00000.png")))
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"9 images in {out}, ")
    assert said[1:] == [f"9 images in {grid}", f"a walk through 2 faces in {walk}"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "nothing to write: give --to FOLDER"),
        (["--count", "0", "--grid", "grid.png"], "count is 0"),
        (["--seed", "-1", "--grid", "grid.png"], "seed is -1"),
        (
            ["--grid", "grid.png", "--walk", "walk.avi"],
            "--walk walk.avi: name a file that ends with .gif, .webp, .mp4\n",
        ),
    ],
)
def test_what_is_not_possible_is_one_line(source, arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", source, *arguments]) == 1
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]  # nothing was drawn before
