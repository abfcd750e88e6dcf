"""What every check does with an answer."""

import pytest

from dcgan_lib.exercises import WrongAnswer, exercise


@exercise
def double(answer, number):
    if answer(number) != 2 * number:
        raise WrongAnswer(f"{number} becomes {answer(number)}")
    return "doubled"


def test_a_right_answer_is_true_and_says_why():
    verdict = double(lambda number: number + number, 3)
    assert verdict
    assert repr(verdict) == "✓ doubled"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda number: number, "3 becomes 3"),
        (..., "not answered yet"),
        (lambda number: ..., "not answered yet"),
        (lambda: 1, "the answer raises TypeError"),
        (lambda number: number / 0, "the answer raises ZeroDivisionError: division by zero"),
    ],
)
def test_any_other_is_false_and_says_what_is_wrong(answer, says):
    verdict = double(answer, 3)
    assert not verdict
    assert repr(verdict).startswith(f"✗ {says}")
