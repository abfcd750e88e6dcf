"""What goes wrong in a run, found in its record: by name, with the numbers that show it and what to try.

`python -m dcgan_lib.diagnose runs/NAME` prints it. The rules and their thresholds are held against runs that fail and
runs that don't by benchmarks/diagnosis.py.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dcgan_lib.losses import OBJECTIVES
from dcgan_lib.quality import metrics
from dcgan_lib.quality.history import HELD, SETTLING, WINDOW, History, since_when, swings
from dcgan_lib.records.reading import RunRecord, load_runs
from dcgan_lib.records.writing import PATHS

GRIDS = 3  # newest grids in which a pattern must show
PATTERN = 15  # height in the spectrum above which one is seen; chosen at 32 pixels, like every threshold here


@dataclass(frozen=True)
class Finding:
    """One fault of a run: its name, the step since which it lasts, the numbers that show it, and what to try.

    Averages show a fault some steps after it began: up to `WINDOW`, an oscillation after `HELD`. What was there from
    the beginning is said to last since `SETTLING` + 1, where most rules begin to look.
    """

    what: str
    since: int
    evidence: dict[str, float]
    advice: str

    def __str__(self) -> str:
        """All of it in one line."""
        numbers = (
            f"{name} {value:,.0f}" if abs(value) >= 1000 else f"{name} {value:.3g}"
            for name, value in self.evidence.items()
        )
        return f"{self.what}, since step {self.since:,}: {', '.join(numbers)}. Try: {self.advice}"


def diagnose(run: RunRecord, until: int | None = None) -> list[Finding]:
    """The faults that a run has at its newest step, causes before their consequences; an empty list where none is seen.

    It may still be going on; `until` gives what was to be seen at an earlier step. What takes `SETTLING` + `HELD` steps
    to tell is not said before; a wrong value range and divergence are found at once, what the scores tell after their
    first measurement past `SETTLING`. What a record lacks is not judged: a run that was never evaluated has no scores.
    """
    history = History(run, until)
    return [finding for rule in RULES if (finding := rule(history)) is not None]


def _diverged(history: History) -> Finding | None:
    """A loss or a weight that is not finite, or a loss beyond all bounds."""
    advice = history.advice(
        "lower both learning rates", "beta1: 0.5", "in a D without BatchNorm spectral_norm, or a penalty on its slope"
    )
    since = history.run.fields.get("training/diverged_at")
    if since is not None and history.run.state == "diverged" and since <= history.until:
        return Finding("divergence", int(since), {"not finite at step": since}, advice)
    losses = history.series("loss_d", "loss_g", window=20).abs().max(axis=1)
    since = since_when(losses > 1000, least=20, settling=0)
    return None if since is None else Finding("divergence", since, {"a loss of": losses.iloc[-1]}, advice)


def _wrong_range(history: History) -> Finding | None:
    """Real images that are not in [-1, 1], or fill a part of it only: G's tanh then has another range than they."""
    frame = history.series("real_low", "real_high")
    low, high = frame["real_low"].rolling(20).min().dropna(), frame["real_high"].rolling(20).max().dropna()
    since = since_when((low < -1.01) | (high > 1.01) | (low > -0.5) | (high < 0.5), least=1, settling=0)
    if since is None:
        return None
    advice = "scale the images to [-1, 1], as data.to_floats does: bytes / 127.5 - 1"
    return Finding("wrong value range", since, {"lowest": low.iloc[-1], "highest": high.iloc[-1]}, advice)


def _too_few(history: History) -> Finding | None:
    """A D that knows its training images by heart: new real images are fakes to it."""
    frame = history.series("metrics/overfitting")
    since = since_when(frame["metrics/overfitting"] > 0.5, least=1)
    if since is None:
        return None
    evidence = {"D's overfitting": frame.iloc[-1, 0]}
    if "config/dataset/size" in history.run.fields:
        evidence["training images"] = history.run.fields["config/dataset/size"]
    return Finding("too few images", since, evidence, history.advice("more images", "augment: True", "flip: True"))


def _memorisation(history: History) -> Finding | None:
    """A G that draws its training images again."""
    frame = history.series("metrics/copying")
    since = since_when(frame["metrics/copying"] < 0.8, least=1)
    if since is None:
        return None
    advice = history.advice("more images", "augment: True", "fewer epochs")
    return Finding("memorisation", since, {"copying": frame.iloc[-1, 0]}, advice)


def _d_has_won(history: History) -> Finding | None:
    """A D that is never wrong and never in doubt: G can't find out what would please it."""
    if OBJECTIVES[history.objective].boundary is None:  # a critic's outputs have no scale
        return None
    # Medians: such a D still jumps now and then, and for a batch or two is wrong about everything.
    frame = history.series("accuracy_real", "accuracy_fake", "d_fake_after").rolling(WINDOW).median().dropna()
    sure = (frame["accuracy_real"] > 0.97) & (frame["accuracy_fake"] > 0.97) & (frame["d_fake_after"] < 0.02)
    since = since_when(sure)
    if since is None:
        return None
    real, fake, after = frame.iloc[-1]
    evidence = {"D right on real": real, "on fake": fake, "D(G(z))": after}
    ideas = ("learning_rate_d no higher than learning_rate_g", "beta1: 0.5", "d_updates: 1", "g_updates: 2")
    return Finding("D has won", since, evidence, history.advice(*ideas, "label_smoothing: 0.1"))


