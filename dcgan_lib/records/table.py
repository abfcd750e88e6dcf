"""Runs as a table: to pick from, to see what differs, to print."""

import argparse
import itertools
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dcgan_lib.records.reading import SETTINGS, RunRecord, _has_record, load_runs
from dcgan_lib.settings import did_you_mean

_BESIDE_SETTINGS = ("sys/", "monitoring/", "training/")  # fields that tell of a run's course, not of how it was set up


def runs_as_text(records: list[RunRecord]) -> str:
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


def _result(record: RunRecord) -> dict[str, Any]:
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


def run_labels(records: Sequence[RunRecord]) -> list[str]:
    """A name for each run by which it can be told from the others: its own, with its id where several share it."""
    uses = Counter(record.name for record in records)
    return [r.name if uses[r.name] == 1 or r.name == r.run_id else f"{r.name} ({r.run_id})" for r in records]


def number_series(records: Iterable[RunRecord]) -> list[str]:
    """Paths of the series that can be drawn as curves, of any of the runs."""
    names = {path for r in records for path in r.series_names if not isinstance(r.last(path)[1], str)}
    return sorted(names)


def settings_of(records: Sequence[RunRecord]) -> pd.DataFrame:
    """How each run was set up, a row a run: settings under their own names, other fields under their paths.

    Tags, times and results (`sys/`, `monitoring/`, `training/`) are left out; what a run doesn't have is NaN.
    """
    rows = []
    for record in records:
        fields = {k: v for k, v in record.fields.items() if not k.startswith((*_BESIDE_SETTINGS, SETTINGS))}
        rows.append(record.settings | fields)
    return pd.DataFrame(rows, index=pd.Index(run_labels(records), name="run"), dtype=object)


def runs_table(records: Sequence[RunRecord]) -> pd.DataFrame:
    """All that runs can be picked and sorted by, a row a run: name, state, steps and tags (one text, words apart),
    then the columns of `settings_of`, then the last value of each series of numbers, under its path.
    """
    rows = []
    for record in records:
        about = {"name": record.name, "state": record.state, "steps": record.steps}
        about["tags"] = " ".join(sorted(record.tags))
        rows.append(about | {path: record.last(path)[1] for path in number_series([record])})
    results = pd.DataFrame(rows, index=pd.Index(run_labels(records), name="run"), columns=None if rows else ["name"])
    table = settings_of(records)
    places = 4 if rows else 1
    return pd.concat([results.iloc[:, :places], table, results.iloc[:, places:]], axis=1).infer_objects()


def select(records: Sequence[RunRecord], query: str = "") -> list[RunRecord]:
    """The runs whose row in `runs_table` fulfils a condition in pandas' words, in their order; all for "".

    `epochs > 5 and state == "finished"`, `tags.str.contains("width")`, `name in ["a", "b"]`, and with backticks
    around a path `metrics/swd`. Raises `ValueError` with one line for a condition that pandas can't evaluate.
    """
    if not query.strip() or not records:
        return list(records)
    table = runs_table(records)
    table.index = pd.RangeIndex(len(table), name="run")
    try:
        holds = table.eval(query, engine="python", local_dict={}, global_dict={})
        return [record for record, chosen in zip(records, holds.astype("boolean").fillna(False), strict=True) if chosen]
    except Exception as error:  # pandas evaluates it as Python, which may raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        unknown = re.match(r"name '(.+)' is not defined", reason)
        advice = (
            did_you_mean(unknown[1], list(table)) if unknown else '; for example: epochs > 5 and state == "finished"'
        )
        raise ValueError(f"the filter {query!r} can't be evaluated: {reason}{advice}") from error


def differing(records: Sequence[RunRecord]) -> pd.DataFrame:
    """The columns of `settings_of` in which the runs are not all alike; none for a single run.

    Of a setting that `environment/` repeats (`seed`, `device`) the repetition is left out.
    """
    table = settings_of(records)
    columns = [name for name in table if table[name].nunique(dropna=False) > 1]
    kept = []
    for name in columns:
        setting = name.removeprefix("environment/")
        if setting == name or setting not in columns or not table[name].equals(table[setting]):
            kept.append(name)
    return table[kept]


def image_series(records: Iterable[RunRecord]) -> list[str]:
    """Paths of the series of images of any of the runs."""
    return sorted({path for record in records for path in record.image_names})


def steps_per_epoch(record: RunRecord) -> int:
    """Steps in which a run sees each image once; `ValueError` where its record doesn't say."""
    counts = []
    for path in ("config/dataset/size", SETTINGS + "batch_size"):
        value = record.fields.get(path)
        if not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"run {record.name} has no epochs: its {path} is {value}; draw it by step")
        counts.append(value)
    return math.ceil(counts[0] / (counts[1] * record.settings.get("d_updates", 1)))


def _without_record(folder: Path) -> list[str]:
    """A line for each run that ended, or is still, before its record began."""
    files = sorted([*folder.glob("*/config.json"), *folder.glob("*/notebook.ipynb")])  # the notebook, where both are
    begun = {file.parent: file for file in files if not _has_record(file.parent)}
    return [f"{run.name}: failed, or only just begun: no record, see {file}" for run, file in begun.items()]


def main() -> None:
    """The command line; exit code 1 for a folder that there isn't."""
    parser = argparse.ArgumentParser(prog="dcgan runs", description="Print the runs in a folder.")
    parser.add_argument("folder", nargs="?", default="runs")
    folder = Path(parser.parse_args().folder)
    if not folder.is_dir():
        wrong = "is a file" if folder.exists() else "does not exist"
        sys.exit(f"{folder} {wrong}: train first, or give the folder that holds the runs")
    records, lost = load_runs(folder), _without_record(folder)
    if records:
        print(runs_as_text(records))
    elif not lost:
        print(f"no runs in {folder}: train first, or give the folder that holds them")
    for line in lost:
        print(printable(line))
    for record in records:
        problems = record._problems_met()  # not those that only reading every point would show
        for problem in problems[:5]:
            print(printable(f"{record.run_id}: {problem}"))
        if len(problems) > 5:
            print(printable(f"{record.run_id}: and {len(problems) - 5} more"))


if __name__ == "__main__":
    main()
