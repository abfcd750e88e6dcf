"""Picks runs by a line of words: their names, tags, settings and states."""

import difflib
import fnmatch
import operator
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dcgan_lib.runs import STATES, RunRecord

_CONDITION = re.compile(r"(.+?)(!?[<>=][<>=!]*)(.*)", re.DOTALL)
_SIGNS = ("=", "==", "!=", "<", "<=", ">", ">=")
_ORDER = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


def select(records: Sequence[RunRecord], query: str = "") -> list[RunRecord]:
    """The runs for which every word of the query holds, in their order.

    A word is a part of a name or a pattern for all of it (`epochs`, `epochs-*`), a tag (`tag:epochs`), or a condition
    on a setting, on a field by its path, or on `state` or `steps`: `epochs=5`, `learning_rate_d<1e-3`, `state!=failed`,
    `data=*photos`, also with `>`, `>=` and `<=`. Quote what has spaces. A run without the setting doesn't match.
    Raises `ValueError` with one line for a word that can't be understood, and `TypeError` for a path.
    """
    if isinstance(records, str | Path):
        raise TypeError(f'give load_runs("{records}"), not its path')
    try:
        words = shlex.split(query)
    except ValueError as error:
        raise ValueError(f"{query!r} can't be read: {str(error).lower()}; close the quotation mark") from error
    chosen = list(records)
    for word in words:
        matching = _understand(word, records)
        chosen = [record for record in chosen if matching(record)]
    return chosen


def _understand(word: str, records: Sequence[RunRecord]) -> Callable[[RunRecord], bool]:
    """The test that a word of a query stands for."""
    if word.startswith("tag:"):
        pattern = word.removeprefix("tag:")
        if not pattern:
            raise ValueError("'tag:' lacks its word: write tag:WORD")
        return lambda record: any(fnmatch.fnmatchcase(tag, pattern) for tag in record.tags)

    pattern = word.lower() if any(sign in word for sign in "*?[") else f"*{word.lower()}*"
    named = [record for record in records if fnmatch.fnmatchcase(record.name.lower(), pattern)]
    if re.fullmatch("[<>=!]+", word) or (word.startswith(("<", ">", "=", "!=")) and not named):
        raise ValueError(f"{word!r} stands alone: write epochs=2, without spaces")
    condition = _CONDITION.fullmatch(word)
    known = {"state", "steps"}.union(*[record.fields for record in records], *[record.settings for record in records])
    if condition and records and (condition[1] in known or not named):  # a sweep's names have "=" in them
        name, sign, wanted = condition.groups()
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {nearest[0]!r}?" if nearest else "an example: epochs=5"
            raise ValueError(f"no run has the setting {name!r}: {advice}")
        if sign not in _SIGNS:
            right = sign[::-1] if sign[::-1] in _SIGNS else f"one of {' '.join(_SIGNS)}"
            raise ValueError(f"{sign!r} is no sign: write {right}")
        if not wanted:
            raise ValueError(f"{word!r} lacks its value: write {name}{sign}VALUE")
        if name == "state" and (sign in _ORDER or not fnmatch.filter(STATES, wanted.lower())):
            raise ValueError(f"{word!r}: write state= or state!= and one of {', '.join(STATES)}")
        if sign in _ORDER and _number(wanted) is None:
            raise ValueError(f"{word!r}: {sign} compares numbers, and {wanted!r} is none")
        return lambda record: _holds(_value(record, name), sign, wanted)

    if ":" in word and records and not named:
        raise ValueError(f"{word!r} is in no name: a tag is written tag:{word.partition(':')[2] or 'WORD'}")
    return lambda record: record in named


def _value(record: RunRecord, name: str) -> Any:
    if name in ("state", "steps"):
        return getattr(record, name)
    return record.settings.get(name, record.fields.get(name))


def _holds(value: Any, sign: str, wanted: str) -> bool:
    if value is None:
        return False
    numbers = _number(value), _number(wanted)
    if sign in _ORDER:
        return None not in numbers and _ORDER[sign](*numbers)
    equal = fnmatch.fnmatchcase(str(value).lower(), wanted.lower()) or (
        None not in numbers and numbers[0] == numbers[1]
    )
    return equal if sign in ("=", "==") else not equal


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
