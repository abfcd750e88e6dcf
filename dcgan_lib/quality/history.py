"""A run's history, from its record: its series up to a step, since when something holds, how much a curve swings."""

import numpy as np
import pandas as pd

from dcgan_lib.config import UNLABELLED
from dcgan_lib.records.paths import PATHS
from dcgan_lib.records.reading import RunRecord

WINDOW = 100  # steps over which a series is averaged
SETTLING = 250  # steps at first in which any D is far ahead and any G's images are alike
HELD = 250  # steps for which a fault must last: what passes by itself is not a fault


class History:
    """A run up to a step: its series under their names in `PATHS`, its scores under their paths, its settings."""

    def __init__(self, run: RunRecord, until: int | None) -> None:
        self.run = run
        self.until = float("inf") if until is None else until
        self.objective = run.settings.get("objective", "non-saturating")  # the only one that older versions had
        self._names = set(run.series_names)
        self._read: dict[str, pd.Series] = {}

    def series(self, *names: str, window: int = 1) -> pd.DataFrame:
        """Series by step, of the steps that all of them have, each value the mean of the `window` up to it.

        Empty where one is missing, or shorter than the window.
        """
        frame = pd.concat([self._raw(name) for name in names], axis=1, join="inner", keys=names)
        return frame.rolling(window).mean().dropna() if window > 1 else frame

    def curve(self, name: str, window: int = 1) -> pd.Series:
        """One of them alone."""
        return self.series(name, window=window)[name]

    def _raw(self, name: str) -> pd.Series:
        path = PATHS.get(name, name)
        if path not in self._read:
            frame = self.run.series(path) if path in self._names else pd.DataFrame({"step": [], "value": []})
            values = frame.set_index("step")["value"].astype(float)
            self._read[path] = values[values.index <= self.until]
        return self._read[path]

    def advice(self, *ideas: str) -> str:
        """The ideas that are left: without settings that the run has already, or that its objective refuses."""
        have = {f"{name}: {value}" for name, value in self.run.settings.items()} | {f"objective: {self.objective}"}
        refused = "label_smoothing" if self.objective in UNLABELLED else None
        return "; ".join(idea for idea in ideas if idea not in have and idea.partition(":")[0] != refused)


def since_when(holds: pd.Series, least: int = HELD, settling: int = SETTLING) -> int | None:
    """The first step after `settling` of the unbroken stretch up to the newest, if that has `least` points."""
    holds = holds & (holds.index > settling)
    broken = np.flatnonzero(~holds.to_numpy())
    first = broken[-1] + 1 if len(broken) else 0
    return int(holds.index[first]) if len(holds) - first >= max(least, 1) else None


def swings(values: pd.Series, window: int, least: float) -> pd.Series:
    """For the window up to each step its deviation from a parabola, as a multiple of its mean or of `least`."""
    if len(values) < window:
        return values[:0]
    parabolas, _ = np.linalg.qr(np.linspace(-1, 1, window)[:, None] ** np.arange(3))
    squares = np.convolve(np.square(values), np.ones(window), "valid")
    fitted = sum(np.square(np.convolve(values, column[::-1], "valid")) for column in parabolas.T)
    means = np.convolve(values, np.full(window, 1 / window), "valid")
    deviations = np.sqrt(np.maximum(squares - fitted, 0) / window) / np.maximum(np.abs(means), least)
    return pd.Series(deviations, values.index[window - 1 :])
