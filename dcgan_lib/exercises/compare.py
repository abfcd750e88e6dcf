"""Checks of notebook 5's exercises, and the two runs that one of them is about."""

import itertools
from collections.abc import Callable, Sequence
from math import factorial, isclose
from pathlib import Path

from dcgan_lib.config import Config
from dcgan_lib.data import prepare
from dcgan_lib.exercises import WrongAnswer, exercise
from dcgan_lib.faces import draw_faces
from dcgan_lib.launch.training import train_run
from dcgan_lib.records.reading import RunRecord
from dcgan_lib.records.table import differing

SECRET = {"label_smoothing": 0.0, "objective": "saturating"}  # what the second of `two_runs` has


@exercise
def smallest_p(answer: Callable[[int], float]) -> str:
    """Whether the answer is the smallest two-sided permutation p that n runs against n can have."""
    for n in (2, 3, 4, 6):
        p, right = float(answer(n)), counted(n)
        if isclose(p, right):
            continue
        against = f"{n} against {n}"
        if isclose(2 * p, right):
            raise WrongAnswer(f"{against}: {p:.3g} counts one direction alone; two-sided counts either group as lower")
        if isclose(p, 0.5**n) or isclose(p, 2 * 0.5**n):
            raise WrongAnswer(f"{against}: {p:.3g} is for pairs; here no run of one group belongs to one of the other")
        if isclose(p, 1 / factorial(2 * n)) or isclose(p, 2 / factorial(2 * n)):
            raise WrongAnswer(f"{against}: {p:.3g} counts orders; within a group the order makes no difference")
        if not 0 < p <= 1:
            raise WrongAnswer(f"{against}: {p:.3g} is no share of divisions: it must be above 0, and at most 1")
        raise WrongAnswer(f"{against}: {p:.3g}, but counting every division gives another share")
    return f"3 against 3: {answer(3):.3g}; 4 against 4: {answer(4):.3g}"


def counted(n: int) -> float:
    """The smallest p, by counting all divisions of 2n scores into groups of n."""
    gaps = [abs(2 * sum(group) - n * (2 * n - 1)) for group in itertools.combinations(range(2 * n), n)]
    return gaps.count(max(gaps)) / len(gaps)


def two_runs(folder: str | Path, steps: int = 250) -> list[RunRecord]:
    """Two small runs on some painted faces, trained in seconds: the exercise is to find in what they differ."""
    folder = Path(folder)
    draw_faces(folder / "faces", count=256, workers=1)
    images = prepare(folder / "faces", 32, cache=folder / "cache", progress=lambda work, **_: work)
    widths = {"generator_width": 8, "discriminator_width": 8, "batch_size": 32}
    rates = {"learning_rate_d": 6e-4, "learning_rate_g": 6e-4, "label_smoothing": 0.1}
    first = Config(data=folder / "faces", image_size=32, epochs=100, seed=1, **widths, **rates)
    both = {"first": first, "second": first.replace(**SECRET)}
    return [train_run(config, folder / name, images, steps=steps) for name, config in both.items()]


@exercise
def differences(answer: set[str], records: Sequence[RunRecord]) -> str:
    """Whether the answer names the settings in which the runs differ, and no other."""
    named, right = {answer} if isinstance(answer, str) else set(answer), set(differing(records))
    if unknown := sorted(map(str, named - set(Config.names()))):
        raise WrongAnswer(f"no setting is called {', '.join(unknown)}: take the names of Config")
    if same := sorted(named - right):
        raise WrongAnswer(f"the same in both runs: {', '.join(same)}")
    if named != right:
        raise WrongAnswer(f"{len(named)} of {len(right)} found: something else differs as well")
    return f"`differing` names the same: {', '.join(sorted(right))}"
