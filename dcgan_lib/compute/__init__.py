"""Where and how fast steps are computed: device, precision, batches on a GPU, CUDA graph, several ranks, interrupts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"device": ["choose_device", "choose_precision"]}
)
