"""Notebook 2's exercises: right answers pass, typical wrong ones are told what is wrong with them."""

import re
from itertools import pairwise

import pytest

from dcgan_lib.exercises import architectures as check
from dcgan_lib.models.dcgan import block_widths


def count(maps, per_kernel=16, per_map=2, extra=0):
    """Weights of a generator whose layers have so many maps, from z to the colours."""
    return per_kernel * sum(a * b for a, b in pairwise(maps)) + per_map * sum(maps[1:-1]) + extra


def maps(size, width):
    return [100, *block_widths(size, width), 3]


def without_limit(size, width):
    return [100, *(width * 2**i for i in reversed(range(size.bit_length() - 3))), 3]


def test_a_formula_that_counts_as_the_library_passes():
    verdict = check.params_G(lambda size, width: count(maps(size, width)))
    assert verdict
    assert verdict.says.endswith("at 16, 32, 64, 128, 256 pixels")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda size, width: count(maps(size, width), per_map=0), "kernels alone"),
        (lambda size, width: count(maps(size, width), per_map=1), "more than its scale"),
        (lambda size, width: count(maps(size, width), per_map=3, extra=3), "no biases"),
        (lambda size, width: count(maps(size, width), extra=6), "one layer has no BatchNorm"),
        (lambda size, width: count(without_limit(size, width)), "size 128, width 64: .* eight times the width"),
        (lambda size, width: count(maps(size, width), per_kernel=4), "too few"),
        (lambda size, width: maps(size, width), "returns a list"),
        (lambda size, width: None, "returns a NoneType"),
    ],
)
def test_a_formula_that_miscounts_is_told_what_it_leaves_out_or_adds(answer, says):
    verdict = check.params_G(answer)
    assert not verdict
    assert re.search(says, verdict.says)


def test_what_a_unit_sees_is_what_autograd_reaches():
    verdict = check.sees(lambda block: 3 * 2**block - 2)
    assert verdict
    assert "4, 10, 22, 46, 94, 190 pixels" in verdict.says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda block: 2 ** (block + 1), "block 2: 8 is too few: the views of neighbouring units"),
        (lambda block: 3 * block + 1, "block 2: 7 is too few: that would be so with stride 1"),
        (lambda block: 4**block, "block 2: 16 is too many: that would be so if"),
        (lambda block: 4, "block 2: 4 is too few"),
        (lambda block: 64, "block 1: 64 is too many"),
    ],
)
def test_another_view_is_told_what_it_overlooks(answer, says):
    verdict = check.sees(answer)
    assert not verdict
    assert says in verdict.says
