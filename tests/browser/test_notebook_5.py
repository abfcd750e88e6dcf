"""Notebook 5 as a reader uses it: JupyterLab in a real browser, runs chosen, the slider moved, a training followed."""

import re

import numpy as np
import pytest
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.records import writing
from dcgan_lib.records.writing import PATHS, log_images

api = pytest.importorskip("playwright.sync_api")
expect = api.expect

SIZE = 130
COMPARER = ".dcgan-comparer"
WAIT = 60_000  # ms, for a kernel that has two busy cores; what is awaited comes at once on a quiet machine


def write_run(folder, shade, steps, tags=("epochs",), state="finished", **settings):
    """A run whose grid at step s is grey of brightness `shade + s`, logged at steps 0, 50, 100, …"""
    with writing.open_run(Config(**settings), folder, tags=tags) as run:
        for path in PATHS.values():
            values = shade / 100 + np.random.default_rng(shade).random(steps)
            run[path].extend(values.tolist(), steps=list(range(1, steps + 1)))
        for step in range(0, steps + 1, 50):
            log_images(run, Image.new("RGB", (SIZE, SIZE), (shade + step,) * 3), step)
        run["config/dataset/size"] = 128 * 50
        run["training/state"] = state


@pytest.fixture(scope="module")
def runs(workplace):
    """Two runs of the epochs sweep, and one that has nothing to do with it."""
    write_run(workplace / "runs/epochs-5", 20, 100, epochs=5)
    write_run(workplace / "runs/epochs-10", 30, 200, epochs=10)
    write_run(workplace / "runs/wider", 10, 50, tags=(), generator_width=96)
    return workplace / "runs"


@pytest.fixture
def notebook(page, lab, runs):
    """Notebook 5, executed by JupyterLab's menu, its comparer in view; no other cell has failed."""
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{lab}/lab/tree/notebooks/05_compare_runs.ipynb?reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=WAIT)
    page.get_by_text("| Idle").wait_for(timeout=WAIT)  # the status bar's word for a kernel that is ready
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(r"^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(r"^Run All Cells$")).click()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=WAIT)
    comparer = page.locator(COMPARER)
    comparer.wait_for(timeout=WAIT)
    comparer.scroll_into_view_if_needed()
    yield page
    assert not [error for error in errors if "favicon" not in error]


def status(page):
    return page.locator(f"{COMPARER} .dcgan-status")


def rows(page, part):
    return page.locator(f"{COMPARER} .dcgan-{part} tbody tr")


def pixels(page, index):
    """The brightness at the middle of one run's grid, as the browser shows it."""
    return (
        page.locator(f"{COMPARER} .dcgan-grids img")
        .nth(index)
        .evaluate(
            """async image => {
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[0];
        }"""
        )
    )


def source(page, part):
    return page.locator(f"{COMPARER} img.dcgan-{part}, {COMPARER} .dcgan-{part} img").first.get_attribute("src")


def test_runs_are_chosen_the_slider_moves_and_a_training_is_followed(notebook, runs):
    page = notebook
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count() == 0

    # It begins with the runs that the notebook's query picks, and with what differs between them.
    expect(status(page)).to_contain_text("2 of 3 runs", timeout=WAIT)
    expect(page.locator(f"{COMPARER} .dcgan-table thead th")).to_have_text(["run", "epochs"])
    assert [row.split() for row in rows(page, "table").all_inner_texts()] == [["epochs-5", "5"], ["epochs-10", "10"]]

    # Another filter, another choice: the table, the curves and the best values follow.
    before = source(page, "curves")
    page.locator(f"{COMPARER} .dcgan-filter input").fill("")
    page.locator(f"{COMPARER} .dcgan-filter input").press("Enter")
    options = page.locator(f"{COMPARER} .dcgan-runs option")
    expect(options).to_have_count(3, timeout=WAIT)
    page.locator(f"{COMPARER} .dcgan-runs select").select_option(index=[0, 2])
    expect(rows(page, "table").nth(1)).to_contain_text("wider", timeout=WAIT)
    expect(page.locator(f"{COMPARER} .dcgan-table thead th")).to_have_text(["run", "generator_width"])
    expect(rows(page, "best").first).to_contain_text("epochs-5")
    assert source(page, "curves") != before
    page.locator(f"{COMPARER} .dcgan-series select").select_option(index=[2])
    expect(rows(page, "best")).to_have_count(2, timeout=WAIT)
    expect(rows(page, "best").first).to_contain_text("training/batch/D_x")

    # One slider moves both grids: each shows its own step, or its newest before it.
    page.locator(f"{COMPARER} .dcgan-runs select").select_option(index=[0, 1])
    expect(rows(page, "table").nth(1)).to_contain_text("epochs-10", timeout=WAIT)
    grids = page.locator(f"{COMPARER} .dcgan-grids")
    handle = page.locator(f"{COMPARER} .dcgan-step .noUi-handle")
    handle.focus()
    page.keyboard.press("Home")
    expect(grids).to_contain_text("epochs-10, step 0", timeout=WAIT)
    assert (pixels(page, 0), pixels(page, 1)) == (pytest.approx(20, abs=3), pytest.approx(30, abs=3))
    page.keyboard.press("End")
    expect(grids).to_contain_text("epochs-10, step 200", timeout=WAIT)
    expect(grids).to_contain_text("epochs-5, step 100")
    assert (pixels(page, 0), pixels(page, 1)) == (pytest.approx(120, abs=3), pytest.approx(230, abs=3))

    # A filter that says nothing sensible is told in one line, and nothing is lost.
    page.locator(f"{COMPARER} .dcgan-filter input").fill("epoch=5")
    page.locator(f"{COMPARER} .dcgan-filter input").press("Enter")
    expect(page.locator(f"{COMPARER} .dcgan-error")).to_contain_text("did you mean 'epochs'?", timeout=WAIT)
    expect(options).to_have_count(3)
    page.locator(f"{COMPARER} .dcgan-filter input").fill("")
    page.locator(f"{COMPARER} .dcgan-filter input").press("Enter")
    expect(page.locator(f"{COMPARER} .dcgan-error")).to_be_empty(timeout=WAIT)

    # Export, and what it wrote.
    page.locator(f"{COMPARER} button.dcgan-export, {COMPARER} .dcgan-export button").first.click()
    expect(page.locator(f"{COMPARER} .dcgan-exported")).to_contain_text("points.csv", timeout=WAIT)
    [written] = (runs / "exports").iterdir()
    assert {file.name for file in written.iterdir()} >= {"points.csv", "settings.csv", "best.csv", "curves.png"}

    # A run that begins meanwhile appears, and one that goes on is followed, by itself.
    with writing.open_run(Config(epochs=7), runs / "epochs-7", tags=["epochs"]) as run:
        run["training/batch/D_x"].extend([0.5, 0.25], steps=[1, 2])
        run.wait()
        expect(options).to_have_count(4, timeout=WAIT)
        expect(options.last).to_contain_text("epochs-7 · unfinished, 2 steps")
        page.locator(f"{COMPARER} .dcgan-runs select").select_option(index=[0, 3])
        expect(rows(page, "best").nth(1)).to_contain_text("0.25", timeout=WAIT)
        run["training/batch/D_x"].extend([0.125], steps=[3])
        run.wait()
        expect(rows(page, "best").nth(1)).to_contain_text("0.125", timeout=WAIT)
        expect(options.last).to_contain_text("epochs-7 · unfinished, 3 steps")
        assert page.locator(f"{COMPARER} .dcgan-runs option:checked").count() == 2, "the choice stays"
