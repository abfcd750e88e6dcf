"""The website: it builds without a warning, every link in it leads somewhere, and reading it asks no other host."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

PROJECT = Path(__file__).parents[1]
REPOSITORY = "https://repository.example/blob/main"
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class Page(HTMLParser):
    """What a page links to, what a browser loads for it, and the places in it that a link can name."""

    def __init__(self, path):
        super().__init__()
        self.path, self.links, self.loads, self.places, self.styles = path, [], [], {""}, []
        self.inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given, self.inside = dict(attributes), tag
        self.places.add(given.get("id"))
        self.styles.append(given.get("style") or "")
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif given.get(LOADED.get(tag)):
            self.loads.append(given[LOADED[tag]])

    def handle_data(self, data):
        if self.inside == "style":
            self.styles.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the website, built as `make site` does."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-c", "docs"]
    command += ["-d", folder / "doctrees", ".", folder / "site"]
    environment = os.environ | {"REPOSITORY": REPOSITORY}
    built = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (folder / "said").write_text(built.stderr, encoding="utf-8")
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site):
    """Every page of it, by its path."""
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_page_and_notebook_is_there(site):
    for source in [*(PROJECT / "docs").glob("*.md"), *(PROJECT / "notebooks").glob("*.ipynb")]:
        assert (site / source.relative_to(PROJECT)).with_suffix(".html").is_file()
    assert "docs/index.html" in (site / "index.html").read_text()


def test_the_page_that_draws_faces_is_whole_and_small_or_left_out_with_a_line(site):
    page, said = site / "docs/play", (site.parent / "said").read_text(encoding="utf-8")
    linked = "play/index.html" in (site / "docs/play.html").read_text(encoding="utf-8")
    if "left out, the page that draws faces: " in said:
        assert not page.exists()
        assert not linked
        pytest.skip(said)
    assert linked
    assert sum(path.stat().st_size for path in page.iterdir()) < 20 * 2**20
    imported = re.findall(r'from "\./([^"]+)"', (page / "play.js").read_text(encoding="utf-8"))
    fetched = re.findall(r'(?:fetch|new URL)\("([^"]+)"', (page / "play.js").read_text(encoding="utf-8"))
    assert len(imported) + len(fetched) == 4
    assert [name for name in imported + fetched if not (page / name).is_file()] == []


def test_without_npm_or_with_another_package_the_page_is_refused_in_one_line(tmp_path, monkeypatch):
    path = PROJECT / "docs/play/page.py"
    spec = importlib.util.spec_from_file_location("play_page", path)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"^npm is not installed"):
        page.runtime(tmp_path / "cache")
    kept = tmp_path / f"cache/{page.PACKAGE}-{page.VERSION}.tgz"
    kept.write_bytes(b"something else")
    with pytest.raises(RuntimeError, match=r"is not the package that was pinned: remove it"):
        page.runtime(tmp_path / "cache")


def test_every_link_leads_to_a_page_a_place_in_it_or_a_file_of_the_repository(pages):
    lost = []
    for page in pages.values():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if link.startswith(REPOSITORY):
                if not (PROJECT / unquote(link.removeprefix(REPOSITORY + "/"))).exists():
                    lost.append((page.path.name, link))
            elif not parts.scheme and not parts.netloc:
                target = Path(os.path.normpath(page.path.parent / unquote(parts.path))) if parts.path else page.path
                there = target.is_file() and (target not in pages or unquote(parts.fragment) in pages[target].places)
                if not there:
                    lost.append((page.path.name, link))
    assert not lost


def test_reading_it_asks_no_other_host(site, pages):
    loaded = [(page.path.name, address) for page in pages.values() for address in page.loads]
    styles = {page.path.name: " ".join(page.styles) for page in pages.values()}
    styles |= {path.name: path.read_text(encoding="utf-8") for path in site.rglob("*.css")}
    for name, style in styles.items():
        loaded += [(name, address) for address in re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")\s]+)", style)]
    assert [each for each in loaded if re.match(r"(\w+:)?//", each[1])] == []


def parts_written(script):
    """The names that a script of benchmarks/ gives to `replace_part`; an option's is its default."""
    calls = [node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Call)]
    names = []
    for call in calls:
        if getattr(call.func, "id", "") == "replace_part":
            named = [each.value for each in ast.walk(call.args[0]) if isinstance(each, ast.Constant)]
            names += named or re.findall(r'"--part", default="([^"]+)"', script)
    return names


def test_each_script_that_measures_has_a_part_of_its_own_in_the_results():
    results = (PROJECT / "benchmarks/RESULTS.md").read_text(encoding="utf-8")
    scripts = {path.name: path.read_text(encoding="utf-8") for path in (PROJECT / "benchmarks").glob("*.py")}
    written = [(part, name) for name, script in scripts.items() for part in parts_written(script)]
    assert len({part for part, _ in written}) == len(written) >= 11
    assert [each for each in written if results.count(f"<!-- {each[0]} -->\n") != 1] == []
