"""What several tests share: a small set of images, and a Config that trains in a second."""

import signal
from collections.abc import Iterator

import numpy as np
import pytest

from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, prepare


@pytest.fixture
def tiny() -> Config:
    """16×16 images, narrow networks, 3 steps an epoch."""
    widths = {"generator_width": 8, "discriminator_width": 8, "latent_dim": 10}
    every = {"log_every": 2, "sample_every": 4, "checkpoint_every": 4}
    return Config(image_size=16, batch_size=8, epochs=4, sample_count=4, device="cpu", **widths, **every)


@pytest.fixture
def images() -> ImageSet:
    """20 images of 16×16 in memory: two whole batches of 8 and one of 4."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
    return ImageSet(
        images=pixels,
        names=[f"{i:06d}.jpg" for i in range(20)],
        attribute_names=[],
        attributes=np.zeros((20, 0), np.int8),
        partition=np.full(20, -1, np.int8),
        skipped=[],
        fingerprint="of twenty images",
        source="memory",
    )


@pytest.fixture
def ready(tmp_path):
    """prepare() with small images and a cache of the test's own."""

    def prepare_here(source, image_size=8, cache=tmp_path / "cache", **options):
        return prepare(source, image_size=image_size, cache=cache, **options)

    return prepare_here


@pytest.fixture
def terminal() -> Iterator[None]:
    """A closed terminal is heard of, even where the tests run under `nohup`, which has that signal ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is heard of, even where the tests run in the background of a script, which has that signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
