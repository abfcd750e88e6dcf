"""`make gpu`: what only a CUDA GPU can tell, in under 9 minutes; prints a table, and rewrites its part of RESULTS.md.

Tests that need one; the step as a CUDA graph, in bf16, by batch size; images in the GPU's memory or streamed to it;
five epochs of as many images as CelebA has; the articles' loop beside it. Where there is no GPU it runs through all of
this with tiny sizes and writes nothing, so that it is known to work.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch
from bench import REPEATS, Table, from_files, loose_files, plain_from_files, quiet, seconds, steady
from results import machine, replace_part

from dcgan_lib.compute import gpu_batches
from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, prepare
from dcgan_lib.faces import draw_faces
from dcgan_lib.gan import GAN
from dcgan_lib.quality.evaluate import Evaluator
from dcgan_lib.train import fit

HOME = Path(__file__).parents[1]
TESTS = ("tests/compute/test_cuda_graph.py", "tests/compute/test_gpu_batches.py", "tests/test_data.py")


@dataclass
class Sizes:
    """How much of everything: on a GPU, or to see on a CPU that it works."""

    device: str
    steps: int  # of a training whose speed is measured
    every: int  # steps of a report
    batches: tuple[int, ...]
    narrow: dict[str, int]  # widths that replace a recipe's
    files: int  # JPEGs that the articles' loop reads
    images: int  # of the set with as many images as CelebA
    learn: int  # images that bf16 and fp32 learn from


GPU = Sizes("cuda", 1500, 50, (64, 128, 256, 512, 1024), {}, 6400, 202_599, 200_000)
CPU = Sizes("cpu", 4, 2, (16, 32), {"generator_width": 8, "discriminator_width": 8}, 64, 320, 128)


def repeated(images: ImageSet, count: int) -> ImageSet:
    """A set of so many images, of those that are there."""
    pixels = np.take(images.images, np.arange(count) % len(images), axis=0)
    none = np.zeros((count, 0), np.int8)
    return ImageSet(pixels, [], [], none, np.full(count, -1, np.int8), [], "repeated", "memory")


def run_tests(table: Table) -> None:
    """Those that are skipped where there is no GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    ran = subprocess.run(command, cwd=HOME, capture_output=True, text=True)
    lines = ran.stdout.splitlines() or ran.stderr.splitlines() or ["nothing was said"]
    table.row("`pytest` of the tests that need a GPU, and their neighbours", lines[-1].strip("= "))
    for line in lines[:-1]:
        if line.startswith(("FAILED", "ERROR", "E  ")):
            print(line)


def compare_graphs(table: Table, sizes: Sizes, images: ImageSet) -> None:
    """How far the weights of 20 steps differ, with the graph and without; and from the same again, without."""
    torch.backends.cudnn.deterministic = True
    for recipe in ("paper", "modern"):
        weights = []
        for graphs in (True, False, False):
            settings = {"recipe": recipe, "precision": "fp32", "device": sizes.device, "cuda_graphs": graphs}
            gan = GAN(quiet(Config.from_dict(settings | sizes.narrow)))
            for report in fit(gan, images):
                if report.step >= 20:
                    break
            weights.append(torch.cat([p.detach().flatten() for p in gan.generator.parameters()]).double().cpu())
        for what, other in (("with the graph and without", 0), ("without it, twice", 2)):
            share = (weights[1] - weights[other]).norm() / weights[1].norm()
            table.row(f"`{recipe}`, G's weights after {report.step} steps, {what}: difference", [float(share)])
    torch.backends.cudnn.deterministic = False


def speeds(table: Table, sizes: Sizes, images: ImageSet) -> dict[str, float]:
    """Images per second of both recipes in each way to compute; gives the medians."""
    found = {}
    ways = {
        "bf16, graph": {"precision": "bf16", "cuda_graphs": True},
        "bf16": {"precision": "bf16", "cuda_graphs": False},
        "fp32, graph": {"precision": "fp32", "cuda_graphs": True},
        "fp32": {"precision": "fp32", "cuda_graphs": False},
    }
    for recipe in ("paper", "modern"):
        for name, way in ways.items():
            config = Config.from_dict({"recipe": recipe, "device": sizes.device} | sizes.narrow | way)
            what = f"`{recipe}`, width {config.generator_width}, batch {config.batch_size}, {name}"
            found[recipe, name] = table.row(what, steady(config, images, sizes.steps, sizes.every), "images/s")
    fast = Config.from_dict({"device": sizes.device, "flip": True} | sizes.narrow | ways["bf16, graph"])
    for batch in sizes.batches:
        config = fast.replace(batch_size=batch)
        what = f"width {config.generator_width}, batch {batch}, bf16, graph, mirrored"
        found[batch] = table.row(what, steady(config, images, sizes.steps, sizes.every), "images/s")
        if sizes is GPU:
            table.row("… memory that PyTorch held at most", [torch.cuda.max_memory_allocated() / 1e9], "GB")
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
    share, gpu_batches.SHARE = gpu_batches.SHARE, 0.0
    config = fast.replace(batch_size=sizes.batches[1])
    what = f"width {config.generator_width}, batch {config.batch_size}, the same, images streamed from the host"
    found["streamed"] = table.row(what, steady(config, images, sizes.steps, sizes.every), "images/s")
    gpu_batches.SHARE = share
    return found


