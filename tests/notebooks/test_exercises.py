"""The notebooks' exercises: two at least in each, not answered, with a solution below that answers them."""

import ast
import json
from pathlib import Path

import pytest
from helpers.solutions import exercises, solution, solved

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_has_two_exercises_that_wait_for_an_answer_and_a_solution_folded_below(path):
    found = exercises(json.loads(path.read_text(encoding="utf-8")))
    assert len(found) >= 2
    for cell, after in found:
        names = assigned("".join(cell["source"]))
        assert names
        assert names <= assigned(solution(after))
        compile(solved(cell, after), path.stem, "exec")
        [output] = cell["outputs"]
        assert "".join(output["data"]["text/plain"]).startswith("✗ not answered yet")


def assigned(code):
    """The names that a piece of code gives a value or a function at its top."""
    nodes = ast.parse(code).body
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    targets = [target for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
    return functions | {target.id for target in targets if isinstance(target, ast.Name)}
