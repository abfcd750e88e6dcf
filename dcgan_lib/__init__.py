"""The thin library behind the DCGAN course; docs/library.md shows the house. Names load when they are first used."""

from pathlib import Path

import lazy_loader

__version__ = "0.9.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["Config"],
        "models.dcgan": ["Discriminator", "Generator", "init_weights"],
        "gan": ["GAN"],
        "train": ["fit", "train_step"],
        "data": ["load_images", "prepare"],
        "faces": ["draw_faces"],
        "launch.training": ["train_run"],
        "records.reading": ["load_run", "load_runs"],
        "records.writing": ["open_run"],
        "quality.evaluate": ["Evaluator"],
        "quality.diagnosis": ["diagnose"],
    },
)

__path__.append(str(Path(__file__).parent / "launch/retired"))  # the spellings of 0.4 answer with the new ones
