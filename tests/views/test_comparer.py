"""The run comparer: what each control does, that choices survive new points, and the same without a front end."""

import asyncio
import io
import re
import threading

import pytest
from helpers.records import GRIDS, LOSS_D, LOSS_G, add_points, write_run
from IPython.display import HTML
from IPython.display import Image as Picture
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.records import writing
from dcgan_lib.views import comparer, comparison
from dcgan_lib.views.comparer import RunComparer


@pytest.fixture
def folder(tmp_path):
    write_run(tmp_path / "short", 9, grids=[3, 9], tags=["one"], epochs=3)
    write_run(tmp_path / "long", 30, grids=[5, 10, 30], tags=["two"], epochs=10, seed=1)
    return tmp_path


@pytest.fixture
def live(monkeypatch):
    """As with a person at the notebook; what curves are made of stands for their picture, to be quick."""
    monkeypatch.setattr(comparer, "has_front_end", lambda: True)
    monkeypatch.setattr(comparer, "_curves", lambda runs, *how: repr(([r.steps for r in runs], how)).encode())


@pytest.fixture
def shown(monkeypatch):
    shown = []
    monkeypatch.setattr(comparer, "display", shown.append)
    return shown


def titles(view):
    return [cell.children[0].value for cell in view.controls.grids.children]


def drawn(view):
    """How bright each run's grid is: the step at which it was drawn."""
    pictures = [cell.children[1].value for cell in view.controls.grids.children]
    return [value and Image.open(io.BytesIO(value)).getpixel((8, 8))[0] for value in pictures]


def steps(view):
    return [step for _, step in view.controls.step.options]


def test_without_a_front_end_tables_and_pictures_say_the_same(folder, shown, capsys):
    view = RunComparer(folder)
    view._ipython_display_()
    assert capsys.readouterr().out == f"2 of 2 runs in {folder.as_posix()} compared\n"
    assert [type(output) for output in shown] == [HTML, Picture, Picture, HTML, Picture]
    assert "epochs" in shown[0].data
    assert "batch_size" not in shown[0].data  # the same in both
    assert LOSS_G in shown[3].data
    assert Image.open(io.BytesIO(shown[4].data)).format == "JPEG"
    view.refresh()
    view.close()


def test_without_a_front_end_what_is_not_there_yet_is_no_error(tmp_path, shown, capsys):
    RunComparer(tmp_path / "none")._ipython_display_()
    assert capsys.readouterr().out.startswith("no runs in ")
    assert shown == []
    write_run(tmp_path / "young", 0)
    RunComparer(tmp_path, series=LOSS_D)._ipython_display_()
    assert capsys.readouterr().out.startswith("1 of 1 runs")
    assert Picture in map(type, shown)


def test_what_is_not_valid_is_told_at_once(folder):
    with pytest.raises(ValueError, match="did you mean 'epochs'"):
        RunComparer(folder, "epocs == 3")
    with pytest.raises(ValueError, match="by is 'hour'"):
        RunComparer(folder, by="hour")
    with pytest.raises(ValueError, match=f"no run has the series 'Dlos': did you mean '{LOSS_D}'"):
        RunComparer(folder, series="Dlos")


def test_with_a_front_end_all_is_one_box_that_tests_and_style_sheets_find_their_way_in(folder, shown, monkeypatch):
    monkeypatch.setattr(comparer, "has_front_end", lambda: True)
    view = RunComparer(folder)
    view._ipython_display_()
    assert shown == [view.controls.box]
    assert "2 of 2 runs" in view.controls.status.value
    assert view.controls.runs.value == ("short", "long")
    assert view.controls.runs.options[1][0] == "long · finished, 30 steps"
    assert view.controls.series.value == (LOSS_D, LOSS_G)
    assert Image.open(io.BytesIO(view.controls.curves.value)).format == "PNG"
    assert "dcgan-runs" in view.controls.runs._dom_classes


