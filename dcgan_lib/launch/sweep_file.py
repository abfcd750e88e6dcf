"""What a sweep's file asks for, spelt out: a name and a Config for each run, checked before anything starts."""

import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcgan_lib.config import Config
from dcgan_lib.launch.folders import as_word
from dcgan_lib.settings import did_you_mean, read_yaml

#: The words of a sweep's file: what stands at each, and how that is written.
WORDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "base": (str, "name a file of settings, as in `base: ../cpu.yaml`"),
    "settings": (dict, "write settings on lines below it, as in `epochs: 5`"),
    "grid": (dict, "write lists of values on lines below it, as in `epochs: [5, 10]`"),
    "runs": ((list, dict), "write runs on lines below it, as in `- {epochs: 5}`, or `short: {epochs: 5}` with a name"),
    "search": (dict, "write trials, space and score on lines below it: docs/batches.md"),
}


SCORES = ("swd", "frechet", "kernel", "attribute_error")  # of an `Evaluator`: the lower, the better
SEARCH = ("trials", "space", "score")  # the words below `search:`
ENDS = ("low", "high")


@dataclass(frozen=True)
class Search:
    """A search for the settings with the lowest score."""

    name: str  # each run's is `<name>-<number>`
    base: Config
    space: dict[str, Any]  # setting: a list of values, or {"low": …, "high": …} with "log" or "step"
    trials: int  # runs in all
    score: str  # one of `SCORES`


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep."""

    name: str  # of its folder
    config: Config
    tag: str  # the sweep's name


def read_sweep(path: str | Path, /, **overrides: Any) -> list[SweepRun]:
    """The runs that a sweep's YAML file describes, in its order.

    The file has `grid:`, a mapping of settings to lists of values, every combination a run; or `runs:`, a list of
    mappings of settings, each a run, or a mapping of names to those. What all runs share comes from `base:`, a file of
    settings relative to this one, and is changed by `settings:`, then by `overrides`.

    A run is named `<sweep>-<name>`, or without a name `<sweep>-<setting>=<value>-…`; the sweep by its file. Where that
    is the only setting's name too, the value is enough: `epochs-5`. A run that changes nothing is `<sweep>-base`; equal
    names are counted: `-2`.

    Raises `ValueError` with a line for everything that is wrong, and `OSError` where a file can't be read.
    """
    path = Path(path)
    sheet, base, problems = _read(path, overrides)
    if "search" in sheet:
        _refuse([*problems, "has `search:`: its runs are not known before they are trained"], path)
    grid = sheet.get("grid", {})
    changes = _by_label(
        sheet.get("runs") or [dict(zip(grid, v, strict=True)) for v in itertools.product(*grid.values())]
    )
    where = "grid" if grid else "runs: {}"
    configs = {label: _changed(base, change, where.format(label), problems) for label, change in changes.items()}
    for name in sorted(overrides.keys() & {name for change in changes.values() for name in change}):
        problems.append(f"--set: {name} is what this sweep varies: change its values in the file")
    first: dict[Config, Any] = {}
    for label, config in configs.items():
        if first.setdefault(config, label) != label and not problems:
            problems.append(f"runs {first[config]} and {label} have the same settings: leave one out")
    _refuse(problems, path)

    sweep, runs = as_word(path.stem), []
    for label, config in configs.items():
        change = changes[label]  # in which `recipe` is no setting
        values = {name: as_word(getattr(config, name, change[name])) for name in change}
        words = [f"{name}={value}" for name, value in values.items()] or ["base"]
        if isinstance(sheet.get("runs"), dict):
            words = [as_word(label)]
        elif list(values) == [sweep]:
            words = [values[sweep]]
        name = "-".join([sweep, *words])
        taken = {run.name.casefold() for run in runs}  # some file systems don't tell a from A
        names = itertools.chain([name], (f"{name}-{count}" for count in itertools.count(2)))
        runs.append(SweepRun(next(name for name in names if name.casefold() not in taken), config, sweep))
    return runs


def is_search(path: str | Path) -> bool:
    """Whether the file has `search:`, so that its runs are not known before they are trained."""
    sheet = read_yaml(path)
    return isinstance(sheet, dict) and "search" in sheet


def read_search(path: str | Path, /, **overrides: Any) -> Search:
    """The search that a YAML file describes: `base:` and `settings:` as in a sweep's, and `search:`.

    Below `search:` stand `trials:`, how many runs; `space:`, a mapping of settings to a list of values, or to
    `{low: …, high: …}` with `log: true` or `step: …` where wanted; and `score:`, one of `SCORES`, "swd" by default.
    Raises what `read_sweep` raises.
    """
    path = Path(path)
    sheet, base, problems = _read(path, overrides)
    about = sheet["search"]
    space, trials, score = about.get("space"), about.get("trials"), about.get("score", SCORES[0])
    problems += [f"search: unknown word {w!r}{did_you_mean(w, SEARCH)}" for w in about if w not in SEARCH]
    if not (isinstance(trials, int) and trials > 0):
        problems.append(f"search: trials is {trials!r}: give a number of runs, as in `trials: 20`")
    if score not in SCORES:
        problems.append(f"search: score is {score!r}: choose one of {', '.join(SCORES)}")
    if not (isinstance(space, dict) and space):
        problems.append(f"search: space is {space!r}: write settings on lines below it, as in `beta1: [0.0, 0.5]`")
        space = {}
    for name, values in space.items():
        problems += [f"search: {name} {wrong}" for wrong in [_no_range(values)] if wrong]
        ends = values if isinstance(values, list) else [values.get(end) for end in ENDS] if _is_range(values) else []
        for value in ends:
            _changed(base, {name: value}, "search", problems)
    if not (problems or base.evaluate_every):
        problems.append("search: nothing is measured: write a line below `settings:`, as in `evaluate_every: 200`")
    _refuse(problems, path)
    return Search(as_word(path.stem), base, space, trials, score)


def _read(path: Path, overrides: dict[str, Any]) -> tuple[dict[str, Any], Config, list[str]]:
    """The file's mapping, the Config that all its runs share, and what is wrong with that."""
    sheet = read_yaml(path)
    problems = _misused(sheet)
    _refuse(problems, path)
    base = Config()
    try:
        base = Config.from_file(path.parent / sheet["base"]) if "base" in sheet else base
    except (OSError, TypeError, ValueError) as error:
        problems.append(f"base: {error}")
    base = _changed(base, sheet.get("settings", {}), "settings", problems)
    return sheet, _changed(base, overrides, "--set", problems), problems


