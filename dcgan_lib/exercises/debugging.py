"""Checks of notebook 6's exercises."""

import tempfile
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet
from dcgan_lib.exercises import WrongAnswer, exercise
from dcgan_lib.launch.training import train_run
from dcgan_lib.quality.diagnosis import diagnose
from dcgan_lib.records.paths import PATHS
from dcgan_lib.records.reading import RunRecord

D_IS_ALWAYS_RIGHT = {"saturating loss", "same D, non-saturating"}
FINDS_NOTHING = {"healthy", "one batch for both"}


def anonymous(cases: Mapping[str, RunRecord]) -> dict[int, RunRecord]:
    """The runs under numbers, in an order that the names don't tell."""
    return {number: cases[name] for number, name in enumerate(_order(cases), start=1)}


def _order(cases: Mapping[str, RunRecord]) -> list[str]:
    return sorted(cases, key=lambda name: crc32(name.encode()))


@exercise
def faults(answer: Mapping[int, str], cases: Mapping[str, RunRecord]) -> str:
    """Whether the answer names the fault of each of the runs that `anonymous` made of the cases."""
    right = dict(zip(anonymous(cases), _order(cases), strict=True))
    if missing := sorted(right.keys() - answer.keys()):
        raise WrongAnswer(f"no name yet for {', '.join(map(str, missing))}")
    if unknown := sorted({str(name) for name in answer.values()} - cases.keys()):
        raise WrongAnswer(f"{', '.join(unknown)}: choose among {', '.join(cases)}")
    wrong = {number: (answer[number], name) for number, name in right.items() if answer[number] != name}
    hints = {
        "how long is G's gradient? In both of these D is always right": D_IS_ALWAYS_RIGHT,
        "count the dips: no rule finds anything in these two": FINDS_NOTHING,
    }
    for hint, alike in hints.items():
        if confused := sorted(number for number, pair in wrong.items() if set(pair) == alike):
            raise WrongAnswer(f"{' and '.join(map(str, confused))}: {hint}")
    if wrong:
        raise WrongAnswer(
            f"not so: {', '.join(map(str, sorted(wrong)))}; hold the row against the healthy one, value by value"
        )
    found = {number: " and ".join(f.what for f in diagnose(run)) for number, run in anonymous(cases).items()}
    return "all six; diagnose says " + "; ".join(f"{number}: {what or 'nothing'}" for number, what in found.items())


#: The run that is to be mended: notebook 6's point 7.
SATURATING: dict[str, Any] = {
    "objective": "saturating",
    "learning_rate_d": 2e-3,
    "learning_rate_g": 2e-4,
    "label_smoothing": 0.0,
}


@exercise
def mend(answer: Mapping[str, Any], base: Config, images: ImageSet, steps: int = 250) -> str:
    """Whether one changed setting gives the G of the saturating run its gradient back, in a short run of its own."""
    if not isinstance(answer, Mapping) or len(answer) != 1:
        raise WrongAnswer("change one setting, no more: a dictionary with one name and its new value")
    [(name, value)] = answer.items()
    broken = base.replace(**SATURATING)
    if broken.replace(**answer) == broken:
        raise WrongAnswer(f"{name} is {value!r} in the run already")
    with tempfile.TemporaryDirectory() as folder:
        run = train_run(broken.replace(**answer), folder, images, steps=steps)
        length, variety = (run.series(PATHS[series])["value"] for series in ("gradient_g", "variety"))
    first, last = length[:10].mean(), length[-50:].mean()
    told = f"G's gradient is {first:.2g} at first and {last:.2g} after {steps} steps"
    if last < first / 10:
        raise WrongAnswer(f"{told}: too little is left")
    if variety[-50:].mean() < 0.1:
        raise WrongAnswer(f"{told}, but all fakes are alike now: this D teaches G nothing")
    return f"{told}, and the fakes' variety {variety[-50:].mean():.2f}"
