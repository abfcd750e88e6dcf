"""Several ranks of a script on this machine, as torchrun starts them, without the seconds that torchrun takes."""

import multiprocessing
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from dcgan_lib.compute.optimizers import make_adam
from dcgan_lib.data import ImageSet
from dcgan_lib.gan import GAN


def run_ranks(script, *arguments, count=2, timeout=120):
    """Run a script as so many ranks; returns each one's exit code, output and errors.

    They are forked from one process that has loaded torch already.
    """
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": str(count)}
    told |= {"LOCAL_WORLD_SIZE": str(count), "TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["helpers.ranks", "dcgan_lib.train"])
    with tempfile.TemporaryDirectory() as folder:
        outputs = [(Path(folder) / f"out-{each}", Path(folder) / f"err-{each}") for each in range(count)]
        places = [told | {"RANK": str(each), "LOCAL_RANK": str(each)} for each in range(count)]
        given = [(script, [str(each) for each in arguments], *each) for each in zip(places, outputs, strict=True)]
        processes = [context.Process(target=_be_rank, args=each, daemon=True) for each in given]
        for each in processes:
            each.start()
        for each in processes:
            each.join(timeout)
            each.kill()  # where it hasn't ended
            each.join()
        codes = [each.exitcode for each in processes]
        return [(code, *(path.read_text() for path in paths)) for code, paths in zip(codes, outputs, strict=True)]


def _be_rank(script, arguments, environment, outputs):
    os.environ.update(environment)
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream.fileno())
    torch.set_num_threads(1)
    sys.argv = ["", *arguments]
    exec(script, {"__name__": "__main__"})


def some_images(count=20):
    """So many images of 16×16 in memory."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 16, 16), dtype=np.uint8)
    nothing, unknown = np.zeros((count, 0), np.int8), np.full(count, -1, np.int8)
    return ImageSet(pixels, [], [], nothing, unknown, [], f"of {count} images", "memory")


def exact(config):
    """A GAN in double precision and without BatchNorm, in which images depend on their neighbours."""
    gan = GAN(config)
    for network in filter(None, (gan.generator, gan.discriminator, gan.averaged)):
        for name, layer in network.main.named_children():
            if isinstance(layer, nn.BatchNorm2d):
                network.main[int(name)] = nn.Identity()
        network.double().register_forward_pre_hook(lambda _, given: (given[0].double(),))
    rates, betas = (config.learning_rate_g, config.learning_rate_d), (config.beta1, config.beta2)
    gan.optimizer_g, gan.optimizer_d = map(make_adam, (gan.generator, gan.discriminator), rates, (betas, betas))
    return gan


def numbers(gan):
    """All that a training has changed, as tensors."""
    networks = (gan.generator, gan.discriminator, *filter(None, [gan.averaged]))
    moments = [
        value
        for each in (gan.optimizer_g, gan.optimizer_d)
        for state in each.state.values()
        for value in state.values()
    ]
    return [p.detach() for network in networks for p in network.parameters()] + moments


def same(ours, theirs):
    """Whether two lists of tensors hold the same bits."""
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
