"""What `dcgan train` does as a rank that is not the first: it trains along, and records, draws and saves nothing."""

import sys
from collections.abc import Callable

from dcgan_lib.compute.ranks import connect, wait_for
from dcgan_lib.compute.torchrun import rank
from dcgan_lib.config import Config
from dcgan_lib.data import load_images
from dcgan_lib.gan import GAN
from dcgan_lib.settings import first_line
from dcgan_lib.train import TrainingDiverged, fit

READY = "the first rank is ready"


def call_others() -> None:
    """As the first rank: tell the others that settings, images and folder are as they should be."""
    connect().set(READY, "")


def follow(settings: Callable[[], Config]) -> int:
    """As any other rank: wait for the first one, and train along to the end; returns the exit code.

    It speaks only of what goes wrong here alone: the first rank tells of the rest.
    """
    try:
        wait_for(connect(), READY)
        config = settings()
        images = load_images(config, progress=lambda items, **_: items)
        for _ in fit(GAN(config), images):
            pass
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, TypeError, RuntimeError, TrainingDiverged) as error:
        if str(error) and not isinstance(error, TrainingDiverged):
            print(f"rank {rank()}: {first_line(error)}", file=sys.stderr)
        return 1
    return 0