def _misused(sheet: Any) -> list[str]:
    """What is wrong with the file's own words, before any setting is looked at."""
    if not (isinstance(sheet, dict) and sheet):
        return ["holds no sweep: give it `base:` and `grid:`, as configs/sweeps/epochs.yaml has them"]
    if sheet.keys() <= set(Config.names()):
        return ["is a file of settings: train it with dcgan train, or name it as a sweep's `base:`"]
    problems = []
    for word, value in sheet.items():
        if word in Config.names():
            problems.append(f"{word}: write it below `settings:`, or as a list below `grid:`")
        elif word not in WORDS:
            problems.append(f"unknown word {word!r}{did_you_mean(word, WORDS)}")
        elif not (value and isinstance(value, WORDS[word][0])):
            problems.append(f"{word} is {repr(value) if value else 'empty'}: {WORDS[word][1]}")
        elif word == "grid":
            problems += [f"grid: {name} {wrong}" for name, values in value.items() if (wrong := _no_values(values))]
        elif word == "runs":
            told = "give settings, as in {epochs: 5}"
            runs = _by_label(value).items()
            problems += [f"runs: {label} is {run!r}: {told}" for label, run in runs if not isinstance(run, dict)]
    kinds = [word for word in ("grid", "runs", "search") if word in sheet]
    if len(kinds) > 1:
        problems.append(f"has {' and '.join(f'`{word}:`' for word in kinds)}: delete one")
    elif not problems and not kinds:
        problems.append("has neither `grid:` nor `runs:`: write one, as configs/sweeps/epochs.yaml does")
    return problems


def _no_values(values: Any) -> str:
    """Why this can't stand below `grid:`; nothing for a list of different values."""
    if not (values and isinstance(values, list)):
        return f"is {'an empty list' if values == [] else repr(values)}: give a list of values, as in [1, 2]"
    twice = [value for value in values if values.count(value) > 1]
    return f"has {twice[0]!r} twice: leave one out" if twice else ""


def _is_range(values: Any) -> bool:
    return isinstance(values, dict) and values.keys() >= set(ENDS)


def _no_range(values: Any) -> str:
    """Why this can't stand below `space:`; nothing for a list of different values, or a range of numbers."""
    if not isinstance(values, dict):
        return _no_values(values)
    numbers = [value for name, value in values.items() if name != "log"]
    plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)
    if not (_is_range(values) and values.keys() <= {*ENDS, "log", "step"} and plain and values["low"] < values["high"]):
        return f"is {values}: give a list of values, or a range, as in {{low: 0.0001, high: 0.001, log: true}}"
    if values.get("log") and ("step" in values or values["low"] <= 0):
        return f"is {values}: on a logarithmic scale a range begins above 0, and has no step"
    return ""


def _by_label(runs: list[Any] | dict[Any, Any]) -> dict[Any, Any]:
    """The runs by their names, or by their numbers."""
    return runs if isinstance(runs, dict) else dict(enumerate(runs, start=1))


def _changed(config: Config, settings: dict[str, Any], where: str, problems: list[str]) -> Config:
    """The Config with these settings, as far as they are possible; the others are added to the problems."""
    with contextlib.suppress(TypeError, ValueError):  # all at once: one may allow another
        return config.replace(**{str(name): value for name, value in settings.items()})
    for name, value in settings.items():
        try:
            config = config.replace(**{str(name): value})
        except (TypeError, ValueError) as error:
            problems.append(f"{where}: {error}")
    return config


def _refuse(problems: list[str], path: Path) -> None:
    """Raise them as one `ValueError`, a line each, without repeats."""
    if problems:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in dict.fromkeys(problems)))
