"""Fields of other code, or of another version: the run is listed, and what cannot be shown breaks no view."""

import math

import pytest
from helpers.records import LOSS_D, LOSS_G, append, operation, point, write_run

from dcgan_lib.quality import diagnose
from dcgan_lib.records import export_csv, export_tensorboard, load_runs
from dcgan_lib.records.table import runs_as_text
from dcgan_lib.views import RunComparer, extremes, overlay, plot_health


def field(path, value):
    """A line that gives a field a value."""
    kind = {str: "String", int: "Int", float: "Float"}[type(value)]
    return operation(900, type=f"Assign{kind}", path=path.split("/"), value=value)


SETTING = "config/hyperparameters/"
DIVERGED = operation(901, type="AssignString", path=["training", "state"], value="diverged")
FOREIGN = {
    "diverged at infinity": [field("training/diverged_at", math.inf), DIVERGED],
    "diverged at a word": [field("training/diverged_at", "soon"), DIVERGED],
    "an objective of another version": [field(SETTING + "objective", "of version 9")],
    "an objective that is a number": [field(SETTING + "objective", 5)],
    "no updates of D": [field(SETTING + "d_updates", 0)],
    "updates of D in words": [field(SETTING + "d_updates", "two")],
    "infinite batches": [field(SETTING + "batch_size", math.inf)],
    "a size in words": [field(SETTING + "image_size", "big")],
    "images in words": [field("config/dataset/size", "many")],
    "a name of blanks": [field("sys/name", "   ")],
    "half a character": [field("sys/name", "a\ud800b")],
    "a name that steers the terminal": [field("sys/name", "\x1b[2J</script><b>x")],
    "a name without end": [field("sys/name", "x" * 200_000)],
    "a state that is a number": [field("training/state", 3)],
    "values without end": [point(901, 1e308, 50), point(902, -1e308, 51), point(903, 1e308, 52)],
    "a step without end": [point(901, 1.0, 2**52)],
    "a path of odd characters": [point(901, 1.0, 5, path="a`b/..//c\n")],
    "settings called like columns": [field(SETTING + "name", 5), field(SETTING + "state", 6)],
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.filterwarnings("ignore")
def test_no_view_falls(tmp_path, what):
    for name, seed in (("one", 1), ("two", 2)):
        write_run(tmp_path / "runs" / name, 30, grids=(5, 10), seed=seed)
    [log] = (tmp_path / "runs/one").rglob("data-1.log")
    append(log, *FOREIGN[what])
    runs = load_runs(tmp_path / "runs")
    text = runs_as_text(runs)
    assert "\x1b" not in text
    assert len(text.splitlines()) >= 3
    for run in runs:
        assert all("\n" not in str(finding) for finding in diagnose(run))
    overlay(runs, [LOSS_D, LOSS_G], "step", 20).savefig(tmp_path / "overlay.png")
    extremes(runs, [LOSS_G])
    plot_health({run.name: run for run in runs}).savefig(tmp_path / "health.png")
    export_csv(runs, tmp_path / "csv")
    export_tensorboard(runs, tmp_path / "tensorboard")
    RunComparer(tmp_path / "runs")._ipython_display_()
