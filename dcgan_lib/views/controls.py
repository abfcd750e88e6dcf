"""The parts of the run comparer in a notebook: its lists, buttons and pictures, and how they are laid out."""

from typing import Any

import ipywidgets
import traitlets

from dcgan_lib.views.comparison import AXES

STYLE = """<style>
.dcgan-comparer table { border-collapse: collapse; font-size: 12px; margin: 4px 0 8px }
.dcgan-comparer th, .dcgan-comparer td { padding: 4px 10px; text-align: right; line-height: 1.4 }
.dcgan-comparer tr { border-bottom: 1px solid #ddd }
.dcgan-comparer th:first-child, .dcgan-comparer td:first-child { text-align: left }
.dcgan-comparer .scroll { overflow-x: auto }
.dcgan-comparer h4 { margin: 6px 0 0; font-size: 13px; line-height: 1.4 }
.dcgan-comparer h4 small { font-weight: normal; color: #666 }
.dcgan-comparer .plain, .dcgan-comparer .error { line-height: 1.4; overflow-wrap: anywhere }
.dcgan-comparer .error { color: #b00020 }
</style>"""


class Controls:
    """The widgets, each with a class `dcgan-<name>` by which style sheets and tests find it; `box` holds them all."""

    def __init__(self, query: str, by: str, smooth: int, side_by_side: bool) -> None:
        wide = {"width": "auto"}
        hint = 'epochs > 5 and state == "finished"'
        self.filter = ipywidgets.Text(query, placeholder=hint, continuous_update=False, layout=wide)
        self.error = ipywidgets.HTML()
        self.runs = ipywidgets.SelectMultiple(rows=7, layout=wide)
        self.series = ipywidgets.SelectMultiple(rows=6, layout=wide)
        self.axis = ipywidgets.ToggleButtons(options=AXES, value=by, style={"button_width": "30%"})
        panels = [("overlaid", False), ("side by side", True)]
        self.panels = ipywidgets.ToggleButtons(options=panels, value=side_by_side, style={"button_width": "46%"})
        self.smooth = ipywidgets.IntSlider(smooth, 0, max(200, smooth), continuous_update=False, layout=wide)
        self.follow = ipywidgets.Checkbox(True, description="follow runs that go on", indent=False, layout=wide)
        self.export = ipywidgets.Button(description="Export CSV", icon="download", layout=wide)
        self.exported = ipywidgets.HTML()
        self.status = ipywidgets.HTML()
        self.curves = ipywidgets.Image(format="png", layout={"width": "100%"})
        self.extremes = ipywidgets.HTML()
        self.table = ipywidgets.HTML()
        self.images = ipywidgets.Dropdown(layout={"width": "220px"})
        self.play = ipywidgets.Play(interval=500)
        self.step = ipywidgets.SelectionSlider(options=[0], layout={"flex": "1 1 auto", "width": "auto"})
        traitlets.link((self.play, "value"), (self.step, "index"))
        self.grids = ipywidgets.GridBox(layout={"grid_gap": "4px 12px", "width": "100%"})
        for name, widget in vars(self).items():
            widget.add_class(f"dcgan-{name}")

        left = [_heading("Filter"), self.filter, self.error]
        left += [_heading("Runs", "ctrl- or shift-click for several"), self.runs]
        left += [_heading("Series"), self.series, _heading("Over"), self.axis, _heading("Curves"), self.panels]
        left += [_heading("Moving average", "half-life in points"), self.smooth]
        left += [self.follow, self.export, self.exported]
        wide = {"flex": "1 1 0", "min_width": "0", "padding": "0 0 0 16px"}
        right = ipywidgets.VBox([self.curves, self.extremes], layout=wide)
        columns = [ipywidgets.VBox(left, layout={"width": "29%", "min_width": "240px"}), right]
        bar = ipywidgets.HBox([self.play, self.step, self.images], layout={"align_items": "center"})
        title = _heading("The same noise, run by run", "each at the step chosen, or its newest before it")
        self.pictures = ipywidgets.VBox([title, bar, self.grids])
        style = ipywidgets.HTML(STYLE, layout={"display": "none"})
        parts = [style, self.status, ipywidgets.HBox(columns), self.table, self.pictures]
        self.box = ipywidgets.VBox(parts, layout={"width": "100%", "overflow": "hidden"}).add_class("dcgan-comparer")


def offer(control: Any, options: list, value: Any) -> None:
    """Give a list its options and what is chosen of them, in one message, and only where they differ."""
    with control.hold_sync():
        if list(control.options) != options:
            control.options = options
        if control.value != value:
            control.value = value


def _heading(text: str, hint: str = "") -> ipywidgets.HTML:
    return ipywidgets.HTML(f"<h4>{text} <small>{hint}</small></h4>")