def _vanishing(history: History) -> Finding | None:
    """Gradients that no longer move G."""
    frame = history.series("gradient_g", window=WINDOW)
    since = since_when(frame["gradient_g"] < 0.02)
    if since is None:
        return None
    advice = history.advice(
        "objective: non-saturating", "a lower learning_rate_d", "see whether G's images are saturated"
    )
    return Finding("vanishing gradients", since, {"G's gradient": frame.iloc[-1, 0]}, advice)


def _collapse(history: History) -> Finding | None:
    """Fakes that are all alike, though D doesn't see through them; a D that does keeps G from learning anything."""
    frame = history.series("variety", "accuracy_fake", window=WINDOW)
    since = since_when((frame["variety"] < 0.25) & (frame["accuracy_fake"] < 0.9))
    if since is None:
        return None
    ideas = ("a lower learning_rate_g, or a higher learning_rate_d", "g_updates: 1", "larger batches")
    return Finding("mode collapse", since, {"variety": frame["variety"].iloc[-1]}, history.advice(*ideas))


def _oscillation(history: History) -> Finding | None:
    """Fakes whose variety swings, or a G whose loss does, as G and D chase each other."""
    ideas = ("beta1: 0.5", "lower both learning rates", "in a D without BatchNorm spectral_norm: True or r1_weight: 1")
    # How high G's loss is means something where it is a logarithm; a variety of a fifth may double without a swing.
    scaled = history.objective == "non-saturating"
    for name, words, least, most in (("variety", "variety", 0.4, 0.14), ("loss_g", "G's loss", 1.0, 0.2)):
        curve = swings(history.series(name, window=20)[name], HELD, least)
        since = since_when(curve > most, least=20, settling=SETTLING + HELD)
        if since is not None and (name == "variety" or scaled):
            return Finding("oscillation", since, {f"swings of {words}": curve.iloc[-1]}, history.advice(*ideas))
    return None


def _checkerboard(history: History) -> Finding | None:
    """Regular patterns of a few pixels, in the newest grids from fixed noise."""
    run, path, size = history.run, "images/fixed_noise", history.run.settings.get("image_size")
    steps = run.image_steps(path) if path in run.image_names and size else []
    heights, since = [], 0
    for step in reversed([step for step in steps if SETTLING < step <= history.until]):
        try:
            height = metrics.checkerboard(_tiles(run.image(path, step), int(size)))
        except ValueError:  # a broken picture, or one of another form
            continue
        if height < PATTERN:
            break
        heights.append(height)
        since = int(step)
    if len(heights) < GRIDS:
        return None
    ideas = ("beta1: 0.5", "lower both learning rates", "average_half_life: 20000", "a kernel that its stride divides")
    return Finding("checkerboard", since, {"height in the spectrum": heights[0]}, history.advice(*ideas))


def _tiles(grid: Image.Image, size: int) -> torch.Tensor:
    """The images (N, 3, size, size) uint8 of a picture by `plots.to_grid`; `ValueError` where it can't be one."""
    pixels = torch.from_numpy(np.array(grid.convert("RGB"))).permute(2, 0, 1)
    if pixels.shape[1:] == (size, size):  # a single image has no frame
        return pixels[None]
    if min(pixels.shape[1:]) < size + 2:
        raise ValueError(f"a picture of {grid.width}×{grid.height} holds no image of {size} pixels")
    tiles = pixels[:, 2:, 2:].unfold(1, size, size + 2).unfold(2, size, size + 2)  # 2 pixels lie between them
    tiles = tiles.permute(1, 2, 0, 3, 4).flatten(0, 1)
    return tiles[(tiles != 255).flatten(1).any(dim=1)]  # the last row may have empty places


#: Causes before their consequences.
RULES: tuple[Callable[[History], Finding | None], ...] = (
    _diverged,
    _wrong_range,
    _too_few,
    _memorisation,
    _d_has_won,
    _vanishing,
    _collapse,
    _oscillation,
    _checkerboard,
)


def main(arguments: list[str] | None = None) -> None:
    """Print what is found in a run, or in each run of a folder."""
    parser = argparse.ArgumentParser(prog="python -m dcgan_lib.diagnose", description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs"), help="a run, or the folder of all runs")
    folder = parser.parse_args(arguments).folder
    runs = load_runs(folder) if folder.is_dir() else []
    if not runs:
        sys.exit(f"no runs in {folder}: train first, or give the folder that holds them")
    for run in runs:
        print(f"{run.name}: {run.steps:,} steps, {run.state}")
        findings = diagnose(run)
        for finding in findings:
            print(f"  {finding}")
        if not findings:
            print(f"  nothing found{_doubt(run)}")


def _doubt(run: RunRecord) -> str:
    """Why nothing found may mean little."""
    if PATHS["variety"] not in run.series_names:
        return ": its record has no training/health, which versions before 0.4 and other code don't log"
    return f", but it takes {SETTLING + HELD} steps to tell" if run.steps < SETTLING + HELD else ""


if __name__ == "__main__":
    main()
