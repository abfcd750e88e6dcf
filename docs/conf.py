"""The website, by `make site`: these pages and the executed notebooks. To read it asks no other host for anything.

The source folder is the project's own, so that a link between a page, a notebook and a file leads to the same place
here, on GitHub and in JupyterLab.
"""

import os
import shutil
import sys
from html import escape
from pathlib import Path

import ziamath
from docutils import nodes
from sphinx.addnodes import download_reference
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform
from sphinx.util.logging import getLogger

sys.path.append(str(Path(__file__).parent))
from play.page import build_page

#: Where the repository's files are read, such as https://github.com/OWNER/NAME/blob/main. GitHub's workflows tell it;
#: where it is unknown, a link to a file that is not a page is plain text.
REPOSITORY = os.environ.get("REPOSITORY", "")
if not REPOSITORY and "GITHUB_REPOSITORY" in os.environ:
    REPOSITORY = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/blob/{GITHUB_SHA}".format_map(os.environ)

PLAY = Path("docs/play/index.html")

project = html_title = "DCGAN, from noise to faces"
language = "en"
extensions = ["myst_nb"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "notebooks/*.ipynb", "benchmarks/RESULTS.md", "data/README.md", "C*.md"]
exclude_patterns = [".*", "build", "runs", "data/*/**", "dcgan_lib", "tests", "**/.ipynb_checkpoints"]

nb_execution_mode = "off"  # the outputs are those that are committed
nb_merge_streams = True
nb_ipywidgets_js = {}  # they would come from another host
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

highlight_language = "none"  # of code that says no language: commands, trees, tables

html_theme = "furo"
html_theme_options = {"top_of_page_buttons": []}
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_favicon = "favicon.svg"
html_math_renderer = "svg"
html_copy_source = html_show_sphinx = html_show_copyright = html_use_index = False

ziamath.config.svg2 = False  # glyphs as plain paths: no ids that could meet those of the next formula


def formula(self, node: nodes.math | nodes.math_block) -> None:
    """A formula as SVG, drawn with a font of its own: not every browser has one for MathML."""
    block = isinstance(node, nodes.math_block)
    text = node.astext()
    drawn = ziamath.Latex(text, size=19 if block else 17, color="currentColor", inline=not block)
    if "\\" in drawn.mathmlstr():
        getLogger(__name__).warning("a command that is not known, in %s", text, location=node)
    style = "" if block else f' style="vertical-align: {drawn.getyofst():.2f}px"'
    svg = drawn.svg().replace("<svg ", f'<svg role="img" aria-label="{escape(text)}"{style} ', 1)
    self.body.append(f'<div class="formula">{svg}</div>' if block else svg)
    raise nodes.SkipNode


class RepositoryLinks(SphinxTransform):
    """A link to a file that is not a page leads to the repository; Sphinx would copy the file into the site.

    The page that draws faces is built on its own, and is part of the site.
    """

    default_priority = 400

    def apply(self, **options) -> None:
        here = Path(self.env.doc2path(self.env.docname)).parent
        for link in list(self.document.findall(download_reference)):
            file = Path(os.path.normpath(here / link["reftarget"])).relative_to(self.env.srcdir)
            if file == PLAY:
                name, address = nodes.Text(link.astext()), link["reftarget"] if self.config.has_play else ""
            else:
                name, address = nodes.literal(text=link.astext()), REPOSITORY and f"{REPOSITORY}/{file.as_posix()}"
            link.replace_self(nodes.reference("", "", name, refuri=address) if address else name)


def add_play(app: Sphinx, config: Config) -> None:
    """Build the page that draws faces into the site, or say in a line why it is left out."""
    folder = Path(app.outdir) / PLAY.parent
    try:
        build_page(folder, in_site=True)
        config.has_play = True
    except (OSError, RuntimeError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"left out, the page that draws faces: {error}", file=sys.stderr)


def first_page(app: Sphinx, error: Exception | None) -> None:
    """The site's address leads to its front page, which lies a folder below."""
    if error is None and app.builder.format == "html":
        page = '<!doctype html><title>DCGAN</title><meta http-equiv="refresh" content="0; url=docs/index.html">\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_html_math_renderer("svg", (formula, None), (formula, None))
    app.add_transform(RepositoryLinks)
    app.add_config_value("has_play", False, "env", bool)
    app.connect("config-inited", add_play)
    app.connect("build-finished", first_page)
