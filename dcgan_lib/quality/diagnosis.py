"""`dcgan diagnose`: what goes wrong in a run, found in its record: by name, with the numbers that show it, and advice.

The rules and their thresholds are held against runs that fail and runs that don't by benchmarks/diagnosis.py.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from dcgan_lib.losses import OBJECTIVES
from dcgan_lib.quality import metrics
from dcgan_lib.quality.history import HELD, SETTLING, WINDOW, History, since_when, swings
from dcgan_lib.records.paths import DATASET, DIVERGED, FIXED_NOISE, METRICS, PATHS
from dcgan_lib.records.reading import RunRecord, find_runs

GRIDS = 3  # newest grids in which a pattern must show
BURNT = 0.1  # share of pixel values at the ends of the range, over that of the real images
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
        numbers = (f"{name} {x:,.0f}" if abs(x) >= 1000 else f"{name} {x:.3g}" for name, x in self.evidence.items())
        return f"{self.what}, since step {self.since:,}: {', '.join(numbers)}. Try: {self.advice}"


def diagnose(run: RunRecord, until: int | None = None) -> list[Finding]:
    """The faults that a run has at its newest step, causes before their consequences; an empty list where none is seen.

    It may still be going on; with `until`, those that could be seen at an earlier step. Most need `SETTLING` + `HELD`
    steps to be told; a wrong value range and divergence are found at once, what the scores tell at their first
    measurement after `SETTLING`. Series that are missing are not judged: a run that was never evaluated has no scores.
    """
    history = History(run, until)
    return [finding for rule in RULES if (finding := rule(history)) is not None]


def _found(
    history: History, what: str, holds: pd.Series, evidence: dict[str, pd.Series], *ideas: str, **place: int
) -> Finding | None:
    """The fault, with the newest values of its evidence, where `since_when(holds, **place)` tells a step."""
    since = since_when(holds, **place)
    if since is None:
        return None
    numbers = {name: float(curve.iloc[-1]) for name, curve in evidence.items()}
    return Finding(what, since, numbers, history.advice(*ideas))


def _diverged(history: History) -> Finding | None:
    """A loss or a weight that is not finite, or a loss beyond all bounds."""
    ideas = ("lower both learning rates", "beta1: 0.5", "in a D without BatchNorm spectral_norm or a gradient penalty")
    since = history.run.fields.get(DIVERGED)
    known = isinstance(since, int | float) and abs(since) < float("inf")
    if known and history.run.state == "diverged" and since <= history.until:
        return Finding("divergence", int(since), {"not finite at step": since}, history.advice(*ideas))
    losses = history.series("loss_d", "loss_g", window=20).abs().max(axis=1)
    return _found(history, "divergence", losses > 1000, {"a loss of": losses}, *ideas, least=20, settling=0)


def _wrong_range(history: History) -> Finding | None:
    """Real images that are not in [-1, 1], or fill only a part of it: the range of G's tanh is then another."""
    frame = history.series("real_low", "real_high")
    low, high = frame["real_low"].rolling(20).min().dropna(), frame["real_high"].rolling(20).max().dropna()
    wrong = (low < -1.01) | (high > 1.01) | (low > -0.5) | (high < 0.5)
    idea = "scale the images to [-1, 1], as images.grid.to_floats does: bytes / 127.5 - 1"
    return _found(history, "wrong value range", wrong, {"lowest": low, "highest": high}, idea, least=1, settling=0)


def _too_few(history: History) -> Finding | None:
    """A D that knows its training images by heart: new real images are fakes to it."""
    score = history.curve(METRICS + "overfitting")
    evidence = {"D's overfitting": score}
    if (size := history.run.fields.get(DATASET + "size")) is not None:
        evidence["training images"] = pd.Series([size])
    ideas = ("more images", "augment: True", "flip: True")
    return _found(history, "too few images", score > 0.5, evidence, *ideas, least=1)


def _memorisation(history: History) -> Finding | None:
    """A G that reproduces its training images."""
    score = history.curve(METRICS + "copying")
    ideas = ("more images", "augment: True", "fewer epochs")
    return _found(history, "memorisation", score < 0.8, {"copying": score}, *ideas, least=1)


def _burnt_out(history: History) -> Finding | None:
    """Fakes that are white or black where real images are not."""
    score = history.curve(METRICS + "saturation")
    evidence = {"values at the ends of the range, beyond real images'": score}
    if len(contrast := history.curve(METRICS + "contrast")):
        evidence["contrast"] = contrast
    ideas = ("discriminator_norm: none", "r1_weight: 0.3", "r2_weight: 0.3", "lower both learning rates")
    return _found(history, "burnt-out images", score > BURNT, evidence, *ideas, least=1)


