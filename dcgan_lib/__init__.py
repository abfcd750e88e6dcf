"""The thin library behind the DCGAN course: config, models, losses, data, train, tracking, runs, compare, sweep."""

__version__ = "0.4.0"
