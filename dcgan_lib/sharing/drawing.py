"""`dcgan sample`: images of a generator as files, one by one, as one picture, or as a walk from face to face."""

import math
import os
import shutil
import subprocess
import time
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor
from tqdm import tqdm

from dcgan_lib import checkpoint
from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import gif, to_bytes, to_grid
from dcgan_lib.latent.walks import loop

BATCH = 64  # images drawn at a time, always as many: how sums are rounded may depend on it
STEPS, PER_SECOND = 24, 25  # of a walk: frames from one face to the next, and frames a second
MOST_IN_GRID, MOST_ON_WALK = 10_000, 500  # images that are in memory together
PICTURES, WALKS = (".png", ".jpg", ".webp"), (".gif", ".webp", ".mp4")
SOFTWARE = "dcgan_lib"  # what each file says it comes from


def seeded_noise(config: Config, seed: int, numbers: range) -> Tensor:
    """The z of the images with these numbers, (len(numbers), latent_dim): each is drawn from the seed and its number.

    So an image is the same however many are drawn, and in whatever order.
    """
    normal = config.noise == "normal"
    rows = []
    for number in numbers:
        random = np.random.default_rng((seed, number))
        row = random.standard_normal if normal else random.random
        rows.append(row(config.latent_dim, dtype=np.float32))
    z = torch.from_numpy(np.stack(rows))
    return z if normal else 2 * z - 1


def draw(gan: GAN, count: int, seed: int = 0) -> Iterator[Tensor]:
    """The first `count` images of a seed, in batches of at most `BATCH`: (n, C, S, S) uint8."""
    for first in range(0, count, BATCH):
        z = seeded_noise(gan.config, seed, range(first, first + BATCH))
        yield to_bytes(gan.sample(z))[: count - first]


def save_images(gan: GAN, folder: str | Path, count: int, seed: int = 0) -> list[Path]:
    """Write the first `count` images of a seed as 00000.png, 00001.png … into a folder; returns their paths.

    They are never in memory together, so that there may be any number. On one machine with one number of threads image
    i is the same to the last bit, whatever the count; elsewhere a pixel may be off by 1 in 255, where it was between
    two. Files of an earlier call are replaced. Raises `FileExistsError` where the folder holds any others.
    """
    folder = Path(folder)
    paths = [folder / f"{number:05d}.png" for number in range(count)]
    _check_own(folder, {path.name for path in paths})
    folder.mkdir(parents=True, exist_ok=True)
    workers = os.cpu_count() or 1
    waiting: deque[Future] = deque()
    first = 0
    with ThreadPoolExecutor(workers) as pool, tqdm(total=count, unit=" images", disable=None, leave=False) as bar:
        for batch in draw(gan, count, seed):
            waiting.append(pool.submit(_write, batch, paths[first : first + len(batch)], seed, first))
            first += len(batch)
            bar.update(len(batch))
            while len(waiting) > 2 * workers:  # so that memory stays flat where G is faster than the files are
                waiting.popleft().result()
        for each in waiting:
            each.result()
    return paths


def _write(images: Tensor, paths: list[Path], seed: int, first: int) -> None:
    for number, (image, path) in enumerate(zip(images.permute(0, 2, 3, 1).numpy(), paths, strict=True), first):
        about = PngImagePlugin.PngInfo()
        about.add_text("Software", SOFTWARE)
        about.add_text("Description", f"drawn by a GAN: seed {seed}, image {number}")
        Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(path, pnginfo=about)


def _check_own(folder: Path, names: set[str]) -> None:
    """`FileExistsError` where a folder holds anything but images that `save_images` wrote, and will write again."""
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file: choose a folder")
    for path in folder.glob("[!.]*"):
        try:
            with Image.open(path) as image:
                ours = path.name in names and image.info.get("Software") == SOFTWARE
        except (OSError, ValueError, SyntaxError):  # no image
            ours = False
        if not ours:
            among = "that this command has not written"
            told = among if path.name in names else f"which is not among the {len(names):,} images to be written"
            raise FileExistsError(f"{folder} holds {path.name}, {told}: choose another folder, or empty it")


def picture(gan: GAN, count: int, seed: int = 0) -> Image.Image:
    """The first `count` images of a seed in one picture."""
    return Image.fromarray(to_grid(torch.cat(list(draw(gan, count, seed))), max(8, math.ceil(count**0.5))))


