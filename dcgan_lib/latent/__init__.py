"""The space of z: walks, directions that mean something, the way back from a face to its z; what D has learnt.

A step is counted in deviations of the noise, 1 for normal and 1/√3 for uniform noise: it means the same in both.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "directions": [
            "Direction",
            "all_conditional",
            "attribute_directions",
            "closed_form_directions",
            "conditional",
            "load_directions",
            "moved",
            "save_directions",
            "steering",
        ],
        "features": ["discriminator_features", "linear_accuracy"],
        "inversion": ["Encoder", "invert", "train_encoder"],
        "walks": ["loop", "on_sphere", "slerp", "straight"],
    },
)
