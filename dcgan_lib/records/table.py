"""`dcgan runs`: runs as a table, to print, to pick from, and to see in what they differ."""

import itertools
import math
import re
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dcgan_lib.records.paths import DATASET, PATHS, RECORD, SETTINGS
from dcgan_lib.records.reading import RunRecord, has_record, load_runs, printable
from dcgan_lib.settings import did_you_mean, first_line

_NOT_SETUP = (SETTINGS, "sys/", "monitoring/", "training/")  # fields below these are not in `settings_of`


def run_labels(records: Sequence[RunRecord]) -> list[str]:
    """A name for each run by which it can be told from the others: its own, with its id where several share it."""
    uses = Counter(record.name for record in records)
    return [r.name if uses[r.name] == 1 or r.name == r.run_id else f"{r.name} ({r.run_id})" for r in records]


def number_series(records: Iterable[RunRecord]) -> list[str]:
    """Paths of the series that can be plotted as curves, of any of the runs."""
    return sorted({path for r in records for path in r.series_names if not isinstance(r.last(path)[1], str)})


def image_series(records: Iterable[RunRecord]) -> list[str]:
    """Paths of the series of images of any of the runs."""
    return sorted({path for record in records for path in record.image_names})


def steps_per_epoch(record: RunRecord) -> int:
    """Steps in which a run sees each image once; `ValueError` where its record doesn't say."""
    counts = []
    for path, default in ((DATASET + "size", None), (SETTINGS + "batch_size", None), (SETTINGS + "d_updates", 1)):
        value = record.fields.get(path, default)
        if not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"run {record.name} has no epochs: its {path} is {value}; plot it by step")
        counts.append(value)
    images, batch, updates = counts
    return math.ceil(images / (batch * updates))


def settings_of(records: Sequence[RunRecord]) -> pd.DataFrame:
    """How each run was set up, a row a run: settings under their own names, other fields under their paths.

    Tags, times and results (`sys/`, `monitoring/`, `training/`) are left out; what a run doesn't have is NaN.
    """
    rows = []
    for record in records:
        fields = {path: value for path, value in record.fields.items() if not path.startswith(_NOT_SETUP)}
        rows.append(record.settings | fields)
    return pd.DataFrame(rows, pd.Index(run_labels(records), name="run"), dtype=object)


def runs_table(records: Sequence[RunRecord]) -> pd.DataFrame:
    """All that runs can be picked and sorted by, a row a run: name, state, steps and tags (one text, words apart),
    then the columns of `settings_of`, then the last value of each series of numbers, under its path.
    """
    about = [(record.name, record.state, record.steps, " ".join(sorted(record.tags))) for record in records]
    last = [{path: record.last(path)[1] for path in number_series([record])} for record in records]
    setup = settings_of(records).drop(columns=["name", "state", "steps", "tags"], errors="ignore")  # of other code
    first = pd.DataFrame(about, setup.index, ["name", "state", "steps", "tags"])
    return pd.concat([first, setup, pd.DataFrame(last, setup.index)], axis=1).infer_objects()


def differing(records: Sequence[RunRecord]) -> pd.DataFrame:
    """The columns of `settings_of` in which the runs are not all alike; none for a single run.

    Of a setting that `environment/` repeats (`seed`, `device`) the repetition is left out.
    """
    table = settings_of(records)
    table = table.loc[:, table.nunique(dropna=False) > 1]
    twins = {name: f"environment/{name}" for name in table if f"environment/{name}" in table}
    return table.drop(columns=[twin for name, twin in twins.items() if table[name].equals(table[twin])])


def select(records: Sequence[RunRecord], query: str = "") -> list[RunRecord]:
    """The runs that fulfil a condition on the columns of `runs_table`, in pandas' words; all for "".

    `epochs > 5 and state == "finished"`, `tags.str.contains("width")`, `name in ["a", "b"]`, and with backticks
    around a path `metrics/swd`. Raises `ValueError` with one line for a condition that pandas can't evaluate.
    """
    if not query.strip() or not records:
        return list(records)
    table = runs_table(records).reset_index(drop=True)
    try:
        for name in re.findall("`(.+?)`", query):
            if name not in table:  # pandas would tell it in a spelling of its own
                raise NameError(f"name '{name}' is not defined")
        holds = table.eval(query, engine="python", local_dict={}, global_dict={}).astype("boolean").fillna(False)
        return [record for record, chosen in zip(records, holds, strict=True) if chosen]
    except Exception as error:  # pandas evaluates it as Python, which may raise anything
        reason = first_line(error)
        unknown = re.match(r"name '(.+)' is not defined", reason)
        example = '; for example: epochs > 5 and state == "finished"'
        advice = did_you_mean(unknown[1], list(table)) if unknown else example
        raise ValueError(f"the filter {query!r} can't be evaluated: {reason}{advice}") from error


def runs_as_text(records: Sequence[RunRecord]) -> str:
    """One line a run, in at most 120 columns: how far it came, how it stands, and the settings that differ.

    What does not fit beside each other follows below; only names that long texts are told apart by may need more.
    """
    losses = {PATHS[name]: name for name in ("loss_d", "loss_g")}
    taken = {"steps", "state", *losses, *losses.values()}  # other code may have settings of these names
    swept = [name for name in differing(records) if any(name in record.settings for record in records)]
    swept = [name for name in swept if name not in taken]
    table = runs_table(records).reindex(columns=["steps", *losses, "state", *swept]).rename(columns=losses)
    table.insert(0, "created (UTC)", [f"{record.created:%Y-%m-%d %H:%M}" for record in records])
    table = table.astype(object).map(_cell)
    for name in swept:
        table[name] = shortened(list(table[name]), 32)
    table = table.rename(columns=dict(zip(swept, shortened([printable(name) for name in swept], 32), strict=True)))
    table.index = shortened([printable(record.run_id) for record in records], 32)
    return table.to_string(line_width=120)


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


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN: pandas' word for absent
        return "-"
    return printable(f"{value:.4g}" if isinstance(value, float) else str(value))


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument("--query", default="", metavar="CONDITION", help='such as: epochs > 5 and state == "finished"')


def main(given: Namespace) -> int:
    """Print the table, then runs without a record, then what could not be read."""
    folder = given.folder
    if not folder.exists():
        raise FileNotFoundError(f"{folder} does not exist: train first, or give the folder that holds the runs")
    records = select(load_runs(folder), given.query)
    files = sorted([*folder.glob("*/config.json"), *folder.glob("*/notebook.ipynb")])  # the notebook, where both are
    lost = {file.parent: file for file in files if not has_record(file.parent)}
    if records:
        print(runs_as_text(records))
    elif given.query or not lost:
        print(f"no runs in {folder}" + (f" with {given.query}" if given.query else ": train first"))
    lines = [f"{run.name}: failed, or only just begun: no {RECORD}/, see {file}" for run, file in lost.items()]
    for record in records:
        problems = record.problems_so_far  # not those that only reading every point would show
        more = [f"and {len(problems) - 5} more"] if len(problems) > 5 else []
        lines += [f"{record.run_id}: {problem}" for problem in problems[:5] + more]
    for line in lines:
        print(printable(line))
    return 0
