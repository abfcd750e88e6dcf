"""What a reader of a committed notebook relies on: outputs of today's code, small files, nothing of our machines."""

import ast
import json
import re
from pathlib import Path

import pytest
from helpers.solutions import tags
from helpers.stamp import code_hash

from dcgan_lib import Discriminator, Generator

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


def is_settings(cell):
    return "parameters" in tags(cell)


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def nodes(notebook, *kinds):
    """What stands in its code, of these kinds."""
    code = "\n".join(map(source, code_cells(notebook)))
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, kinds)]


def text_of(cell):
    """What a cell printed or returned, as plain text."""
    return "".join("".join(o.get("text", o.get("data", {}).get("text/plain", ""))) for o in cell["outputs"])


def test_the_course_is_there():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(11)]


def test_small_enough_to_load_whole_and_short_enough_to_follow(notebook):
    assert len(json.dumps(notebook, indent=1, ensure_ascii=False).encode()) <= 600_000
    assert len(notebook["cells"]) <= 36
    read_once = ("parameters", "exercise")
    cells = [source(cell).splitlines() for cell in code_cells(notebook) if not {*tags(cell)} & {*read_once}]
    assert max(map(len, cells)) <= 25
    assert sum(bool(line.strip()) and not line.strip().startswith("#") for cell in cells for line in cell) <= 175


def test_one_cell_begins_it_and_one_near_the_top_holds_its_settings(notebook):
    first = source(code_cells(notebook)[0])
    assert re.search(r"^begin\(.*\)", first, re.MULTILINE)
    assert first.count("import ") <= 10
    assert not re.search(r"chdir\(project|^%", "\n".join(map(source, code_cells(notebook))), re.MULTILINE)
    [settings] = [cell for cell in notebook["cells"][:6] if is_settings(cell)]
    lines = [line for line in source(settings).splitlines() if " = " in line]
    assert 0 < len(lines) < 20
    assert all("#" in line for line in lines), "every setting has a comment"


def test_committed_as_executed_from_top_to_bottom_without_errors(notebook):
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert any("image/jpeg" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert notebook["metadata"]["dcgan_lib"]["executed"] == code_hash(notebook), "its code changed: make notebooks"


def test_nothing_of_the_machine_it_ran_on(notebook):
    assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users|var)/", json.dumps(notebook))
    assert "execution" not in "".join(json.dumps(cell["metadata"]) for cell in notebook["cells"])  # no timings


def test_implementations_are_in_the_library_and_helpers_say_what_they_do(notebook):
    assert not nodes(notebook, ast.ClassDef)
    assert [function.name for function in nodes(notebook, ast.FunctionDef) if not ast.get_docstring(function)] == []


def test_what_it_shows_of_the_library_is_the_library_of_today(notebook):
    names = {}
    for line in nodes(notebook, ast.Import, ast.ImportFrom):
        exec(ast.unparse(line), names)
    for cell in code_cells(notebook):
        if "getsource" in source(cell):
            shown = eval(ast.unparse(ast.parse(source(cell)).body[-1]), names)
            assert text_of(cell).rstrip() == shown.data.rstrip()


@pytest.mark.parametrize("notebook", NOTEBOOKS[2:3], indirect=True, ids=["02"])
def test_notebook_2_prints_the_networks_own_counts(notebook):
    printed = "".join(map(text_of, code_cells(notebook)))
    counts = [sum(p.numel() for p in network.parameters()) for network in (Generator(), Discriminator())]
    assert re.findall(r"yours is ([\d,]+)", printed) == [f"{count:,}" for count in counts]


@pytest.mark.parametrize("notebook", NOTEBOOKS[3:4], indirect=True, ids=["03"])
def test_notebook_3_shows_the_step_and_its_halves_after_the_plain_one_and_before_any_option(notebook):
    cells = notebook["cells"]
    [place] = [i for i, cell in enumerate(cells) if "getsource" in source(cell)]
    assert re.findall(r"def (\w+)", text_of(cells[place])) == ["train_step", "update_discriminator", "update_generator"]
    assert all(len(part.splitlines()) < 30 for part in text_of(cells[place]).split("\n\n\n"))
    before = "".join(source(cell) for cell in cells[:place] if not is_settings(cell))
    assert "def plain_step" in before
    assert not re.search("r1_weight|gradient_penalty|augment", before)
