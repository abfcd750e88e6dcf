"""`python benchmarks/profile_step.py`: where the time of a training step goes, by the kind of work, into RESULTS.md."""

import argparse
import time
from collections import Counter
from datetime import date

import torch
from results import machine, replace_part
from torch.profiler import ProfilerActivity, profile

from dcgan_lib.compute.device import keep_freed_memory
from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.train import noise_per_step, train_step

STEPS = 10

# The first whose word is in the name of an operation of PyTorch's.
KINDS = {
    "convolutions, back": ("convolution_backward",),
    "convolutions, forward": ("convolution", "conv"),
    "BatchNorm": ("batch_norm",),
    "Adam": ("adam",),
    "ReLU, LeakyReLU, tanh": ("relu", "leaky", "tanh", "threshold"),
    "copies, between layouts and precisions": ("copy", "contiguous", "clone"),
}


def kind_of(name: str) -> str:
    """Which of `KINDS` an operation is."""
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "all else")


def shares(config: Config) -> tuple[float, dict[str, float]]:
    """Milliseconds of a step, and the share of each kind of work in it, the largest first."""
    gan = GAN(config)
    keep_freed_memory()
    real = torch.rand(config.images_per_step, 3, 64, 64) * 2 - 1
    real = real.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        train_step(gan, real, gan.noise(noise_per_step(config, len(real))))

    for _ in range(3):
        step()
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    milliseconds = 1000 * (time.perf_counter() - began) / STEPS
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        for _ in range(STEPS):
            step()
    spent = Counter()
    for operation in recorded.key_averages():
        spent[kind_of(operation.key.removeprefix("aten::").lower())] += operation.self_cpu_time_total
    total = sum(spent.values())
    return milliseconds, {kind: time / total for kind, time in spent.most_common()}


def main() -> None:
    """Profile the articles' width and the modern recipe, print, and write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    configs = {
        "width 64, batch 128": Config(precision="auto", device="cpu"),
        "modern": Config.from_dict({"recipe": "modern", "device": "cpu"}),
    }
    found = {name: shares(config) for name, config in configs.items()}
    titles = [f"{name}: {milliseconds:.0f} ms a step" for name, (milliseconds, _) in found.items()]
    lines = [f"| what | {' | '.join(titles)} |", f"| --- |{' ---: |' * len(found)}"]
    for kind in (*KINDS, "all else"):
        lines.append(f"| {kind} | {' | '.join(f'{spent.get(kind, 0):.1%}' for _, spent in found.values())} |")
    print("\n".join(lines))
    replace_part("profile", f"{date.today()}, {machine()}; {STEPS} steps each.\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
