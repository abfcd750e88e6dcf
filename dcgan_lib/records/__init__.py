"""Neptune's offline record of a run: written, read back, listed, taken elsewhere."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "writing": ["PATHS", "log_images", "log_report", "log_scores", "open_run", "write_config"],
        "reading": ["RunRecord", "load_run", "load_runs"],
        "table": ["differing", "runs_table", "select", "settings_of"],
        "export": ["export_csv", "export_tensorboard"],
    },
)
