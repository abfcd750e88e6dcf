"""Notebook 5 as a reader uses it: JupyterLab in a real browser, runs chosen, the slider moved, a training followed."""

import pytest
from helpers.browser import WAIT
from helpers.records import LOSS_G, add_points, write_run

from dcgan_lib.config import Config
from dcgan_lib.records import writing

api = pytest.importorskip("playwright.sync_api")
expect = api.expect

COMPARER = ".dcgan-comparer"


@pytest.fixture(scope="module")
def runs(workplace):
    """Two runs of an epochs sweep, and one that has nothing to do with it; their grids are grey: the step."""
    (workplace / "configs/sweeps/epochs.yaml").write_text("grid: {epochs: [5, 10]}")
    for epochs, steps in ((5, 100), (10, 200)):
        folder, scores = workplace / f"runs/epochs-{epochs}", {steps: 1.0}
        write_run(folder, steps, grids=range(0, steps + 1, 50), tags=["epochs"], scores=scores, epochs=epochs)
    write_run(workplace / "runs/wider", 50, grids=[0, 50], generator_width=96)
    return workplace / "runs"


@pytest.fixture
def notebook(page, run_all, runs):
    """Notebook 5, executed by JupyterLab's menu, its comparer in view; no other cell has failed."""
    run_all("05_compare_runs.ipynb")
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=WAIT)
    failed = page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
    assert failed.all_inner_texts() == []
    page.locator(COMPARER).wait_for(timeout=WAIT)
    page.locator(COMPARER).scroll_into_view_if_needed()
    return page


def part(page, name, inner=""):
    return page.locator(f"{COMPARER} .dcgan-{name} {inner}")


def type_filter(page, text):
    part(page, "filter", "input").fill(text)
    part(page, "filter", "input").press("Enter")


def pixel(page, index):
    """The brightness at the middle of one run's grid, as the browser shows it."""
    script = """async image => {
        await image.decode();
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[0];
    }"""
    return part(page, "grids", "img").nth(index).evaluate(script)


def test_runs_are_chosen_the_slider_moves_and_a_training_is_followed(notebook, runs):
    page = notebook

    # It begins with the runs that the notebook's query picks, and with what differs between them.
    expect(part(page, "status")).to_contain_text("2 of 3 runs", timeout=WAIT)
    table, extremes = part(page, "table", "tbody tr"), part(page, "extremes", "tbody tr")
    expect(part(page, "table", "thead th")).to_have_text(["run", "epochs"])
    assert [row.split() for row in table.all_inner_texts()] == [["epochs-5", "5"], ["epochs-10", "10"]]

    # Another filter, another choice: the table, the curves and the extremes follow.
    curves = page.locator(f"{COMPARER} img.dcgan-curves")
    before = curves.get_attribute("src")
    type_filter(page, "")
    options = part(page, "runs", "option")
    expect(options).to_have_count(3, timeout=WAIT)
    part(page, "runs", "select").select_option(index=[0, 2])
    expect(table.nth(1)).to_contain_text("wider", timeout=WAIT)
    expect(part(page, "table", "thead th")).to_have_text(["run", "generator_width"])
    expect(extremes.first).to_contain_text("epochs-5")
    assert curves.get_attribute("src") != before
    part(page, "series", "select").select_option(LOSS_G)
    expect(extremes).to_have_count(2, timeout=WAIT)
    expect(extremes.first).to_contain_text(LOSS_G)

    # One slider moves both grids: each shows its own step, or its newest before it. It plays as well.
    part(page, "runs", "select").select_option(index=[0, 1])
    expect(table.nth(1)).to_contain_text("epochs-10", timeout=WAIT)
    grids = part(page, "grids")
    part(page, "step", ".noUi-handle").focus()
    page.keyboard.press("Home")
    expect(grids).to_contain_text("epochs-10, step 0", timeout=WAIT)
    assert (pixel(page, 0), pixel(page, 1)) == pytest.approx((0, 0), abs=3)
    page.keyboard.press("End")
    expect(grids).to_contain_text("epochs-10, step 200", timeout=WAIT)
    expect(grids).to_contain_text("epochs-5, step 100")
    assert (pixel(page, 0), pixel(page, 1)) == pytest.approx((100, 200), abs=3)
    page.keyboard.press("Home")
    expect(grids).to_contain_text("epochs-10, step 0", timeout=WAIT)
    part(page, "play", "button").first.click()
    expect(grids).to_contain_text("epochs-10, step 200", timeout=WAIT)

    # A filter that is not valid is told in one line, and nothing is lost.
    type_filter(page, "epoch == 5")
    expect(part(page, "error")).to_contain_text("did you mean 'epochs'?", timeout=WAIT)
    expect(options).to_have_count(3)
    type_filter(page, "")
    expect(part(page, "error")).to_be_empty(timeout=WAIT)

    # Export, and what it wrote.
    page.locator(f"{COMPARER} button.dcgan-export").click()
    expect(part(page, "exported")).to_contain_text("points.csv", timeout=WAIT)
    [written] = (runs / "exports").iterdir()
    assert {file.name for file in written.iterdir()} == {"points.csv", "settings.csv"}

    # A run that begins meanwhile appears, and one that goes on is followed, by itself.
    with writing.open_run(Config(epochs=7), runs / "epochs-7", tags=["epochs"]) as run:
        add_points(run, range(1, 3), level=1000)
        run.wait()
        expect(options).to_have_count(4, timeout=WAIT)
        expect(options.last).to_contain_text("epochs-7 · unfinished, 2 steps")
        part(page, "runs", "select").select_option(index=[0, 3])
        expect(extremes.nth(1)).to_contain_text("1102", timeout=WAIT)
        add_points(run, range(3, 4), level=1000)
        run.wait()
        expect(extremes.nth(1)).to_contain_text("1103", timeout=WAIT)
        expect(options.last).to_contain_text("epochs-7 · unfinished, 3 steps")
        assert part(page, "runs", "option:checked").count() == 2, "the choice stays"
