"""The live view: widgets where a person is looking, a line of text and a plain picture where no one is."""

import io

import numpy as np
import pytest
from helpers.records import write_run
from PIL import Image

from dcgan_lib.health import STATISTICS
from dcgan_lib.quality.diagnosis import Finding
from dcgan_lib.train import Report
from dcgan_lib.views import live

GRID = np.zeros((20, 74, 3), np.uint8)


@pytest.fixture
def shown(monkeypatch):
    shown = []
    monkeypatch.setattr(live, "display", shown.append)
    return shown


def reports():
    """Those of a training of 4 epochs, each of 3 steps."""
    for step in range(2, 13, 2):
        of_run = {"step": step, "total": 12, "epoch": (step + 2) // 3, "epochs": 4, "images_per_second": 1234.5}
        series = {name: [0.5, 0.25] for name in STATISTICS}
        yield Report(**of_run, steps=range(step - 1, step + 1), series=series, **dict.fromkeys(UNUSED, False))


UNUSED = ("sample_due", "checkpoint_due", "evaluation_due", "diverged_at", "interrupted")


def test_with_no_front_end_a_report_is_a_line_and_the_end_a_picture(shown, capsys):
    view = live.LiveView()
    for report in reports():
        view.update(report, GRID)
    view.close(GRID)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("█░░░░░░░░░  17%  [1/4][2/3]  Loss_D: 0.2500")
    assert lines[-1].startswith("██████████ 100%  [4/4][3/3]  Loss_D: ")
    assert lines[0].endswith(" s left)")
    assert lines[-1].endswith("  (1,234 images/s)")
    (picture,) = shown
    assert Image.open(io.BytesIO(picture.data)).format == "JPEG"


def test_with_a_front_end_widgets_move_and_nothing_is_printed(shown, capsys, monkeypatch):
    monkeypatch.setattr(live, "has_front_end", lambda: True)
    view = live.LiveView()
    for report in reports():
        view.update(report, GRID)
    view.close(GRID)
    assert capsys.readouterr().out == ""
    box, picture = shown  # one box, whose contents change, and what stays when the notebook is opened again
    assert box.children[0] is view.bar
    assert Image.open(io.BytesIO(picture.data)).format == "JPEG"
    assert view.bar.value == 1
    assert "step 12 of 12" in view.line.value
    assert Image.open(io.BytesIO(view.grid.value)).size == (74, 20)
    assert Image.open(io.BytesIO(view.curves.value)).format == "PNG"
    assert view.steps == list(range(1, 13))


@pytest.mark.parametrize("looking", [True, False])
def test_a_fault_of_the_run_is_shown_as_long_as_it_lasts_and_told_once(shown, capsys, monkeypatch, tmp_path, looking):
    fault = Finding("wrong value <range>", since=4, evidence={}, advice="scale them")
    found = iter([[], [fault], [fault], [], [fault], [fault]])
    monkeypatch.setattr(live, "has_front_end", lambda: looking)
    monkeypatch.setattr(live, "diagnose", lambda run: next(found))
    monkeypatch.setattr(live, "REDRAW_SECONDS", 0)
    monkeypatch.setattr(live, "DIAGNOSIS_SHARE", 1e9)
    monkeypatch.setattr(live.LiveView, "_draw_curves", lambda _: b"")
    write_run(tmp_path / "run")
    view, warned = live.LiveView(tmp_path / "run"), []
    for report in reports():
        view.update(report)
        warned.append(looking and "wrong value &lt;range&gt;" in view.warning.value)
    assert warned == [looking and there for there in (False, True, True, False, True, True)]
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("! wrong value <range>, since")]
    assert len(told) == (0 if looking else 2)  # it came twice


@pytest.mark.parametrize(("seconds", "long"), [(3, False), (300, True)])
@pytest.mark.parametrize("looking", [True, False])
def test_the_time_that_is_left_is_counted_down_and_a_long_one_told_at_once(
    shown, capsys, monkeypatch, looking, seconds, long
):
    """Two steps a report take so many seconds: five times as long is left at first."""
    now = [0.0]
    monkeypatch.setattr(live, "has_front_end", lambda: looking)
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(live.LiveView, "_draw_curves", lambda _: b"")
    view, lines, warned = live.LiveView(), [], []
    for report in reports():
        now[0] += seconds
        view.update(report)
        lines.append(view.line.value if looking else capsys.readouterr().out)
        warned.append(
            "this takes about 25 min here; for a first look set" in (view.warning.value if looking else lines[-1])
        )
    assert warned == [long, *[long and looking] * 5]
    left = ["25 min", "20 min", "15 min", "10 min", "5 min"] if long else ["15 s", "12 s", "9 s", "6 s", "3 s"]
    assert all(f", {expected} left" in line for expected, line in zip(left, lines, strict=False))
    assert "left" not in lines[-1].partition("images/s")[2]


def test_a_run_that_goes_on_is_timed_by_what_this_process_has_done(shown, capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    view, (*_, report, _) = live.LiveView(), reports()  # steps 9 and 10 of 12
    now[0] = 40.0
    view.update(report)
    assert ", 40 s left" in capsys.readouterr().out


def test_looking_for_faults_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    """A look that took 2 s is repeated after 200 s, but for the one at the end."""
    now, looks = [0.0], []
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])

    def slow(run):
        looks.append(now[0])
        now[0] += 2
        return []

    monkeypatch.setattr(live, "diagnose", slow)
    write_run(tmp_path / "run")
    view = live.LiveView(tmp_path / "run")
    for second in range(300):
        now[0] = max(now[0], second)
        view._look(done=False)
    assert looks == [0, 200]
    view._look(done=True)
    assert len(looks) == 3


def test_a_record_that_cannot_be_read_does_not_stop_the_training(tmp_path):
    with pytest.warns(UserWarning, match="no diagnosis of .*: FileNotFoundError"):
        assert live.LiveView(tmp_path)._look(done=False) == []
