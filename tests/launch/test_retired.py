"""The spellings of version 0.4: each ends with the one that took its place."""

import importlib
import subprocess
import sys

import pytest

from dcgan_lib.launch.retired import NEW


@pytest.mark.parametrize(
    ("module", "command"),
    [("launch", "dcgan train"), ("sweep", "dcgan sweep"), ("dashboard", "dcgan export RUNS --to tensorboard")],
)
def test_an_old_command_names_the_new_one(module, command):
    done = subprocess.run(
        [sys.executable, "-m", f"dcgan_lib.{module}", "x"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"python -m dcgan_lib.{module} is now: {command}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("module", [name for name in NEW if name != "launch"])
def test_an_old_import_names_the_new_one_which_works(module):
    with pytest.raises(ImportError, match=f"^dcgan_lib.{module} has moved: from dcgan_lib") as error:
        importlib.import_module(f"dcgan_lib.{module}")
    exec(str(error.value).partition(": ")[2], {})
