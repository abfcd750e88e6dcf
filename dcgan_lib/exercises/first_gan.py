"""Checks of notebook 0's exercises."""

import math
from collections.abc import Callable

from dcgan_lib.exercises import WrongAnswer, exercise

SEEDS = (1, 2, 3)


@exercise
def best_d(answer: Callable[[float, float], float]) -> str:
    """Whether no other probability makes D's loss at a place smaller than the answer does."""
    for p_real, p_fake in ((0.5, 0.5), (0.3, 0.1), (0.2, 0.7), (3.0, 5.0)):
        where = f"at the densities {p_real} and {p_fake}"
        said = float(answer(p_real, p_fake))
        if not 0 < said < 1:
            raise WrongAnswer(f"{where} it is {said:.3g}: a probability here lies between 0 and 1")

        def loss(d: float, p_real: float = p_real, p_fake: float = p_fake) -> float:
            return -p_real * math.log(d) - p_fake * math.log(1 - d)

        better = min((k / 1000 for k in range(1, 1000)), key=loss)
        if loss(better) < loss(said) - 1e-6:
            way = "more" if better > said else "less"
            raise WrongAnswer(f"{where} it is {said:.3g}, and a D that says {way} has a smaller loss")
    return "no other answer has a smaller loss; where both are equally dense, it is 1/2"


@exercise
def rate_of_d(answer: float, rate: float, modes_covered: Callable[[float, int], int]) -> str:
    """Whether all eight modes are covered with this rate of D, for each seed."""
    if not 0 < answer < 1:
        raise WrongAnswer(f"{answer} is no learning rate: give a small positive number")
    if answer < rate:
        raise WrongAnswer(f"{answer:g} makes D slower still than {rate:g}, with which G collapses")
    modes = {seed: modes_covered(answer, seed) for seed in SEEDS}
    short = [f"{count} with seed {seed}" for seed, count in modes.items() if count < 8]
    if short:
        raise WrongAnswer(f"with D's rate {answer:g}, G covers only {', '.join(short)}, of 8")
    return "all 8 modes are covered, with each of three seeds"