def _d_has_won(history: History) -> Finding | None:
    """A D that is never wrong and never in doubt: G can't find out what would please it."""
    objective = OBJECTIVES.get(history.objective)
    if objective is None or objective.boundary is None:  # other code's, or a critic, whose outputs have no scale
        return None
    # Medians: such a D still jumps now and then, and for a batch or two is wrong about everything.
    frame = history.series("accuracy_real", "accuracy_fake", "d_fake_after").rolling(WINDOW).median().dropna()
    real, fake, after = (frame[name] for name in frame)
    ideas = ("learning_rate_d no higher than learning_rate_g", "beta1: 0.5", "d_updates: 1", "g_updates: 2")
    evidence = {"D right on real": real, "on fake": fake, "D(G(z))": after}
    sure = (real > 0.97) & (fake > 0.97) & (after < 0.02)
    return _found(history, "D has won", sure, evidence, *ideas, "label_smoothing: 0.1")


def _vanishing(history: History) -> Finding | None:
    """Gradients that no longer move G."""
    length = history.curve("gradient_g", WINDOW)
    ideas = ("objective: non-saturating", "a lower learning_rate_d", "see whether G's images are saturated")
    return _found(history, "vanishing gradients", length < 0.02, {"G's gradient": length}, *ideas)


def _collapse(history: History) -> Finding | None:
    """Fakes that are all alike, though D doesn't see through them; a D that does keeps G from learning anything."""
    frame = history.series("variety", "accuracy_fake", window=WINDOW)
    alike = (frame["variety"] < 0.25) & (frame["accuracy_fake"] < 0.9)
    ideas = ("a lower learning_rate_g, or a higher learning_rate_d", "g_updates: 1", "larger batches")
    return _found(history, "mode collapse", alike, {"variety": frame["variety"]}, *ideas)


def _oscillation(history: History) -> Finding | None:
    """Fakes whose variety swings, or a G whose loss does, as G and D chase each other."""
    ideas = ("beta1: 0.5", "lower both learning rates", "in a D without BatchNorm spectral_norm: True or r1_weight: 1")
    places = {"least": 20, "settling": SETTLING + HELD}
    swing = swings(history.curve("variety", 20), HELD, 0.4)  # a variety of a fifth may double without a swing
    found = _found(history, "oscillation", swing > 0.14, {"swings of variety": swing}, *ideas, **places)
    if found or history.objective != "non-saturating":  # only there, as a logarithm, is the loss's height of meaning
        return found
    swing = swings(history.curve("loss_g", 20), HELD, 1.0)
    return _found(history, "oscillation", swing > 0.2, {"swings of G's loss": swing}, *ideas, **places)


def _pattern(history: History) -> Finding | None:
    """Regular patterns of a few pixels, in the newest grids from fixed noise."""
    run, size = history.run, history.run.settings.get("image_size")
    steps = run.image_steps(FIXED_NOISE) if FIXED_NOISE in run.image_names and size else []
    heights, since = [], 0
    for step in reversed([step for step in steps if SETTLING < step <= history.until]):
        try:
            height = metrics.checkerboard(_tiles(run.image(FIXED_NOISE, step), int(size)))
        except ValueError:  # a broken picture, or one of another form
            continue
        if height < PATTERN:
            break
        heights.append(height)
        since = int(step)
    if len(heights) < GRIDS:
        return None
    ideas = ("upsampling: nearest", "beta1: 0.5", "lower both learning rates", "average_half_life: 20000")
    return Finding("checkerboard", since, {"height in the spectrum": heights[0]}, history.advice(*ideas))


def _tiles(grid: Image.Image, size: int) -> torch.Tensor:
    """The images (N, 3, size, size) uint8 of a picture by `images.grid.to_grid`; `ValueError` where it can't be one."""
    pixels = torch.from_numpy(np.array(grid.convert("RGB"))).permute(2, 0, 1)
    if pixels.shape[1:] == (size, size):  # a single image has no frame
        return pixels[None]
    if min(pixels.shape[1:]) < size + 2:
        raise ValueError(f"a picture of {grid.width}×{grid.height} holds no image of {size} pixels")
    tiles = pixels[:, 2:, 2:].unfold(1, size, size + 2).unfold(2, size, size + 2)  # 2 pixels lie between them
    tiles = tiles.permute(1, 2, 0, 3, 4).flatten(0, 1)
    return tiles[(tiles != 255).flatten(1).any(dim=1)]  # the last row may have empty places


#: Causes before their consequences.
RULES = (
    _diverged,
    _wrong_range,
    _too_few,
    _memorisation,
    _d_has_won,
    _vanishing,
    _collapse,
    _oscillation,
    _pattern,
    _burnt_out,
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs"), help="a run, or a folder of runs")


def main(given: Namespace) -> int:
    """Print what is found in a run, or in each run of a folder."""
    for run in find_runs(given.folder):
        print(f"{run.name}: {run.steps:,} steps, {run.state}")
        findings = diagnose(run)
        for finding in findings:
            print(f"  {finding}")
        if not findings:
            print(f"  nothing found{_doubt(run)}")
    return 0


def _doubt(run: RunRecord) -> str:
    """Why nothing found may mean little."""
    if PATHS["variety"] not in run.series_names:
        return ": its record has no training/health, which versions before 0.4 and other code don't log"
    return f", but it takes {SETTLING + HELD} steps to tell" if run.steps < SETTLING + HELD else ""