def save_walk(gan: GAN, path: str | Path, faces: int = 6, seed: int = 0) -> Path:
    """Write a walk without end through the first `faces` images of a seed: a .gif, .webp or .mp4; returns its path.

    Between two faces z turns on the sphere where nearly all z are. Raises `ValueError` for another suffix, or fewer
    than 2 faces; `RuntimeError` where an .mp4 needs ffmpeg and it is not there.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in WALKS:
        raise ValueError(f"{path}: a walk is a .gif, a .webp or an .mp4")
    if faces < 2:
        raise ValueError(f"faces is {faces}: a walk needs at least 2")
    encoder = _ffmpeg() if kind == ".mp4" else None
    stages = loop(seeded_noise(gan.config, seed, range(faces)), STEPS)
    pixels = torch.cat([to_bytes(gan.sample(z)) for z in stages.split(BATCH)])
    frames = pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    if encoder:
        _encode(encoder, frames, path)
        return path
    if kind == ".gif":
        checkpoint.write_whole(path, gif(frames, 1000 / PER_SECOND))
        return path
    first, *others = map(Image.fromarray, frames)
    options = {"duration": 1000 // PER_SECOND, "loop": 0, "save_all": True, "append_images": others, "quality": 90}
    checkpoint.write_whole(path, lambda file: first.save(file, "WEBP", **options))
    return path


def _ffmpeg() -> str:
    """The program that makes an .mp4: the system's, or that of the package imageio-ffmpeg."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as error:
        advice = "pip install imageio-ffmpeg, or name a .gif or .webp"
        raise RuntimeError(f"an .mp4 needs ffmpeg, which is not here: {advice}") from error
    return get_ffmpeg_exe()


def _encode(encoder: str, frames: np.ndarray, path: Path) -> None:
    """Frames (N, S, S, 3) as H.264, which every browser and phone plays."""
    partial = path.with_name(f".partial-{path.name}")
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    given = [encoder, "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(PER_SECOND), "-i", "-"]
    given += ["-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(partial)]
    done = subprocess.run(given, input=frames.tobytes(), capture_output=True, check=False)
    if done.returncode:
        partial.unlink(missing_ok=True)
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise RuntimeError(f"ffmpeg could not write {path}: {said[0]}")
    partial.replace(path)


def add_arguments(parser: ArgumentParser) -> None:
    told = "a run's folder, a checkpoint, a pretrained folder, or owner/name on the Hugging Face Hub"
    parser.add_argument("source", nargs="?", help=f"{told} (default: the package's own)")
    parser.add_argument("--count", type=int, default=64, help="images (default: 64)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise: image i of a seed is always the same")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="each image as a PNG, 00000.png and so on")
    parser.add_argument("--grid", type=Path, metavar="FILE", help="all of them in one picture")
    parser.add_argument("--walk", type=Path, metavar="FILE", help="a walk through faces: .gif, .webp or .mp4")
    parser.add_argument("--faces", type=int, default=6, help="faces on the walk, the first of the seed (default: 6)")
    parser.add_argument("--device", default="auto", help="where to draw: auto, cpu, cuda, mps")


def main(given: Namespace) -> int:
    """Draw, and say where the files are."""
    if not (given.to or given.grid or given.walk):
        raise ValueError("nothing to write: give --to FOLDER, --grid FILE, or --walk FILE")
    if given.count < 1 or given.seed < 0:
        raise ValueError(f"count is {given.count}, seed is {given.seed}: give 1 image or more, and a seed of 0 or more")
    if given.grid and given.count > MOST_IN_GRID:
        raise ValueError(f"count is {given.count:,}: a grid takes at most {MOST_IN_GRID:,}; write files by --to FOLDER")
    if given.grid and given.grid.suffix.lower() not in PICTURES:
        raise ValueError(f"--grid {given.grid}: name a file that ends with {', '.join(PICTURES)}")
    if given.walk and given.walk.suffix.lower() not in WALKS:
        raise ValueError(f"--walk {given.walk}: name a file that ends with {', '.join(WALKS)}")
    if given.walk and not 2 <= given.faces <= MOST_ON_WALK:
        raise ValueError(f"faces is {given.faces:,}: a walk goes through 2 to {MOST_ON_WALK}")
    for path in (given.grid, given.walk):
        if path and path.is_dir():
            raise ValueError(f"{path} is a folder: name a file")
    gan = GAN.from_pretrained(given.source, given.device)
    if given.to:
        began = time.perf_counter()
        save_images(gan, given.to, given.count, given.seed)
        took = time.perf_counter() - began
        print(f"{given.count:,} images in {given.to}, {took:.1f} s, {given.count / took:,.0f} images/s")
    if given.grid:
        given.grid.parent.mkdir(parents=True, exist_ok=True)
        picture(gan, given.count, given.seed).save(given.grid)
        print(f"{given.count:,} images in {given.grid}")
    if given.walk:
        print(f"a walk through {given.faces} faces in {save_walk(gan, given.walk, given.faces, given.seed)}")
    return 0
