"""The page that draws faces, as `make site` builds it, in a browser: the same faces as PyTorch's, and no other host."""

import functools
import http.server
import importlib.util
import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dcgan_lib.views import LatentExplorer

api = pytest.importorskip("playwright.sync_api")
expect = api.expect

PAGE = Path(__file__).parents[2] / "docs/play/page.py"
WAIT = 60_000  # ms
PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the page is handed out, by a plain server."""
    spec = importlib.util.spec_from_file_location("play_page", PAGE)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    folder = tmp_path_factory.mktemp("site")
    try:
        page.build_page(folder)
    except RuntimeError as error:
        if "npm" in str(error):
            pytest.skip(str(error))
        raise
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def panel(page, address):
    """The panel, once the page has checked itself; nothing has failed, and no other host was asked."""
    errors, asked = [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/index.html")
    page.locator("#panel[data-differs]").wait_for(timeout=WAIT)
    yield page.locator("#panel")
    assert errors == []
    assert [url for url in asked if not url.startswith((address, f"blob:{address}"))] == []


def pixels(canvas):
    """What is on a canvas, (S, S, 3)."""
    values = np.array(canvas.evaluate(PIXELS), int).reshape(-1, 4)
    side = int(len(values) ** 0.5)
    return values[:, :3].reshape(side, side, 3)


def saved(panel, form, folder):
    """The file that a button hands out."""
    with panel.page.expect_download() as download:
        panel.get_by_role("button", name=f"Save {form}").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_it_draws_pytorchs_faces_for_the_same_numbers(panel, tmp_path):
    assert int(panel.get_attribute("data-differs")) <= 1
    first = pixels(panel.locator("canvas.face"))
    slider = panel.get_by_role("slider").first
    name = slider.get_attribute("aria-label")
    slider.focus()
    for _ in range(15):
        slider.press("ArrowRight")
    panel.get_by_role("img", name=f"a generated face, {name} +1.5", exact=True).wait_for(timeout=WAIT)
    moved = pixels(panel.locator("canvas.face"))
    assert np.abs(moved - first).max() > 10

    # The numbers that it saves give the same pixels here; so does the picture.
    e = LatentExplorer.read(saved(panel, "z", tmp_path)).exploration
    assert e.place.amounts[0] == 1.5
    assert np.abs(e.draw(e.z).astype(int) - moved).max() <= 1
    assert np.abs(e.draw(e.place.base).astype(int) - first).max() <= 1
    assert np.array_equal(np.asarray(Image.open(saved(panel, "PNG", tmp_path)))[..., :3], moved)


def test_faces_are_kept_mixed_as_the_library_mixes_them_and_undone(panel, tmp_path):
    status = panel.get_by_role("status")
    for act in ("Keep", "Another face", "Keep"):
        panel.get_by_role("button", name=act, exact=True).click()
    expect(status).to_have_text("kept as face 2", timeout=WAIT)
    for number in (1, 2):
        panel.get_by_role("checkbox", name=f"face {number}").check()
    panel.get_by_role("button", name="Mix these two").click()
    expect(status).to_be_empty(timeout=WAIT)
    panel.get_by_role("slider", name="mixture of face 1 and face 2").press("ArrowRight")
    panel.get_by_role("button", name="Keep", exact=True).click()
    expect(status).to_have_text("kept as face 3", timeout=WAIT)
    path = saved(panel, "z", tmp_path)
    e = LatentExplorer.read(path).exploration
    mixture = e.place.kept[3]
    e.mix(1, 2, 0.52)
    torch.testing.assert_close(e.z, mixture, atol=1e-5, rtol=1e-5)
    assert torch.equal(torch.tensor(json.loads(path.read_text())["base"]), mixture)
    shown = pixels(panel.locator("canvas.face"))
    assert np.abs(e.draw(mixture).astype(int) - shown).max() <= 1
    panel.get_by_role("button", name="Undo").click()
    expect(panel.get_by_role("listitem")).to_have_count(2)
    panel.get_by_role("button", name="Undo").click()
    assert not np.array_equal(pixels(panel.locator("canvas.face")), shown)


def test_it_fits_a_phone(panel):
    panel.page.set_viewport_size({"width": 360, "height": 740})
    assert panel.page.evaluate("document.documentElement.scrollWidth") <= 360
    box = panel.locator("canvas.face").bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1)
    assert box["width"] >= 300
