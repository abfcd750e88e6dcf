"""Images: found in folders and zips, decoded, augmented, and shown as a grid."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"decoding": ["decode"], "files": ["find_images"], "grid": ["jpeg", "to_bytes", "to_grid"]}
)
