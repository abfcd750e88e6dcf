"""The live view: widgets where a person is looking, a line of text and a plain picture where no one is."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dcgan_lib import widgets
from dcgan_lib.gan import GAN
from dcgan_lib.plots import to_grid
from dcgan_lib.train import fit


@pytest.fixture
def shown(monkeypatch):
    shown = []
    monkeypatch.setattr(widgets, "display", shown.append)
    return shown


def test_with_no_front_end_a_report_is_a_line_and_the_end_a_picture(tiny, images, shown, capsys):
    assert not widgets.has_front_end()
    gan, view = GAN(tiny), widgets.LiveView()
    for report in fit(gan, images):
        view.update(report)
    view.close(to_grid(gan.sample()))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("█░░░░░░░░░  17%  [1/4][2/3]  Loss_D: ")
    assert lines[-1].startswith("██████████ 100%  [4/4][3/3]  Loss_D: ")
    assert lines[-1].endswith(" images/s)")
    (picture,) = shown
    assert Image.open(io.BytesIO(picture.data)).format == "JPEG"


def test_with_a_front_end_widgets_move_and_nothing_is_printed(tiny, images, shown, capsys, monkeypatch):
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    gan, view = GAN(tiny), widgets.LiveView()
    for report in fit(gan, images):
        view.update(report, to_grid(gan.sample()) if report.sample_due else None)
    view.close(to_grid(gan.sample()))
    assert capsys.readouterr().out == ""
    box, picture = shown  # one box, whose contents change, and what stays when the notebook is opened again
    assert box.children[0] is view.bar
    assert Image.open(io.BytesIO(picture.data)).format == "JPEG"
    assert view.bar.value == 1
    assert "step 12 of 12" in view.line.value
    assert Image.open(io.BytesIO(view.grid.value)).size == (4 * 18 + 2, 18 + 2)
    assert Image.open(io.BytesIO(view.curves.value)).format == "PNG"
    assert view.steps == list(range(1, 13))


def test_a_jpeg_is_close_to_its_pixels():
    pixels = np.tile(np.arange(0, 256, 2, dtype=np.uint8)[:, None, None], (1, 64, 3))
    back = np.asarray(Image.open(io.BytesIO(widgets.jpeg(pixels))))
    assert np.abs(back.astype(int) - pixels).mean() < 2


def test_importing_the_library_loads_nothing_heavy_and_touches_no_random_state():
    code = """
import random, sys
before = random.getstate()
import dcgan_lib, dcgan_lib.config, dcgan_lib.tracking, dcgan_lib.runs, dcgan_lib.launch
assert random.getstate() == before
print([name for name in ("neptune", "torch", "IPython", "ipywidgets", "papermill") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
