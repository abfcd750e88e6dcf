"""Adam's rate: a number, or where a CUDA graph needs it a tensor of its own that keeps its place."""

import pytest
import torch
from torch import nn

from dcgan_lib.compute.optimizers import make_adam, set_rate


@pytest.mark.parametrize("graphed", [False, True])
def test_a_rate_that_is_set_is_that_of_one_optimiser_alone_and_a_tensor_keeps_its_place(graphed):
    ours, other = (make_adam(nn.Linear(2, 2), 1e-3, (0.5, 0.999), graphed) for _ in range(2))
    before = ours.param_groups[0]["lr"]
    set_rate(ours, 5e-4)
    assert float(ours.param_groups[0]["lr"]) == pytest.approx(5e-4)
    assert float(other.param_groups[0]["lr"]) == pytest.approx(1e-3)
    assert isinstance(before, torch.Tensor) == graphed
    assert not graphed or ours.param_groups[0]["lr"] is before
