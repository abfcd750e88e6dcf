"""How settings arrive: YAML, recipes, a notebook's parameters, and the names of earlier versions, as plain mappings."""

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

PLAIN = dict(upsampling="transposed", discriminator_norm="batch", r1_weight=0.0, r2_weight=0.0, penalty_every=1)

#: Named sets of values, for `recipe: NAME`. "paper" is the PyTorch tutorial's, `Config`'s defaults; "modern" is what
#: made the best faces in trials on a CPU (benchmarks/RESULTS.md); "minimal" the small encoder-decoder GAN's article's.
RECIPES: dict[str, dict[str, Any]] = {
    "paper": PLAIN
    | {
        "flip": False,
        "hold_out": False,
        "generator_width": 64,
        "discriminator_width": 64,
        "batch_size": 128,
        "learning_rate_d": 2e-4,
        "learning_rate_g": 2e-4,
        "label_smoothing": 0.0,
        "average_half_life": 0,
        "precision": "fp32",
    },
    "modern": {
        "flip": True,
        "hold_out": True,
        "upsampling": "nearest",
        "discriminator_norm": "none",
        "generator_width": 32,
        "discriminator_width": 32,
        "batch_size": 64,
        "learning_rate_d": 6e-4,
        "learning_rate_g": 6e-4,
        "label_smoothing": 0.1,
        "r1_weight": 0.3,
        "r2_weight": 0.3,
        "penalty_every": 4,
        "average_half_life": 20_000,
        "precision": "auto",
    },
    "minimal": PLAIN
    | {
        "architecture": "minimal",
        "generator_width": 16,
        "discriminator_width": 16,
        "minimal_kernel": 5,
        "batch_size": 32,
        "learning_rate_d": 2e-4,
        "learning_rate_g": 2e-4,
    },
}

#: Settings of earlier versions: the value that means what training does now, and what to do about any other.
RETIRED = {"mixed_batches": (False, "give `fit` or `train_run` a step of your own, as notebook 6 does")}


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
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # characters or dates, too many brackets
        raise ValueError(f"{where} is not valid YAML: {first_line(error)}") from error


def read_yaml(path: str | Path) -> Any:
    """What a YAML file holds; raises what `parse_yaml` raises, and `OSError`, which names the files that are there."""
    path = Path(path)
    try:
        return parse_yaml(path.read_bytes(), path)
    except (FileNotFoundError, IsADirectoryError) as error:
        files = sorted(file.name for file in (path if path.is_dir() else path.parent).glob("*.yaml"))
        raise type(error)(f"{path} is not a file{did_you_mean(path.name, files) if files else ''}") from error


def first_line(error: BaseException) -> str:
    """What an error says in one line of at most 200 characters; its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


def did_you_mean(name: Any, known: Collection[str]) -> str:
    """The end of a message on a name that is not known: those it may have meant, or else all."""
    name = str(name)
    meant = [each for each in known if len(name) > 2 and name in each][:3] or difflib.get_close_matches(name, known, 1)
    return f": did you mean {' or '.join(map(repr, meant))}?" if meant else f"; known are {', '.join(known)}"


def expand_recipe(values: dict[str, Any]) -> dict[str, Any]:
    """The mapping with its recipe's values in the recipe's place; everything else in it wins over them."""
    if "recipe" not in values:
        return values
    name = values["recipe"]
    if not isinstance(name, str) or name not in RECIPES:
        raise ValueError(f"recipe is {name!r}: choose one of {', '.join(RECIPES)}")
    return RECIPES[name] | {other: value for other, value in values.items() if other != "recipe"}


def modernise(values: dict[str, Any]) -> dict[str, Any]:
    """What an earlier version has saved, in today's settings; a retired setting with another effect is left in."""
    if values.get("architecture") == "minimal" and "mixed_batches" in values:  # its widths were fixed, whatever it says
        values = values | {"generator_width": 16, "discriminator_width": 16, "minimal_kernel": 5}
    return {name: value for name, value in values.items() if name not in RETIRED or value != RETIRED[name][0]}


def notebook_parameters(namespace: dict[str, Any], settings: Collection[str], also: Collection[str]) -> dict[str, Any]:
    """The settings in a notebook's `globals()`, those that papermill passed before those of its own cell.

    A recipe comes before the values of the cell in which it stands, and one that was passed after the notebook's own.
    papermill only warns of a name that the notebook does not have; here it is a `ValueError`, told from the cell that
    papermill injected. `also` names the parameters that are not settings.
    """
    known = (*settings, "recipe", *also)
    passed = []
    for source in namespace.get("In", ()):
        if source.startswith("# Parameters\n"):
            for name in (line.split(" = ")[0] for line in source.splitlines() if " = " in line):
                if name.isidentifier() and name not in known:
                    raise ValueError(f"papermill passed {name!r}, no parameter here{did_you_mean(name, known)}")
                passed.append(name)
    own = {name: namespace[name] for name in settings if name in namespace and name not in passed}
    given = {name: namespace[name] for name in passed if name in settings}
    recipe = expand_recipe({"recipe": namespace["recipe"]}) if "recipe" in namespace else {}
    return own | recipe | given if "recipe" in passed else recipe | own | given
