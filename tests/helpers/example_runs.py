"""The old name of `helpers.records`; it goes once tests/views imports from there."""

from helpers.records import GRIDS, LOSS_D, LOSS_G, add_points, write_run

__all__ = ["GRIDS", "LOSS_D", "LOSS_G", "add_points", "write_run"]
