"""The plain loop: what it minimises, how its rate falls, what it leaves behind."""

import numpy as np
import pytest
import torch
from torch import nn

from dcgan_lib.models.learning import minimise


def test_it_finds_the_least_of_the_first_number_and_returns_the_curves_of_all():
    model, asked, seconds = nn.Linear(1, 1, bias=False), [], {}
    values = torch.tensor([1.0, 2.0, 3.0])

    def loss(rows):
        asked.append(rows)
        return (model.weight - values[rows].mean()).square().sum(), model.weight.detach().sum()

    curves = minimise(model, loss, 400, 0.1, 0, rows=np.array([0, 2]), seconds=seconds)
    assert curves.shape == (2, 400)
    assert model.weight.item() == pytest.approx(2, abs=0.2)  # 1 and 3, as often
    assert len(asked) == 400
    assert {len(rows) for rows in asked} == {64}
    assert set(np.concatenate(asked)) == {0, 2}
    assert list(seconds) == ["Linear"]
    assert seconds["Linear"] > 0
    assert not model.training
    assert not model.weight.requires_grad


@pytest.mark.parametrize(("end", "moved"), [(1, 10.0), (0, 5.5)])
def test_the_rate_goes_in_a_straight_line_to_its_end(end, moved):
    model = nn.Linear(1, 1, bias=False)
    before = model.weight.item()
    minimise(model, lambda rows: [model.weight.sum()], 10, 1.0, end, rows=np.arange(3))
    assert before - model.weight.item() == pytest.approx(moved, rel=1e-3)  # Adam: a constant slope moves it by the rate


def test_the_same_seed_takes_the_same_rows():
    taken = {}
    for seed in (1, 1, 2):
        model = nn.Linear(1, 1)
        rows = taken.setdefault(seed, [])
        minimise(
            model,
            lambda r, m=model, to=rows: to.append(tuple(r)) or [m.bias.sum()],
            3,
            0.1,
            rows=np.arange(99),
            seed=seed,
        )
    assert taken[1][:3] == taken[1][3:] != taken[2]
