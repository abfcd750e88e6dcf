"""Notebook 3's exercises: right answers pass, typical wrong ones are named, and each broken step is broken."""

import pytest
import torch
from helpers.reference import ReferenceLoop

from dcgan_lib import GAN, Config
from dcgan_lib.exercises import training

P_DATA = torch.tensor([0.4, 0.3, 0.2, 0.1])
RIGHT = {name: step.fault for name, step in training.BROKEN.items()}


def test_a_g_that_has_become_the_data():
    assert training.trained_g(lambda: P_DATA + 0.001 * torch.tensor([1.0, -1.0, 0.5, -0.5]), P_DATA)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: None, "it returns None"),
        (lambda: P_DATA.log(), "probabilities, as of a softmax, sum to 1"),
        (lambda: P_DATA / (2 * P_DATA), "the 4 numbers sum to 2.000"),
        (lambda: torch.full((4,), 0.25), "have not learnt"),
        (lambda: torch.tensor([0.0, 0.0, 0.0, 1.0]), "which sign"),
        (lambda: torch.tensor([0.35, 0.3, 0.2, 0.15]), "0.05 off its probability: train longer"),
        (lambda: ..., "not answered yet"),
    ],
)
def test_a_g_that_has_not(answer, says):
    verdict = training.trained_g(answer, P_DATA)
    assert not verdict
    assert says in verdict.says


def test_the_faults_named():
    assert training.faults(RIGHT)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"A": ...}, "not answered yet"),
        ({"A": "too slow"}, "A: 'too slow' is none of: G learns before D; labels swapped"),
        ({"B": RIGHT["D"], "D": RIGHT["B"]}, "not yet right: B, D; which number differs first"),
    ],
)
def test_a_fault_not_named(changed, says):
    verdict = training.faults(RIGHT | changed)
    assert not verdict
    assert says in verdict.says


def losses(step, steps=2):
    gan = GAN(Config(image_size=16, generator_width=4, discriminator_width=4, batch_size=8, device="cpu"))
    random = torch.Generator().manual_seed(0)
    numbers = []
    for _ in range(steps):
        real, z = torch.rand(8, 3, 16, 16, generator=random) * 2 - 1, torch.randn(8, 100, generator=random)
        numbers.append(step(gan.generator, gan.discriminator, gan.optimizer_g, gan.optimizer_d, real, z))
    return torch.tensor(numbers)


def test_without_a_fault_it_is_the_articles_step():
    def reference(G, D, optimizer_G, optimizer_D, real, z):
        loop = ReferenceLoop(G, torch.nn.Sequential(D, torch.nn.Sigmoid()))
        loop.optimizerG, loop.optimizerD = optimizer_G, optimizer_D
        return loop.step(real, z)

    torch.testing.assert_close(losses(training.BrokenStep("")), losses(reference))


def test_each_broken_step_differs_where_its_fault_says():
    right = losses(training.BrokenStep(""))
    first = {
        fault: tuple(map(int, (~torch.isclose(losses(training.BrokenStep(fault)), right)).nonzero()[0]))
        for fault in training.FAULTS[:3]
    }  # (step, number): Loss_D, Loss_G, D(x), D(G(z)) before and after
    assert first == {"G learns before D": (0, 1), "labels swapped": (0, 0), "gradients never cleared": (1, 1)}
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        losses(training.BrokenStep("detach forgotten"))
