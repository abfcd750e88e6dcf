"""The thin library behind the DCGAN course: config, models, losses, data, train, tracking, runs, plots, widgets."""

__version__ = "0.1.0"
