"""Runs as a table of text, and names cut as far as they can still be told apart."""

import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from dcgan_lib.records.reading import RunRecord


def table(records: list["RunRecord"]) -> str:
    """One line a run, in at most 120 columns: how far it came, how it stands, and the settings that differ.

    What does not fit beside each other follows below; only names that long texts are told apart by may need more.
    """
    index = shortened([printable(record.run_id) for record in records], 32)
    settings = pd.DataFrame([record.settings for record in records], dtype=object).map(_cell)
    differing = settings.loc[:, settings.nunique() > 1]
    names = shortened([printable(name) for name in differing], 32)
    results = pd.DataFrame([_result(record) for record in records], index, dtype=object).map(_cell)
    columns = {name: shortened(list(differing[full]), 32) for name, full in zip(names, differing, strict=True)}
    return pd.concat([results, pd.DataFrame(columns, index)], axis=1).to_string(line_width=120)


def shortened(texts: Sequence[str], length: int = 40) -> list[str]:
    """The texts cut to `length` characters, or as many more as it takes to tell them apart.

    Where one is longer, the words that all begin with are left out, then middles.
    """
    longest = max(map(len, texts), default=0)
    if longest > length and len(set(texts)) > 1:
        words = [re.split(r"(?<=[-/ ])(?=[^\W\d])", text) for text in texts]  # not within 1e-4
        beginnings = zip(*(each[:-1] for each in words), strict=False)
        common = len(list(itertools.takewhile(lambda each: len(set(each)) == 1, beginnings)))
        texts = ["…" + "".join(each[common:]) for each in words] if common else texts
    for allowed in range(length, longest):
        half = (allowed - 1) // 2
        cut = [text if len(text) <= allowed else f"{text[:half]}…{text[-half:]}" for text in texts]
        if len(set(cut)) == len(set(texts)):
            return cut
    return list(texts)


def _result(record: "RunRecord") -> dict[str, Any]:
    names = {"loss_d": "training/batch/Dloss", "loss_g": "training/batch/Gloss"}
    return {
        "created (UTC)": f"{record.created:%Y-%m-%d %H:%M}",
        "steps": record.steps,
        **{label: record.last(path)[1] if path in record.series_names else None for label, path in names.items()},
        "state": record.state,
    }


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN: pandas' word for absent
        return "-"
    return printable(f"{value:.4g}" if isinstance(value, float) else str(value))


def printable(text: str) -> str:
    """The same without what would steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
