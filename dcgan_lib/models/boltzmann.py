"""A restricted Boltzmann machine: an energy for every black-and-white image (Hinton 2002)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BoltzmannMachine(nn.Module):
    """A restricted Boltzmann machine: p(v, h) ∝ exp(b·v + c·h + v·W·h), of values 0 and 1 (Hinton 2002).

    v: (N, visible), what is seen; h: (N, hidden), what explains it. No two of one kind are coupled, so that all of one
    kind are drawn at once, given the others.
    """

    def __init__(self, visible: int, hidden: int, random: torch.Generator | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.01 * torch.randn(visible, hidden, generator=random))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))

    def free_energy(self, v: Tensor) -> Tensor:
        """−log of the sum over all h of exp(b·v + c·h + v·W·h): low where v is likely; (N,)."""
        return -(v @ self.visible_bias) - F.softplus(v @ self.weight + self.hidden_bias).sum(1)

    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int, random: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """`steps` times h given v, then v given h: the new v, and the probabilities that it was drawn from."""
        for _ in range(steps):
            h = torch.bernoulli((v @ self.weight + self.hidden_bias).sigmoid(), generator=random)
            likely = (h @ self.weight.T + self.visible_bias).sigmoid()
            v = torch.bernoulli(likely, generator=random)
        return v, likely

    def contrast(self, v: Tensor, from_model: Tensor) -> Tensor:
        """What training minimises: the free energy of real v minus that of the machine's own, a scalar.

        Its gradient is that of −log p(v) where `from_model` are fair draws; contrastive divergence takes what a few
        Gibbs steps make of the real v instead (Hinton 2002, section 3).
        """
        return self.free_energy(v).mean() - self.free_energy(from_model).mean()
