"""Several ranks of a script on this machine, as torchrun starts them, without the seconds that torchrun takes."""

import contextlib
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from dcgan_lib.compute.optimizers import make_adam
from dcgan_lib.data import ImageSet
from dcgan_lib.gan import GAN

TESTS = Path(__file__).parents[1]


@contextlib.contextmanager
def several(script, *arguments, count=2, **environment):
    """Processes of a script, rank 0 first; killed at the end where they haven't ended."""
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "WORLD_SIZE": str(count)}
    told |= {"LOCAL_WORLD_SIZE": str(count), "TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    told |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"} | environment
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": TESTS.parent}
    places = ({"RANK": str(each), "LOCAL_RANK": str(each)} for each in range(count))
    processes = [subprocess.Popen(command, env=os.environ | told | place, **pipes) for place in places]
    try:
        yield processes
    finally:
        for each in processes:
            if each.poll() is None:
                each.kill()
            each.communicate()


def ends(processes, timeout=120):
    """Each process's exit code, output and errors."""
    told = [each.communicate(timeout=timeout) for each in processes]
    return [(each.returncode, *texts) for each, texts in zip(processes, told, strict=True)]


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
    moments = [value for each in (gan.optimizer_g, gan.optimizer_d) for state in each.state.values() for value in state.values()]
    return [p.detach() for network in networks for p in network.parameters()] + moments


def same(ours, theirs):
    """Whether two lists of tensors hold the same bits."""
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
