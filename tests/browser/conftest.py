"""A real JupyterLab over a copy of the course, and a real browser to use it with."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from helpers.browser import WAIT

PROJECT = Path(__file__).parents[2]
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"


@pytest.fixture(scope="module")
def browser():
    """Chromium, headless: the system's, or Playwright's own."""
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
        program = next(filter(None, (*found, playwright.chromium.executable_path)))
        if not Path(program).exists():
            pytest.skip("no Chromium here: `make test-browser` installs it")
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS.split())
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """The course's layout in a folder of its own: notebooks to run in, runs to make."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "configs"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return folder


@pytest.fixture(scope="module")
def lab(workplace):
    """The address of a JupyterLab that serves the workplace."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.port": port,
        "ServerApp.root_dir": workplace,
        "IdentityProvider.token": "",
        "ServerApp.allow_root": True,
        "ServerApp.open_browser": False,
        "LabApp.news_url": "",
    }
    command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
    settings = workplace / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')  # every cell is in the page, wherever it is scrolled to
    environment = os.environ | {"JUPYTERLAB_SETTINGS_DIR": str(workplace / "settings")}
    with (workplace / "lab.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=workplace, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api", server, workplace / "lab.log")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab doesn't answer: {log.read_text()}")


@pytest.fixture
def page(browser):
    """A fresh page."""
    page = browser.new_page(viewport={"width": 1400, "height": 1200})
    yield page
    page.close()


@pytest.fixture
def run_all(page, lab):
    """Opens a notebook in JupyterLab and runs all its cells by the menu; the browser then has no errors to tell."""
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)

    def run(name):
        page.goto(f"{lab}/lab/tree/notebooks/{name}?reset")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=WAIT)
        page.get_by_text("| Idle").wait_for(timeout=WAIT)  # the status bar's word for a kernel that is ready
        page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(r"^Run$")).click()
        page.locator(".lm-Menu-itemLabel", has_text=re.compile(r"^Run All Cells$")).click()

    yield run
    assert not [error for error in errors if "favicon" not in error]
