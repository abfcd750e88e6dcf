"""The explorer as a reader uses it in JupyterLab: sliders by keys, faces kept and mixed, undone and saved."""

import nbformat
import numpy as np
import pytest
from helpers.browser import WAIT
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.views import LatentExplorer

api = pytest.importorskip("playwright.sync_api")
expect = api.expect

CELL = "from dcgan_lib.views import LatentExplorer\nLatentExplorer('../generator.pt', folder='../exports')"
PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"


@pytest.fixture(scope="module")
def gan(workplace):
    """A small generator, as it begins, and a notebook with an explorer of it."""
    gan = GAN(Config(image_size=16, generator_width=8, discriminator_width=8, latent_dim=10, device="cpu"))
    gan.save(workplace / "generator.pt")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, workplace / "notebooks/explorer.ipynb")
    return gan


@pytest.fixture
def panel(page, run_all, gan):
    """The explorer's panel, its cell executed."""
    run_all("explorer.ipynb")
    page.locator(".dcgan-explorer").wait_for(timeout=WAIT)
    return page.locator(".dcgan-explorer")


def pixels(canvas):
    """What is on a canvas, (S, S, 3)."""
    values = np.array(canvas.evaluate(PIXELS), np.uint8).reshape(-1, 4)
    assert (values[:, 3] == 255).all()
    side = int(len(values) ** 0.5)
    return values[:, :3].reshape(side, side, 3)


def face(panel, label="a generated face"):
    """The face's pixels, once a screen reader would say this of it."""
    shown = panel.get_by_role("img", name=label, exact=True)
    shown.wait_for(timeout=WAIT)
    return pixels(shown)


def press(panel, name):
    button = panel.get_by_role("button", name=name, exact=True)
    button.focus()
    button.press("Enter")


def test_a_face_is_looked_for_by_keys_kept_mixed_and_saved(panel, gan, workplace):
    # It is the library's own face, and a slider by its keys moves it along the direction.
    e = LatentExplorer(gan).exploration
    assert np.array_equal(face(panel), e.draw(e.z))
    slider = panel.get_by_role("slider", name="closed form 2")
    slider.focus()
    for _ in range(12):
        slider.press("ArrowRight")
    e.slide([0, 1.2, 0, 0, 0])
    assert np.array_equal(face(panel, "a generated face, closed form 2 +1.2"), e.draw(e.z))

    # Two faces are kept, and mixed: at the end of its slider the mixture is one of them.
    status = panel.get_by_role("status")
    press(panel, "Keep")
    expect(status).to_have_text("kept as face 1", timeout=WAIT)
    press(panel, "Another face")
    second = face(panel)
    press(panel, "Mix these two")
    expect(status).to_have_text("tick two of the kept faces first", timeout=WAIT)
    press(panel, "Keep")
    expect(status).to_have_text("kept as face 2", timeout=WAIT)
    for number in (1, 2):
        panel.get_by_role("checkbox", name=f"face {number}").press("Space")
    thumbs = panel.get_by_role("listitem").locator("canvas")
    assert np.array_equal(pixels(thumbs.nth(0)), e.draw(e.z))
    assert np.array_equal(pixels(thumbs.nth(1)), second)
    press(panel, "Mix these two")
    mixture = panel.get_by_role("slider", name="mixture of face 1 and face 2")
    expect(mixture).to_be_visible(timeout=WAIT)
    expect(status).to_be_empty(timeout=WAIT)
    assert not np.array_equal(face(panel), second)
    mixture.press("End")
    panel.page.wait_for_function(
        "([a, b]) => a.toDataURL() === b.toDataURL()",
        arg=[panel.locator("canvas.face").element_handle(), thumbs.nth(1).element_handle()],
        timeout=WAIT,
    )

    # What is saved is what is shown, and opens again.
    press(panel, "Save PNG")
    expect(status).to_contain_text(".png", timeout=WAIT)
    press(panel, "Save z")
    expect(status).to_contain_text(".json", timeout=WAIT)
    [png], [state] = ([*(workplace / "exports").glob(f"*.{form}")] for form in ("png", "json"))
    assert np.array_equal(np.asarray(Image.open(png)), second)
    back = LatentExplorer.read(state, gan).exploration
    assert np.array_equal(back.draw(back.z), second)

    # The mixture was one step, the second face's keeping another.
    press(panel, "Undo")
    expect(status).to_have_text("undone", timeout=WAIT)
    assert np.array_equal(face(panel), second)
    press(panel, "Undo")
    expect(panel.get_by_role("listitem")).to_have_count(1, timeout=WAIT)


def test_a_fast_drag_queues_nothing_up_and_ends_where_it_stops(panel, gan):
    script = """async (slider) => {
        const face = slider.closest(".dcgan-explorer").querySelector("canvas.face");
        let drawn = 0;
        new MutationObserver(() => drawn++).observe(face, { attributes: true, attributeFilter: ["aria-label"] });
        for (let i = 0; i < 400; i++) {
            slider.value = -2.9 + (i % 50) / 10;
            slider.dispatchEvent(new Event("input"));
            if (i % 20 === 0) await new Promise((next) => setTimeout(next, 1));
        }
        slider.value = 2.5;
        slider.dispatchEvent(new Event("input"));
        while (!face.getAttribute("aria-label").endsWith("+2.5")) await new Promise((next) => setTimeout(next, 5));
        await new Promise((next) => setTimeout(next, 500));
        return drawn;
    }"""
    slider = panel.get_by_role("slider", name="closed form 1")
    drawn = slider.evaluate(script)
    assert 1 <= drawn <= 200
    assert slider.input_value() == "2.5"
    e = LatentExplorer(gan).exploration
    e.slide([2.5, 0, 0, 0, 0])
    assert np.array_equal(face(panel, "a generated face, closed form 1 +2.5"), e.draw(e.z))


def test_every_control_has_a_name_and_tab_reaches_them_in_the_order_that_is_seen(panel):
    controls = panel.locator("button, input:visible")
    names = controls.evaluate_all("all => all.map(control => control.ariaLabel || control.textContent)")
    assert all(names)
    panel.get_by_role("button", name="Another face").focus()
    reached = []
    for _ in names:
        reached.append(panel.page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent"))
        panel.page.keyboard.press("Tab")
    assert reached == names
