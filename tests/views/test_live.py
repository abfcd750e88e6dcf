"""The live view: widgets where a person is looking, a line of text and a plain picture where no one is."""

import dataclasses
import io
import subprocess
import sys

import numpy as np
import pytest
from helpers.records import write_run
from PIL import Image

from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_grid
from dcgan_lib.records import writing
from dcgan_lib.train import fit
from dcgan_lib.views import live


@pytest.fixture
def shown(monkeypatch):
    shown = []
    monkeypatch.setattr(live, "display", shown.append)
    return shown


def test_with_no_front_end_a_report_is_a_line_and_the_end_a_picture(tiny, images, shown, capsys):
    assert not live.has_front_end()
    gan, view = GAN(tiny), live.LiveView()
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
    monkeypatch.setattr(live, "has_front_end", lambda: True)
    gan, view = GAN(tiny), live.LiveView()
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


@pytest.mark.parametrize("live", [True, False])
def test_a_fault_of_the_run_is_shown_while_it_goes_on_and_told_once(
    tiny, images, shown, capsys, monkeypatch, tmp_path, live
):
    monkeypatch.setattr(live, "has_front_end", lambda: live)
    monkeypatch.setattr(live, "REDRAW_SECONDS", 0)
    monkeypatch.setattr(live, "DIAGNOSIS_SHARE", 1)
    dark = dataclasses.replace(images, images=images.images // 4)  # in [-1, -0.5]
    gan, view = GAN(tiny.replace(epochs=10)), live.LiveView(tmp_path / "run")
    with writing.open_run(gan.config, tmp_path / "run", gan=gan, images=dark) as run:
        for report in fit(gan, dark):
            writing.log_report(run, report)
            run.wait()
            view.update(report)
            if report.step == 10:
                early = view.watch.known
    assert early == set()
    assert view.watch.known == {"wrong value range"}
    lines = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("! wrong value range, since step 2")
    ]
    assert len(lines) == (0 if live else 1)
    if live:
        assert "wrong value range" in view.faults.value


def test_looking_for_faults_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    """A look that took 2 s is repeated after 200 s, but for the one at the end."""
    now = [0.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    looks = []

    def slow(run):
        looks.append(now[0])
        now[0] += 2
        return []

    monkeypatch.setattr(live, "diagnose", slow)
    write_run(tmp_path / "run")
    watch = live.Watch(tmp_path / "run")
    for second in range(300):
        now[0] = max(now[0], second)
        watch.look()
    assert looks == [0, 200]
    assert watch.look(done=True) == []


def test_a_record_that_cannot_be_read_does_not_stop_the_training(tmp_path):
    with pytest.warns(UserWarning, match="no diagnosis of .*: FileNotFoundError"):
        assert live.Watch(tmp_path).look() is None


def test_a_jpeg_is_close_to_its_pixels():
    pixels = np.tile(np.arange(0, 256, 2, dtype=np.uint8)[:, None, None], (1, 64, 3))
    back = np.asarray(Image.open(io.BytesIO(live.jpeg(pixels))))
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
