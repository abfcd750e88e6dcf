"""Notebook 7's exercises."""

import pytest
import torch
from torch import nn

from dcgan_lib.exercises import minimal as check


def work(network, x, transposed=True, keep=False):
    """Multiply-adds of one pass, by hooks."""
    counts = []

    def add(layer, inputs, output):
        grid = inputs[0] if transposed and isinstance(layer, nn.ConvTranspose2d) else output
        counts.append(layer.weight.numel() * grid[0, 0].numel())

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [layer.register_forward_hook(add) for layer in network.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        network(x)
    for hook in [] if keep else hooks:
        hook.remove()
    return sum(counts)


def test_the_work_of_a_step():
    verdict = check.step_work(lambda g, d, z, x: 3 * work(g, z) + 8 * work(d, x))
    assert verdict
    assert "628 million" in verdict.says
    assert "2.1 times" in verdict.says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda g, d, z, x: work(g, z) + 3 * work(d, x), "the way back is missing"),
        (lambda g, d, z, x: work(g, z) + work(d, x), "one forward pass of each"),
        (lambda g, d, z, x: 3 * work(g, z) + 9 * work(d, x), "its own weights don't change"),
        (lambda g, d, z, x: 3 * work(g, z) + 6 * work(d, x), "D's third pass is missing"),
        (lambda g, d, z, x: 3 * work(g, z) + 3 * work(d, x), "more than one image"),
        (lambda g, d, z, x: 3 * work(g, z, transposed=False) + 8 * work(d, x), "G's share is too large"),
        (lambda g, d, z, x: sum(w.numel() for n in (g, d) for w in n.parameters()), "those are the parameters"),
        (lambda g, d, z, x: 2 * (3 * work(g, z) + 8 * work(d, x)), "2.00 times the right number"),
        (lambda g, d, z, x: 3 * work(g, z, keep=True) + 8 * work(d, x), "its hooks stay"),
        (lambda g, d, z, x: ..., "not answered yet"),
    ],
)
def test_other_counts_are_named(answer, says):
    verdict = check.step_work(answer)
    assert not verdict
    assert says in verdict.says


def test_a_doubling_and_how_two_kernels_weave():
    verdict = check.doubling(lambda kernel: {"padding": (kernel - 1) // 2, "output_padding": kernel % 2})
    assert verdict
    assert verdict.says.endswith("neither weaves more each time")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda kernel: {"padding": kernel // 2, "output_padding": 1}, "with kernel 4, 4 pixels a side become 7"),
        (lambda kernel: {"padding": 1, "output_padding": 0}, "with kernel 5, 4 pixels a side become 9"),
        (lambda kernel: {"padding": kernel // 2, "output_padding": 2}, "0 or 1 only"),
        (lambda kernel: (2, 1), "a dictionary was asked"),
    ],
)
def test_what_does_not_double_is_named(answer, says):
    verdict = check.doubling(answer)
    assert not verdict
    assert says in verdict.says
