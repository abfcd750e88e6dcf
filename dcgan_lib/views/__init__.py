"""What is looked at: pictures, curves, the live view and the comparer; all that needs matplotlib or a front end."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "front_end": ["begin", "has_front_end"],
        "plots": ["COLOURS", "animate", "film_strip", "picture_row", "plot_curves", "show_side_by_side"],
        "diagrams": ["distance_pictures", "game_picture"],
        "live": ["LiveView", "progress_bar", "show_grid"],
        "health": ["plot_health"],
        "latent": ["face_rows", "heat_map"],
        "comparison": ["curve", "extremes", "grids_side_by_side", "overlay"],
        "comparer": ["RunComparer"],
        "explorer": ["LatentExplorer"],
    },
)
