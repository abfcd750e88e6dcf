"""Old spellings, for one release: `dcgan_lib/__init__` has Python look for modules in this folder as well."""

import sys
from typing import NoReturn

#: Module → what takes its place on the command line, if it was one, and in code.
NEW = {
    "launch": ("dcgan train", "from dcgan_lib.launch import run_notebook"),
    "sweep": ("dcgan sweep", "from dcgan_lib.launch import read_sweep, run_sweep"),
    "runs": ("dcgan runs", "from dcgan_lib import load_run, load_runs"),
    "evaluate": ("dcgan evaluate", "from dcgan_lib import Evaluator"),
    "diagnose": ("dcgan diagnose", "from dcgan_lib import diagnose"),
    "dashboard": ("dcgan export RUNS --to tensorboard, then make dashboard", "from dcgan_lib.records import export"),
    "compare": ("dcgan runs", "from dcgan_lib.records.table import select, settings_of, differing, run_labels"),
    "tracking": ("", "from dcgan_lib.records.writing import log_images, log_report, log_scores, open_run"),
    "plots": ("", "from dcgan_lib.views import plots"),
    "widgets": ("", "from dcgan_lib.views.live import LiveView, show_grid"),
}


def __getattr__(name: str) -> NoReturn:
    """End `python -m dcgan_lib.NAME` with its new spelling, and an import with the new import."""
    if name not in NEW:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    command, code = NEW[name]
    started = getattr(sys.modules["__main__"], "__spec__", None)
    if started and started.name.removesuffix(".__main__") == f"dcgan_lib.{name}":
        print(f"python -m dcgan_lib.{name} is now: {command}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(f"dcgan_lib.{name} has moved: {code}")
