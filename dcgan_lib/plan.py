"""What a sweep's file asks for, spelt out: a name and a Config for each run, checked before anything starts."""

import difflib
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dcgan_lib.config import REPORTING, Config

WORDS = ("base", "settings", "grid", "runs")


@dataclass(frozen=True)
class Planned:
    """One run of a sweep."""

    name: str  # of its folder
    config: Config
    swept: dict[str, Any]  # the settings that the sweep gives to this run, as the Config has them
    tag: str  # the sweep's name


def plan(path: str | Path, **overrides: Any) -> list[Planned]:
    """The runs that a sweep's YAML file describes, in its order.

    The file has `grid:`, a mapping of settings to lists of values, every combination a run; or `runs:`, a list of
    mappings of settings, each a run. What all runs share comes from `base:`, a file of settings relative to this one,
    and is changed by `settings:`, then by `overrides`.

    A run is named `<sweep>-<setting>=<value>-…`: the sweep's name is its file's, without the suffix. Where that is the
    only setting's name too, the value is enough: `epochs-5`. A run that changes nothing is `<sweep>-base`. What suits
    no folder's name becomes `-`, of long texts the last 40 characters stay, and equal names are counted: `-2`.

    Raises `ValueError` with a line for everything that is wrong, and `OSError` where a file can't be read.
    """
    path = Path(path)
    sheet = _read(path)
    problems = _misused(sheet)
    if problems:
        raise refusal(problems, path)
    base = Config()
    if "base" in sheet:
        try:
            base = Config.from_file(path.parent / sheet["base"])
        except (TypeError, ValueError) as error:
            problems.append(f"base {sheet['base']}: {error}")
    base = _changed(base, sheet.get("settings", {}), "settings", problems)
    base = _changed(base, overrides, "--set", problems)

    if "grid" in sheet:
        kind, grid = "grid", sheet["grid"]
        changes = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    else:
        kind, changes = "runs", sheet["runs"]
    configs = [_changed(base, change, kind, problems) for change in changes]
    for name in overrides:
        if any(name in change for change in changes):
            problems.append(f"--set: {name} is what this sweep varies: change its values in the file")
    numbers: dict[Config, int] = {}
    for number, config in enumerate(configs, start=1):
        if numbers.setdefault(config, number) != number and not problems:
            problems.append(f"{kind}: runs {numbers[config]} and {number} have the same settings: leave one out")
    if problems:
        raise refusal(problems, path)

    sweep = as_word(path.stem)
    planned: list[Planned] = []
    for config, change in zip(configs, changes, strict=True):
        swept = {name: getattr(config, name) for name in change}
        taken = {each.name.casefold() for each in planned}  # some file systems don't tell a from A
        name = first = _name(sweep, swept)
        for count in itertools.count(2):
            if name.casefold() not in taken:
                break
            name = f"{first}-{count}"
        planned.append(Planned(name, config, swept, sweep))
    return planned


def conflicts(planned: list[Planned], runs: Path) -> list[str]:
    """A line for each folder that holds a run of other settings; reporting may differ, and `epochs` be raised."""
    lines = []
    for each in planned:
        folder = runs / each.name
        if not (folder / "config.json").exists():
            continue
        try:
            differences = Config.from_file(folder / "config.json").differences(each.config)
        except (TypeError, ValueError) as error:
            lines.append(f"{folder} holds no settings that can be read: {error}; give other --runs")
            continue
        lowered = differences.get("epochs", (0, 0))
        ignored = (REPORTING | {"device"}) - ({"epochs"} if lowered[0] > lowered[1] else set())
        told = [f"{k} was {old!r} and is now {new!r}" for k, (old, new) in differences.items() if k not in ignored]
        if told:
            lines.append(f"{folder} is a run of other settings: {', '.join(told)}; set it back, or give other --runs")
    return lines


def refusal(problems: list[str], where: Any) -> ValueError:
    """All problems as one error, a line each, without repeats."""
    return ValueError("\n".join(f"{where}: {problem}" for problem in dict.fromkeys(problems)))


def _read(path: Path) -> dict[str, Any]:
    try:
        sheet = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML: {str(error).splitlines()[0]}; write it anew") from error
    if not isinstance(sheet, dict):
        raise ValueError(f"{path} holds no sweep: give it `base:` and `grid:`, as configs/sweeps/epochs.yaml has them")
    return sheet


def _misused(sheet: dict[str, Any]) -> list[str]:
    """What is wrong with the file's own words, before any setting is looked at."""
    problems = []
    for word, value in sheet.items():
        if word not in WORDS:
            nearest = difflib.get_close_matches(str(word), WORDS, n=1, cutoff=0)[0]
            problems.append(f"unknown word {word!r}: did you mean {nearest!r}?")
        elif word == "base" and not isinstance(value, str):
            problems.append(f"base is {value!r}: it names a file of settings; write the settings below `settings:`")
        elif word in ("settings", "grid") and not (isinstance(value, dict) and value):
            problems.append(f"{word} is {value!r}: write one `name: …` on a line below it")
        elif word == "runs" and not (isinstance(value, list) and value and all(isinstance(v, dict) for v in value)):
            problems.append("runs holds no list of settings: write one `- {name: value, …}` on a line")
        elif word == "grid":
            flat = [name for name, values in value.items() if not (isinstance(values, list) and values)]
            problems += [f"grid: {name} is {value[name]!r}: give a list of values, as in [1, 2]" for name in flat]
    if not problems and ("grid" in sheet) == ("runs" in sheet):
        problems.append("give either grid: or runs:, one of them")
    return problems


def _changed(config: Config, settings: dict[str, Any], where: str, problems: list[str]) -> Config:
    """The Config with these settings, as far as they are possible; the others are added to the problems."""
    for name, value in settings.items():
        try:
            config = config.replace(**{str(name): value})
        except (TypeError, ValueError) as error:
            problems.append(f"{where}: {error}")
    return config


def _name(sweep: str, swept: dict[str, Any]) -> str:
    words = [f"{name}={as_word(value)}" for name, value in swept.items()] or ["base"]
    if list(swept) == [sweep]:
        words = [as_word(swept[sweep])]
    return "-".join([sweep, *words])


def as_word(value: Any) -> str:
    """A value as a folder's name or a tag can hold it."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.")[-40:] or "none"