def learn(table: Table, sizes: Sizes, faces: ImageSet) -> None:
    """Scores of `modern` after as many images, in fp32 and in bf16, two seeds each: the faces must not tell."""
    evaluator = Evaluator(faces, hold_out=True)
    for precision in ("fp32", "bf16"):
        scores = []
        for seed in (1, 2):
            settings = {"recipe": "modern", "device": sizes.device, "precision": precision, "cuda_graphs": True}
            settings |= {"seed": seed, "epochs": 10_000} | sizes.narrow
            gan = GAN(quiet(Config.from_dict(settings)))
            for report in fit(gan, faces):
                if report.step * gan.config.batch_size >= sizes.learn:
                    break
            scores.append(evaluator(gan, overfitting=False)["swd"])
        table.row(f"`modern`, {sizes.learn:,} portraits seen, {precision}: SWD", scores)
    table.row("… of real portraits", [evaluator.floor()["swd"]])


def five_epochs(table: Table, sizes: Sizes, images: ImageSet) -> None:
    """The articles' five epochs, in the fastest way and in their own."""
    for name, way in {"bf16, graph": {"precision": "bf16", "cuda_graphs": True}, "fp32": {}}.items():
        config = Config.from_dict({"device": sizes.device} | sizes.narrow | way)
        took = seconds(lambda config=config: list(fit(GAN(config), images)))
        table.row(f"five epochs of {len(images):,} images, batch {config.batch_size}, {name}", [took], "s")


def beside_the_plain_loop(table: Table, sizes: Sizes, data: Path, temporary: Path) -> None:
    """From JPEGs on disk to trained weights, one epoch, in turn."""
    folder = str(loose_files(str(data), sizes.files, temporary / "loose"))
    settings = {"batch_size": 32 if sizes.device == "cpu" else 128, "device": sizes.device}
    fast = settings | {"precision": "auto", "cuda_graphs": True}
    plain, ours = [], []
    for _ in range(REPEATS if sizes is GPU else 1):
        plain.append(plain_from_files(folder, sizes.files, settings["batch_size"], sizes.device))
        ours.append(from_files(folder, fast))
    table.row(f"plain loop, width 64, {sizes.files:,} JPEGs to weights", plain, "images/s")
    table.row("the same, ours, cache included", ours, "images/s")


def conclusions(found: dict) -> list[str]:
    """Which default each finding supports."""
    lines = []
    for recipe in ("paper", "modern"):
        fast, half, plain = (found[recipe, name] for name in ("bf16, graph", "bf16", "fp32"))
        lines.append(
            f"- `{recipe}`: bf16 alone is {half / plain:.2f} times as fast as fp32 without a graph, with the graph "
            f"{fast / plain:.2f} times."
        )
    batches = [batch for batch in found if isinstance(batch, int)]
    best = max(batches, key=found.get)
    lines.append(f"- The fastest batch is {best}: {found[best]:,.0f} images/s.")
    resident = found[batches[1]] / found["streamed"]
    lines.append(f"- Images in the GPU's memory: {resident:.2f} times the speed of streamed ones.")
    return lines


def main() -> None:
    """Measure, print, and write where there is a GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/faces"), help="a zip or folder of images")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    sizes = GPU if torch.cuda.is_available() else CPU
    if options.data == Path("data/faces"):
        draw_faces(options.data)
    began = time.perf_counter()
    table = Table()
    table.row("machine", machine())
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        faces = prepare(options.data, cache=temporary / "cache", max_images=0 if sizes is GPU else 400)
        run_tests(table)
        images = repeated(faces, sizes.images)
        compare_graphs(table, sizes, faces)
        found = speeds(table, sizes, images)
        five_epochs(table, sizes, images)
        beside_the_plain_loop(table, sizes, options.data, temporary)
        learn(table, sizes, faces)
    minutes = (time.perf_counter() - began) / 60
    said = conclusions(found)
    print("\n".join(said), f"\n{minutes:.1f} minutes")
    if sizes is GPU:
        text = "\n".join(table.lines)
        replace_part("GPU", f"{date.today()}, `make gpu`, {minutes:.1f} minutes.\n\n{text}\n\n" + "\n".join(said))
    else:
        print("no GPU is here: sizes were tiny, and nothing is written")


if __name__ == "__main__":
    main()
