"""`python benchmarks/ranks.py`: what several ranks bring on this machine, and what it costs them to share gradients;
prints a table, and rewrites its part of RESULTS.md.

Without several GPUs: two ranks on a core each beside one on two cores. Nothing else may run meanwhile. Takes about 12
minutes on 2 cores. What is compared runs in turn, several times; a row has the median and the range.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from datetime import date
from typing import Any

import torch
from bench import REPEATS, Table, steady
from results import machine, replace_part

from dcgan_lib.compute import ranks
from dcgan_lib.compute.torchrun import rank
from dcgan_lib.config import Config
from dcgan_lib.data import load_images
from dcgan_lib.gan import GAN

GPUS = torch.cuda.device_count()
DEVICE, COUNT = ("cuda", GPUS) if GPUS > 1 else ("cpu", 2)
SIZES = (1_000, 100_000, 1_000_000, 6_342_272)  # numbers; the last are both networks' at width 64


def call(function: str, *arguments: Any, count: int, threads: int) -> Any:
    """What a function of this file gives on the first of so many ranks, which compute on so many threads each."""
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    command = [sys.executable, "-m", *torchrun, __file__, "--call", function, json.dumps(arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def training(settings: dict[str, Any]) -> float:
    """Images per second of all ranks, the median of the reports of 60 steps."""
    config = Config.from_dict(settings)
    return statistics.median(steady(config, load_images(config), 60))


def sharing(size: int) -> float:
    """Seconds in which ranks average so many gradients, the median of 20 turns."""
    gan = GAN(Config(device=DEVICE, image_size=16, generator_width=1, discriminator_width=1))
    weight = torch.nn.Parameter(torch.zeros(size, device=gan.device))
    weight.grad = torch.ones_like(weight)
    optimizer = torch.optim.SGD([weight])
    with ranks.join(gan, load_images(Config())) as joined:
        joined.goes_on()
        took = []
        for _ in range(25):
            joined.any(False)  # so that they begin together
            began = time.perf_counter()
            joined.average(optimizer)
            weight.grad[0].item()  # waits for a GPU
            took.append(time.perf_counter() - began)
    return statistics.median(took[5:])


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--call", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if options.call:
        function, arguments = options.call
        found = globals()[function](*json.loads(arguments))
        if rank() == 0:
            print(json.dumps(found))
        return
    load_images(Config())  # painted and prepared before anything is timed
    began = time.perf_counter()
    table = Table()
    table.row("machine", machine())
    for name, settings in {
        "recipe modern, width 32, batch 64": {"recipe": "modern", "precision": "fp32"},
        "width 64, batch 128": {},
    }.items():
        settings |= {"device": DEVICE}
        one, several = [], []
        for _ in range(REPEATS):
            one.append(call("training", settings, count=1, threads=1 if GPUS > 1 else 2))
            several.append(call("training", settings, count=COUNT, threads=1))
        table.row(f"{name}, 1 rank{'' if GPUS > 1 else ' on 2 threads'}", one, "images/s")
        table.row(f"{name}, {COUNT} ranks{'' if GPUS > 1 else ' on a thread each'}", several, "images/s")
        table.row("… times as fast", [b / a for a, b in zip(one, several, strict=True)])
    for size in SIZES:
        took = [1000 * call("sharing", size, count=COUNT, threads=1) for _ in range(REPEATS)]
        table.row(f"averaging {size:,} gradients ({4 * size / 1e6:,.3g} MB) over {COUNT} ranks", took, "ms")
    minutes = (time.perf_counter() - began) / 60
    what = f"{date.today()}, `python benchmarks/ranks.py`, {minutes:.0f} minutes."
    replace_part("ranks", f"{what}\n\n" + "\n".join(table.lines))


if __name__ == "__main__":
    main()
