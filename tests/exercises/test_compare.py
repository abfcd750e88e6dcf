"""Notebook 5's exercises: the right answer passes, each usual mistake is named."""

from math import comb, factorial

import pytest

from dcgan_lib.exercises import compare
from dcgan_lib.records.table import differing


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return compare.two_runs(tmp_path_factory.mktemp("two"), steps=30)


def test_the_smallest_p_is_two_divisions_of_all():
    verdict = compare.smallest_p(lambda n: 2 / comb(2 * n, n))
    assert verdict
    assert verdict.says == "3 against 3: 0.1; 4 against 4: 0.0286"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda n: ..., "not answered yet"),
        (lambda n: 1 / comb(2 * n, n), "2 against 2: 0.167 counts one direction alone"),
        (lambda n: 2 * 0.5**n, "2 against 2: 0.5 is for pairs"),
        (lambda n: 0.5**n, "2 against 2: 0.25 is for pairs"),
        (lambda n: 2 / factorial(2 * n), "2 against 2: 0.0833 counts orders"),
        (lambda n: comb(2 * n, n) / 2, "2 against 2: 3 is no share of divisions"),
        (lambda n: 1 / 3, "3 against 3: 0.333, but counting every division gives another share"),
    ],
)
def test_another_p_is_named_by_what_it_counts(answer, says):
    verdict = compare.smallest_p(answer)
    assert not verdict
    assert verdict.says.startswith(says)


def test_the_two_runs_differ_in_two_settings_that_their_curves_show(two):
    assert set(differing(two)) == set(compare.SECRET)
    loss_d, loss_g = ([run.series(f"training/batch/{name}")["value"] for run in two] for name in ("Dloss", "Gloss"))
    assert loss_g[0].min() > 0 > loss_g[1].max()
    assert loss_d[0].min() > 0.325 > loss_d[1].min()  # the entropy of a label of 0.9
    assert compare.differences(set(compare.SECRET), two)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (..., "not answered yet"),
        ("objective", "1 of 2 found"),
        ({"objective", "seed"}, "the same in both runs: seed"),
        ({"objective", "smoothing"}, "no setting is called smoothing"),
    ],
)
def test_what_is_missing_or_the_same_is_said(two, answer, says):
    verdict = compare.differences(answer, two)
    assert not verdict
    assert verdict.says.startswith(says)
