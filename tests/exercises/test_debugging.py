"""Notebook 6's exercises: the right answer passes, each usual mistake is named."""

import pandas as pd
import pytest

from dcgan_lib.config import Config
from dcgan_lib.data import prepare
from dcgan_lib.exercises import debugging
from dcgan_lib.faces import draw_faces
from dcgan_lib.launch.training import train_run

NAMES = ["healthy", "wrong value range", "saturating loss", "same D, non-saturating", "mode collapse"]
NAMES += ["one batch for both"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    draw_faces(folder / "faces", count=256, workers=1)
    return prepare(folder / "faces", 32, cache=folder / "cache")


@pytest.fixture(scope="module")
def base(images):
    widths = {"generator_width": 16, "discriminator_width": 16}
    return Config(image_size=32, batch_size=32, epochs=1000, seed=1, label_smoothing=0.1, **widths)


@pytest.fixture(scope="module")
def cases(base, images, tmp_path_factory):
    run = train_run(base, tmp_path_factory.mktemp("run"), images, steps=3)
    return dict.fromkeys(NAMES, run)


@pytest.fixture
def right(cases):
    return dict(zip(debugging.anonymous(cases), debugging._order(cases), strict=True))


def test_the_six_names_pass_and_diagnose_is_heard(cases, right):
    assert list(right) == [1, 2, 3, 4, 5, 6]
    verdict = debugging.faults(right, cases)
    assert verdict
    assert verdict.says.startswith("all six; diagnose says 1: nothing; 2: nothing")


def exchanged(right, *names):
    """The right answer with two names exchanged."""
    other = dict(zip(names, reversed(names), strict=True))
    return {number: other.get(name, name) for number, name in right.items()}


def test_names_that_are_missing_unknown_or_exchanged_are_told(cases, right):
    def told(answer):
        verdict = debugging.faults(answer, cases)
        assert not verdict
        return verdict.says

    assert told(...).startswith("not answered yet")
    assert told({1: "healthy"}) == "no name yet for 2, 3, 4, 5, 6"
    assert told(right | {1: "tired"}).startswith("tired: choose among healthy, wrong value range")
    assert "how long is G's gradient?" in told(exchanged(right, "saturating loss", "same D, non-saturating"))
    assert "count the dips" in told(exchanged(right, "healthy", "one batch for both"))
    assert told(exchanged(right, "healthy", "mode collapse")).startswith("not so: ")


def test_another_objective_gives_g_its_gradient_back(base, images):
    verdict = debugging.mend({"objective": "non-saturating"}, base, images, 120)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (..., "not answered yet"),
        ({}, "change one setting"),
        ({"objective": "non-saturating", "learning_rate_d": 2e-4}, "change one setting"),
        ({"objective": "saturating"}, "objective is 'saturating' in the run already"),
        ({"objectiv": "hinge"}, "the answer raises"),
        ({"learning_rate_d": 2e-4}, "after 250 steps: too little is left"),
        ({"learning_rate_d": 1e-6}, "all fakes are alike now"),
    ],
)
def test_what_does_not_mend_it_is_told_by_its_numbers(base, images, answer, says, monkeypatch):
    class Run:
        """What a training has shown: D's rate decides whether the gradient vanishes, or variety."""

        def __init__(self, config, *given, **more):
            self.slow = config.learning_rate_d < 1e-5

        def series(self, path):
            values = [3.0] * 200 + [0.05 if self.slow or "gradient" in path else 0.2] * 50
            return pd.DataFrame({"value": [3.0] * 250 if self.slow and "gradient" in path else values})

    monkeypatch.setattr(debugging, "train_run", Run)
    verdict = debugging.mend(answer, base, images)
    assert not verdict
    assert says in verdict.says
