"""Checks of notebook 3's exercises, and the broken steps of the second."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from dcgan_lib.exercises import WrongAnswer, exercise

FAULTS = ("G learns before D", "labels swapped", "gradients never cleared", "detach forgotten")


@exercise
def trained_g(answer: Callable[[], Tensor], p_data: Tensor) -> str:
    """Whether the answer returns a distribution that has become p_data."""
    p_g = answer()
    if not isinstance(p_g, Tensor) or p_g.shape != p_data.shape:
        raise WrongAnswer(f"it returns {p_g!r}: give a tensor of {len(p_data)} probabilities")
    p_g = p_g.detach()
    if (p_g < 0).any() or not torch.isclose(p_g.sum(), torch.tensor(1.0), atol=1e-3):
        raise WrongAnswer(f"the {len(p_g)} numbers sum to {p_g.sum():.3f}: probabilities, as of a softmax, sum to 1")
    if torch.allclose(p_g, torch.full_like(p_g, 1 / len(p_g)), atol=1e-3):
        raise WrongAnswer("all symbols are equally likely, as at the start: G's logits have not learnt")
    apart = (p_g - p_data).abs().max().item()
    if apart > 0.01:
        why = "which sign has G's loss?" if apart > 0.35 else "train longer, or in smaller steps"
        raise WrongAnswer(f"one symbol is {apart:.2f} off its probability: {why}")
    d = p_data / (p_data + p_g)
    value = (p_data * d.log() + p_g * (1 - d).log()).sum()
    return f"p_g = {[round(p, 3) for p in p_g.tolist()]}, and V = {value:.4f}: minus log 4"


@exercise
def faults(answer: dict[str, str]) -> str:
    """Whether each broken step's fault is named."""
    if set(answer) != set(BROKEN):
        raise WrongAnswer(f"name a fault for each of {', '.join(BROKEN)}")
    if ... in answer.values():
        raise WrongAnswer("not answered yet: put the name of a fault in the place of the dots")
    for name, fault in answer.items():
        if fault not in FAULTS:
            raise WrongAnswer(f"{name}: {fault!r} is none of: {'; '.join(FAULTS)}")
    wrong = [name for name, fault in answer.items() if BROKEN[name].fault != fault]
    if wrong:
        hint = "which number differs first, and at which step? What does it depend on?"
        raise WrongAnswer(f"not yet right: {', '.join(wrong)}; {hint}")
    return "all of them found"


class BrokenStep:
    """A step of the game with one fault; called like notebook 3's `plain_step`, and returns the same numbers."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def __repr__(self) -> str:
        return "a step with one fault"

    def __call__(
        self, G: nn.Module, D: nn.Module, optimizer_G: Optimizer, optimizer_D: Optimizer, real: Tensor, z: Tensor
    ) -> list[float]:
        cost = F.binary_cross_entropy_with_logits
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        if self.fault == "labels swapped":
            ones, zeros = zeros, ones
        fake = G(z)
        if self.fault == "G learns before D":
            loss_G, fake_after = self._update_g(D, fake, optimizer_G)
            fake = fake.detach()
        if self.fault != "gradients never cleared":
            optimizer_D.zero_grad()
        logits_real, logits_fake = D(real), D(fake if self.fault == "detach forgotten" else fake.detach())
        loss_D = cost(logits_real, ones) + cost(logits_fake, zeros)
        loss_D.backward()
        optimizer_D.step()
        if self.fault != "G learns before D":
            loss_G, fake_after = self._update_g(D, fake, optimizer_G)
        outputs = (logits_real.sigmoid().mean(), logits_fake.sigmoid().mean(), fake_after.sigmoid().mean())
        return [number.item() for number in (loss_D, loss_G, *outputs)]

    def _update_g(self, D: nn.Module, fake: Tensor, optimizer_G: Optimizer) -> tuple[Tensor, Tensor]:
        if self.fault != "gradients never cleared":
            optimizer_G.zero_grad()
        logits = D(fake)
        loss = F.binary_cross_entropy_with_logits(logits, torch.ones(len(logits)))
        loss.backward()
        optimizer_G.step()
        return loss, logits


#: In an order that doesn't give them away.
BROKEN = {name: BrokenStep(FAULTS[place]) for name, place in zip("ABCD", (2, 0, 3, 1), strict=True)}
