"""What goes wrong in a run, found in its record: by name, with the numbers that show it and what to try.

`python -m dcgan_lib.diagnose runs/NAME` prints it. The rules and their thresholds are held against runs that fail and
runs that don't by benchmarks/diagnosis.py.
"""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dcgan_lib import metrics
from dcgan_lib.runs import RunRecord, load_runs
from dcgan_lib.tracking import SERIES

WINDOW = 100  # steps over which a series is averaged
SETTLING = 250  # steps at first in which any D is far ahead and any G's images are alike
HELD = 250  # steps for which a fault must last: what mends itself is none
GRIDS = 3  # newest grids in which a pattern must show
PATTERN = 15  # height in the spectrum above which one is seen


@dataclass(frozen=True)
class Finding:
    """One fault of a run: its name, the step since which it lasts, the numbers that show it, and what to try."""

    what: str
    since: int
    evidence: dict[str, float]
    advice: str

    def __str__(self) -> str:
        """All of it in one line."""
        shown = ", ".join(f"{name} {value:.3g}" for name, value in self.evidence.items())
        return f"{self.what}, since step {self.since:,}: {shown}. Try: {self.advice}"


def diagnose(run: RunRecord) -> list[Finding]:
    """The faults that a run has at its newest step, causes before their consequences; an empty list where none is seen.

    It may still be going on. Nothing is said of a run's first `SETTLING` + `HELD` steps but for a wrong value range and
    divergence; nor of what its record lacks, such as the scores of a run that was never evaluated.
    """
    course = _Course(run)
    return [finding for rule in RULES if (finding := rule(course)) is not None]