def test_choosing_runs_and_series_changes_what_is_shown(folder, live):
    view = RunComparer(folder)
    controls = view.controls
    before = controls.curves.value
    controls.runs.value = ("long",)
    assert controls.curves.value != before
    assert "short" not in controls.extremes.value
    assert controls.table.value == ""  # one run differs from none
    assert titles(view) == ['<div class="plain">long, step 30</div>']
    controls.series.value = (LOSS_G,)
    assert LOSS_D not in controls.extremes.value
    controls.runs.value = ()
    assert "none chosen" in controls.status.value


def test_only_what_changes_is_drawn_again(folder, live, monkeypatch):
    view = RunComparer(folder)
    calls = []
    for name in ("_curves", "_extremes", "_differences", "_picture"):
        real = getattr(comparer, name)
        monkeypatch.setattr(comparer, name, lambda *a, n=name, real=real: (calls.append(n), real(*a))[1])
    view.refresh()
    assert calls == []
    view.controls.step.value = 10  # of the long run alone
    assert calls == ["_picture"]
    view.controls.axis.value = "epoch"
    assert calls == ["_picture", "_curves"]


def test_one_slider_moves_all_grids(folder, live):
    view = RunComparer(folder)
    controls = view.controls
    assert steps(view) == [3, 5, 9, 10, 30]
    assert (controls.step.value, controls.play.max, drawn(view)) == (9, 4, [9, 5])  # the newest step that both have
    controls.step.value = 3
    assert drawn(view) == [3, b""]
    assert "no picture yet" in titles(view)[1]
    controls.play.value = 4
    assert (controls.step.label, drawn(view)) == ("step 30", [9, 30])


def test_a_filter_that_is_not_valid_is_answered_beneath_it(folder, live):
    controls = RunComparer(folder).controls
    controls.filter.value = "epocs == 3"
    assert "did you mean &#x27;epochs&#x27;?" in controls.error.value
    assert controls.runs.value == ("short", "long")
    controls.filter.value = "epochs == 3"
    assert controls.error.value == ""
    assert [run_id for _, run_id in controls.runs.options] == ["short"]
    controls.filter.value = "epochs == 4"
    assert "none matches the filter" in controls.status.value


def test_what_the_filter_hides_comes_back_with_it(folder, live):
    controls = RunComparer(folder).controls
    controls.runs.value = ("long",)
    controls.filter.value = 'tags == "one"'  # nothing chosen is left: the newest of the rest is
    assert controls.runs.value == ("short",)
    controls.filter.value = ""
    controls.runs.value = ("short", "long")
    controls.filter.value = 'tags == "two"'
    assert controls.runs.value == ("long",)
    controls.filter.value = ""
    assert controls.runs.value == ("short", "long")


def log_grid(run, step):
    writing.log_images(run, Image.new("RGB", (16, 16), (step,) * 3), step)
    run.wait()


def test_a_run_that_grows_is_followed_and_choices_stay(folder, live):
    with writing.open_run(Config(batch_size=8), folder / "growing") as run:
        add_points(run, range(1, 6))
        run.wait()
        view = RunComparer(folder)
        controls = view.controls
        controls.runs.value, controls.series.value, controls.step.value = ("short", "growing"), (LOSS_G,), 3
        before = controls.curves.value
        add_points(run, range(6, 21))
        log_grid(run, 20)
        write_run(folder / "later")
        view.refresh()
        assert controls.runs.options[2][0] == "growing · unfinished, 20 steps"
        assert controls.runs.options[3][1] == "later"
        assert (controls.runs.value, controls.series.value) == (("short", "growing"), (LOSS_G,))
        assert (steps(view), controls.step.value) == ([3, 9, 20], 3)
        assert controls.curves.value != before
        controls.step.value = 20
        assert drawn(view) == [9, 20]


def test_the_first_run_of_an_empty_folder_is_chosen_and_its_newest_picture_shown_until_someone_chooses(tmp_path, live):
    view = RunComparer(tmp_path)
    assert "no runs in" in view.controls.status.value
    with writing.open_run(Config(), tmp_path / "first") as run:
        view.refresh()
        assert view.controls.runs.value == ("first",)  # no points yet
        assert view.controls.extremes.value == ""
        add_points(run, range(1, 4))
        for step in (5, 10):
            log_grid(run, step)
            view.refresh()
            assert view.controls.step.value == step
        assert LOSS_D in view.controls.extremes.value
        view.controls.step.value = 5
        log_grid(run, 20)
        view.refresh()
        assert (steps(view)[-1], view.controls.step.value) == (20, 5)


