"""Whole runs: one in this process, one through papermill, many side by side."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "training": ["train_run"],
        "folders": ["choose_run", "claim", "run_folder"],
        "notebook": ["run_notebook"],
        "sweep_file": ["SweepRun", "read_sweep"],
        "sweep": ["run_sweep"],
    },
)
