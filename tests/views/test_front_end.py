"""How a notebook begins: in the project's folder, its figures as JPEGs, and nothing of it in plain Python."""

import subprocess
import sys
from pathlib import Path

import pytest

from dcgan_lib.views.front_end import begin, cell_id, has_front_end

IN_A_NOTEBOOK = """
import base64, io
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure
from PIL import Image
from dcgan_lib.views.front_end import begin

shell = InteractiveShell.instance()
shell.kernel = None  # as if it had one
shell.enable_gui = lambda gui: None
begin(dpi=60, quality=20), begin(dpi=60, quality=90)
figure = Figure(figsize=(4, 3))
figure.subplots()
[(form, data)] = [item for item in shell.display_formatter.format(figure)[0].items() if item[0] != "text/plain"]
print(form, Image.open(io.BytesIO(base64.b64decode(data))).size, len(data) > 4000)
"""


def output(code, folder):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder).stdout


@pytest.fixture
def project(tmp_path):
    for name in ("notebooks/deeper", "configs"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_it_goes_to_the_nearest_project_from_anywhere_in_it(project, monkeypatch):
    for place in ("notebooks/deeper", "notebooks", "."):
        monkeypatch.chdir(project / place)
        begin()
        assert Path.cwd() == project


def test_without_a_project_it_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin()
    assert Path.cwd() == tmp_path
    assert not has_front_end()
    assert cell_id() is None


def test_a_notebook_shows_figures_as_jpegs_of_their_own_size(project):
    assert output(IN_A_NOTEBOOK, project / "notebooks") == "image/jpeg (240, 180) True\n"


def test_plain_python_keeps_its_own_way_of_showing_figures(project):
    code = "from dcgan_lib.views.front_end import begin; begin(); import sys; print('matplotlib' in sys.modules)"
    assert output(code, project) == "False\n"
