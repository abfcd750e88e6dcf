"""Adam as a device computes it fastest, and its rate while it runs."""

import torch
from torch import nn


def make_adam(network: nn.Module, rate: float, betas: tuple[float, float], graphed: bool = False) -> torch.optim.Adam:
    """Adam for a network, where its weights lie.

    graphed: its updates are recorded in a CUDA graph, which goes on with the numbers that it was recorded with: rate
    and count of steps are then tensors on the GPU.
    """
    device = next(network.parameters()).device
    options = {"fused": device.type in {"cpu", "cuda"}, "capturable": graphed}
    lr = torch.tensor(rate, device=device) if graphed else rate
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas, **options)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all parameters this rate; one that is a tensor keeps its place in memory."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