def test_a_picture_or_line_that_cannot_be_read_spoils_no_other(tmp_path, live, shown, monkeypatch):
    for name in ("sound", "spoilt"):
        write_run(tmp_path / name, grids=[5])
    [log] = tmp_path.glob("spoilt/neptune/offline/*/data-1.log")
    log.write_bytes(re.sub(rb'"data": "[^"]{60}', b'"data": "', log.read_bytes()) + b"{broken\n")
    view = RunComparer(tmp_path)
    sound, spoilt = (bytes(cell.children[1].value) for cell in view.controls.grids.children)
    assert sound.startswith(b"\xff\xd8")
    assert spoilt == b""
    assert "2 things could not be read, the first: spoilt: " in view.controls.status.value
    figure = comparison.grids_side_by_side(view.records, GRIDS, 5)
    assert [axes.get_title() for axes in figure.axes] == ["sound, step 5"]
    monkeypatch.setattr(comparer, "has_front_end", lambda: False)
    RunComparer(tmp_path)._ipython_display_()
    assert isinstance(shown[-1], Picture)


def test_it_follows_its_runs_until_its_cell_shows_another(folder, live, shown, monkeypatch):
    monkeypatch.setattr(comparer, "FOLLOW_SECONDS", 0)
    monkeypatch.setattr(comparer, "cell_id", lambda: "mine")

    async def scene():
        view, looks = RunComparer(folder), asyncio.Semaphore(0)
        view.refresh = looks.release
        view._ipython_display_()
        view._ipython_display_()  # a second time changes nothing
        for _ in range(2):
            await asyncio.wait_for(looks.acquire(), 30)
        view.controls.follow.value = False
        after = RunComparer(folder)
        after._ipython_display_()
        await asyncio.wait([view.following], timeout=30)
        assert view.following.cancelled()
        after.controls.box.close()
        await asyncio.wait_for(after.following, 30)  # by itself

    asyncio.run(scene())


def test_what_goes_wrong_while_following_is_shown(folder, live, monkeypatch):
    view = RunComparer(folder)

    def fail(_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(comparer, "load_runs", fail)
    view.refresh()
    assert "OSError: the disk is gone" in view.controls.status.value
    monkeypatch.undo()
    view.refresh()
    assert "2 of 2 runs" in view.controls.status.value


def test_a_choice_made_while_the_view_follows_is_not_lost(folder, live, monkeypatch):
    """JupyterLab's events come in a thread of their own."""
    view = RunComparer(folder)
    runs, chosen = view.controls.runs, threading.Event()
    runs.observe(lambda _: chosen.set(), "index")  # before the view's own answer, which has to wait
    thread = threading.Thread(target=setattr, args=(runs, "value", ("short",)))
    real = comparer.load_runs

    def meanwhile(folder):
        thread.start()
        assert chosen.wait(30)
        return real(folder)

    monkeypatch.setattr(comparer, "load_runs", meanwhile)
    view.refresh()
    thread.join(30)
    assert [record.run_id for record in view.chosen] == ["short"]
    assert runs.value == ("short",)


def test_an_export_says_where_it_lies(folder, live):
    view = RunComparer(folder, series=LOSS_G)
    view.controls.export.click()
    [written] = (folder / "exports").iterdir()
    assert sorted(file.name for file in written.iterdir()) == ["points.csv", "settings.csv"]
    assert LOSS_D not in (written / "points.csv").read_text()
    assert written.as_posix() in view.controls.exported.value
    view.refresh()
    assert len(view.records) == 2  # and is no run
    view.controls.runs.value = ()
    view.controls.export.click()
    assert "choose a run first" in view.controls.exported.value


def test_markup_in_a_name_stays_text(tmp_path, live):
    write_run(tmp_path / "<b>bold", grids=[1])
    write_run(tmp_path / "plain", data="<script>", grids=[1])
    controls = RunComparer(tmp_path).controls
    shown = controls.extremes.value + controls.table.value + controls.grids.children[0].children[0].value
    assert "<b>" not in shown
    assert "<script>" not in shown
