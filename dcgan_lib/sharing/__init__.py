"""Sharing: a trained generator in a folder or on the Hub, its images as files, its network for other programs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"pretrained": ["from_pretrained", "push_to_hub", "save_pretrained", "share"]}
)