class _Course:
    """A run's series by the names of `train.RECORDED`, averaged over `WINDOW` steps."""

    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self.names = set(run.series_names)
        self._read: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def raw(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The steps and values of a series or, by its path, of a score; both empty where there is none."""
        path = SERIES.get(name, name)
        if path not in self._read:
            frame = self.run.series(path) if path in self.names else None
            empty = np.empty(0)
            self._read[path] = (
                (empty, empty) if frame is None else (frame["step"].to_numpy(), frame["value"].to_numpy())
            )
        return self._read[path]

    def averaged(self, name: str, window: int = WINDOW) -> tuple[np.ndarray, np.ndarray]:
        """The same, each value the mean of the `window` up to it; empty where there are fewer."""
        steps, values = self.raw(name)
        if len(values) < window:
            return np.empty(0), np.empty(0)
        sums = np.cumsum(np.concatenate([[0.0], values]))
        return steps[window - 1 :], (sums[window:] - sums[:-window]) / window


def _since(steps: np.ndarray, holds: np.ndarray, least: int = HELD, settling: int = SETTLING) -> int | None:
    """The first step of the unbroken stretch up to the newest, settling aside, if that has `least` points."""
    holds = holds & (steps > settling)
    if not len(holds) or not holds[-1]:
        return None
    first = 0 if holds.all() else len(holds) - int(np.argmin(holds[::-1]))
    return int(steps[first]) if len(holds) - first >= least else None


def _diverged(course: _Course) -> Finding | None:
    """A loss or a weight that is not finite, or a loss beyond all bounds."""
    advice = "lower both learning rates; beta1: 0.5; a D without BatchNorm wants spectral_norm or a penalty"
    since = course.run.fields.get("training/diverged_at")
    if since is not None and course.run.state == "diverged":
        return Finding("divergence", int(since), {}, advice)
    for name in ("loss_g", "loss_d"):
        steps, values = course.averaged(name, 20)
        since = _since(steps, np.abs(values) > 1000, least=20, settling=0)
        if since is not None:
            return Finding("divergence", since, {name: values[-1]}, advice)
    return None


def _wrong_range(course: _Course) -> Finding | None:
    """Real images that are not in [-1, 1], or fill a part of it only: G's tanh then has another range than they."""
    (steps, low), (_, high) = course.averaged("real_low", 20), course.averaged("real_high", 20)
    length = min(len(low), len(high))
    low, high = low[:length], high[:length]
    since = _since(steps[:length], (low < -1.01) | (high > 1.01) | (low > -0.5) | (high < 0.5), least=1, settling=0)
    if since is None:
        return None
    advice = "scale the images to [-1, 1], as data.to_floats does: bytes / 127.5 - 1"
    return Finding("wrong value range", since, {"lowest": low[-1], "highest": high[-1]}, advice)


def _too_few(course: _Course) -> Finding | None:
    """A D that knows its training images by heart: new real images are fakes to it."""
    steps, values = course.raw("metrics/overfitting")
    since = _since(steps, values > 0.5, least=1)
    if since is None:
        return None
    images = course.run.fields.get("config/dataset/size", math.nan)
    advice = "more images; augment: true; flip: true; fewer epochs"
    return Finding("too few images", since, {"D's overfitting": values[-1], "training images": images}, advice)


def _memorisation(course: _Course) -> Finding | None:
    """A G that draws its training images again, and not one whose fakes are all alike, near to one by chance."""
    (steps, copying), (_, diversity) = course.raw("metrics/copying"), course.raw("metrics/diversity")
    if len(copying) != len(diversity):
        return None
    since = _since(steps, (copying < 0.85) & (diversity > 0.4), least=1)
    if since is None:
        return None
    return Finding("memorisation", since, {"copying": copying[-1]}, "more images; augment: true; fewer epochs")


def _d_has_won(course: _Course) -> Finding | None:
    """A D that is never wrong and never in doubt: G can't find out what would please it."""
    (steps, real), (_, fake) = course.averaged("accuracy_real"), course.averaged("accuracy_fake")
    after = course.averaged("d_fake_after")[1]
    length = min(map(len, (real, fake, after)))
    real, fake, after = real[:length], fake[:length], after[:length]
    since = _since(steps[:length], (real > 0.97) & (fake > 0.97) & (after < 0.03))
    if since is None:
        return None
    evidence = {"accuracy on real": real[-1], "on fake": fake[-1], "D(G(z))": after[-1]}
    advice = "learning_rate_d and learning_rate_g alike; beta1: 0.5; d_updates: 1; label_smoothing: 0.1; g_updates: 2"
    return Finding("D has won", since, evidence, advice)


def _vanishing(course: _Course) -> Finding | None:
    """Gradients that no longer move G."""
    steps, values = course.averaged("gradient_g")
    since = _since(steps, values < 0.02)
    if since is None:
        return None
    advice = "objective: non-saturating; a lower learning_rate_d; look whether G's images are saturated"
    return Finding("vanishing gradients", since, {"G's gradient": values[-1]}, advice)


def _collapse(course: _Course) -> Finding | None:
    """Fakes that are all alike, though D doesn't see through them."""
    steps, values = course.averaged("variety")
    since = _since(steps, values < 0.25)
    if since is None or _d_has_won(course) is not None:
        return None
    advice = (
        "a lower learning_rate_g, or a higher learning_rate_d; g_updates: 1; larger batches; keep an earlier checkpoint"
    )
    return Finding("mode collapse", since, {"variety": values[-1]}, advice)


def _oscillation(course: _Course) -> Finding | None:
    """Fakes whose variety swings, or a G whose loss does, as G and D chase each other."""
    advice = "beta1: 0.5 or 0; lower both learning rates; spectral_norm or r1_weight: 1 where D has no BatchNorm"
    # How high G's loss is means something where it is a logarithm; a variety of a fifth may double without a swing.
    scaled = course.run.settings.get("objective") == "non-saturating"
    for name, words, least, most in (("variety", "variety", 0.4, 0.14), ("loss_g", "G's loss", 1.0, 0.2)):
        steps, values = course.averaged(name, 20)
        swings = _swings(values, HELD, least)
        since = _since(steps[HELD - 1 :], swings > most, least=20)
        if since is not None and (name == "variety" or scaled):
            return Finding("oscillation", since, {f"swings of {words}": swings[-1]}, advice)
    return None


def _swings(values: np.ndarray, window: int, least: float) -> np.ndarray:
    """For each window its standard deviation around a parabola, as a multiple of its mean or of `least`."""
    if len(values) < window:
        return np.empty(0)
    powers = np.linspace(-1, 1, window)[:, None] ** np.arange(3)
    base, _ = np.linalg.qr(powers)
    windows = np.lib.stride_tricks.sliding_window_view(values, window)
    rest = np.square(windows).sum(axis=1) - np.square(windows @ base).sum(axis=1)
    return np.sqrt(np.maximum(rest, 0) / window) / np.maximum(np.abs(windows.mean(axis=1)), least)


def _checkerboard(course: _Course) -> Finding | None:
    """Regular patterns of a few pixels, in the newest grids from fixed noise."""
    run, path = course.run, "images/fixed_noise"
    steps = [step for step in run.image_steps(path) if step > SETTLING] if path in run.image_names else []
    heights = []
    for step in reversed(steps):
        height = metrics.checkerboard(_tiles(run.image(path, step), int(run.settings["image_size"])))
        if height < PATTERN:
            break
        heights.append(height)
    if len(heights) < GRIDS:
        return None
    since = int(steps[-len(heights)])
    advice = "beta1: 0.5; lower both learning rates; average_half_life: 20000; a kernel that its stride divides"
    return Finding("checkerboard", since, {"height in the spectrum": heights[0]}, advice)


def _tiles(grid: Image.Image, size: int) -> torch.Tensor:
    """The images (N, 3, size, size) uint8 of a picture that `plots.to_grid` has made."""
    pixels = torch.from_numpy(np.array(grid.convert("RGB"))).permute(2, 0, 1)[:, 2:, 2:]  # 2 pixels lie between them
    tiles = pixels.unfold(1, size, size + 2).unfold(2, size, size + 2).permute(1, 2, 0, 3, 4).flatten(0, 1)
    return tiles[(tiles != 255).flatten(1).any(dim=1)]  # the last row may have empty places


#: Causes before their consequences.
RULES: tuple[Callable[[_Course], Finding | None], ...] = (
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
            short = run.steps < SETTLING + HELD
            print(f"  nothing found{f', but it takes {SETTLING + HELD} steps to tell' if short else ''}")


if __name__ == "__main__":
    main()
