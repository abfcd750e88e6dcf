"""How good a run is: its faces measured, its faults named."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attribute_classifier": ["AttributeClassifier", "load_classifier"],
        "evaluate": ["Evaluator", "keep_best", "scores_table"],
        "diagnosis": ["Finding", "diagnose"],
        "metrics": ["checkerboard", "sliced_wasserstein"],
    },
)
