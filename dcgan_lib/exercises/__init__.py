"""Checks for the exercises of the notebooks: each says what is wrong with an answer, and never gives it away."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class WrongAnswer(Exception):
    """What is wrong with an answer, as a sentence for the one who gave it."""


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer; true if it is right."""

    right: bool
    says: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"{'✓' if self.right else '✗'} {self.says}"


def exercise(check: Callable[..., str]) -> Callable[..., Verdict]:
    """Make a check of a function that returns what is shown about a right answer and raises `WrongAnswer` otherwise.

    An answer of `...`, or a function that returns it, counts as not given yet. Whatever an answer raises is told, not
    raised: a notebook goes on to its next cell.
    """

    @functools.wraps(check)
    def verdict(answer: Any, *context: Any) -> Verdict:
        try:
            return Verdict(True, check(_given(answer), *context))
        except WrongAnswer as wrong:
            return Verdict(False, str(wrong))
        except Exception as error:
            return Verdict(False, f"the answer raises {type(error).__name__}: {error}")

    return verdict


def _given(answer: Any) -> Any:
    """The answer; `WrongAnswer` where it still is `...`, for a function as soon as it is called."""
    if answer is ...:
        raise WrongAnswer("not answered yet: put your answer in the place of the dots")
    if not callable(answer):
        return answer
    return functools.wraps(answer)(lambda *inputs: _given(answer(*inputs)))
