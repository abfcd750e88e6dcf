"""The house: what a reader sees on opening it, who may import whom, and what an import costs."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

PROJECT = Path(__file__).parents[1]
LIBRARY = PROJECT / "dcgan_lib"
WINGS = {
    "models",
    "faces",
    "images",
    "compute",
    "records",
    "quality",
    "latent",
    "launch",
    "sharing",
    "exercises",
    "views",
}


def python(code):
    """What a fresh Python says after running this code, in a folder that is not the project's."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_contracts_of_who_imports_whom_are_kept():
    assert lint_imports(str(PROJECT / "pyproject.toml"), no_cache=True) == 0


def test_the_top_is_ten_modules_that_are_read_in_an_hour_and_the_wings():
    modules = sorted(LIBRARY.glob("*.py"))
    assert len(modules) <= 10
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in modules) <= 1450
    assert {path.parent.name for path in LIBRARY.glob("*/__init__.py")} == WINGS


def test_every_package_hands_on_its_public_names():
    for name in ("dcgan_lib", *(f"dcgan_lib.{wing}" for wing in sorted(WINGS))):
        package = importlib.import_module(name)
        missing = [each for each in getattr(package, "__all__", ()) if not hasattr(package, each)]
        assert missing == [], name


def test_importing_it_loads_nothing_heavy_and_touches_no_random_state():
    heavy = ("torch", "numpy", "pandas", "neptune", "matplotlib", "IPython", "ipywidgets", "papermill")
    code = "import random, sys; before = random.getstate(); import dcgan_lib; assert random.getstate() == before\n"
    assert python(code + f"print(*[name for name in {heavy} if name in sys.modules])") == []


def test_a_launcher_begins_without_waiting_for_torch():
    code = "import sys, dcgan_lib.launch.notebook, dcgan_lib.launch.sweep, dcgan_lib.records.table; "
    assert python(code + "print(*[name for name in ('torch', 'neptune', 'matplotlib') if name in sys.modules])") == []


@pytest.mark.parametrize(("old", "new"), [("sweep", "dcgan sweep"), ("launch", "dcgan train"), ("runs", "dcgan runs")])
def test_an_old_spelling_answers_with_the_new_one(old, new):
    command = [sys.executable, "-m", f"dcgan_lib.{old}", "configs/cpu.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"python -m dcgan_lib.{old} is now: {new}\n"


def test_an_old_import_answers_with_the_new_one():
    with pytest.raises(ImportError, match=r"^dcgan_lib\.compare has moved: from dcgan_lib\.records"):
        importlib.import_module("dcgan_lib.compare")
