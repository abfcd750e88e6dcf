"""What a reader of a committed notebook relies on: outputs that are there, small files, nothing of our machines."""

import ast
import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source(notebook):
    return "\n".join("".join(cell["source"]) for cell in code_cells(notebook))


def test_the_course_is_there():
    course = ["01_data", "02_architectures", "03_training", "04_results", "05_compare_runs"]
    course += ["06_debugging", "07_minimal_gan", "08_other_models"]
    assert [path.stem for path in NOTEBOOKS][: len(course)] == course


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_small_enough_to_load_whole(path):
    assert path.stat().st_size < 600_000


def test_short_enough_to_follow(notebook):
    assert len(notebook["cells"]) <= 30
    settings = next(c for c in code_cells(notebook) if "parameters" in c["metadata"].get("tags", []))
    cells = ["".join(cell["source"]) for cell in code_cells(notebook) if cell is not settings]  # those are read, once
    lines = [line.strip() for cell in cells for line in cell.splitlines()]
    assert sum(bool(line) and not line.startswith("#") for line in lines) <= 155


def test_committed_as_executed_from_top_to_bottom_without_errors(notebook):
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert any("image/jpeg" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "error"]


def test_nothing_of_the_machine_it_ran_on(notebook):
    text = json.dumps(notebook)
    assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users|var)/", text)
    assert "execution" not in "".join(json.dumps(cell["metadata"]) for cell in notebook["cells"])  # no timings


def test_one_cell_of_parameters_near_the_top(notebook):
    places = [i for i, cell in enumerate(notebook["cells"]) if "parameters" in cell["metadata"].get("tags", [])]
    assert len(places) == 1
    assert places[0] < 6
    lines = [line for line in "".join(notebook["cells"][places[0]]["source"]).splitlines() if " = " in line]
    assert lines
    assert all("#" in line for line in lines), "every setting has a comment"


def test_implementations_are_in_the_library(notebook):
    code = "\n".join(line for line in source(notebook).splitlines() if not line.startswith(("%", "!")))
    assert not [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ClassDef)]
