"""YAML read with what is wrong told by file, line and column, and names that are nearly right."""

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Refuses a name that is written twice; YAML would keep the last without a word."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: list[Any] = []
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} is written twice", problem_mark=key.start_mark)
            seen.append(key.value)
        return node


def parse_yaml(text: str | bytes, where: Any) -> Any:
    """What a YAML text holds; `ValueError` with where, line, column and what is wrong there."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark, advice = error.problem_mark, ": a tab; indent with spaces" if "'\\t'" in error.problem else ""
        raise ValueError(f"{where}, line {mark.line + 1}, column {mark.column + 1}: {error.problem}{advice}") from error
    except (yaml.YAMLError, ValueError) as error:  # no characters, or no date
        raise ValueError(f"{where} is no YAML: {str(error).splitlines()[0]}") from error


def read_yaml(path: str | Path) -> Any:
    """What a YAML file holds; raises what `parse_yaml` raises, and `OSError`, which names the files that are there."""
    path = Path(path)
    try:
        return parse_yaml(path.read_bytes(), path)
    except (FileNotFoundError, IsADirectoryError) as error:
        files = sorted(file.name for file in (path if path.is_dir() else path.parent).glob("*.yaml"))
        raise type(error)(f"{path} is no file{did_you_mean(path.name, files) if files else ''}") from error


def did_you_mean(name: Any, known: Collection[str]) -> str:
    """The end of a message on a name that is not known: those it may have meant, or else all."""
    name = str(name)
    meant = [each for each in known if name in each] or difflib.get_close_matches(name, known, n=1)
    return f": did you mean {' or '.join(map(repr, meant))}?" if meant else f"; known are {', '.join(known)}"
