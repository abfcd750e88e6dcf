"""Several ranks: they learn what one process does, hold the same weights, stop together, and notice who is gone."""

import os
import signal
import time

import pytest
import torch
from helpers.ranks import ends, exact, numbers, same, several, some_images

from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.train import fit

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes by signals")

# 21 steps of 8, 8 and 4 images; what is in each has no BatchNorm, where an image depends on its neighbours.
SMOOTH = {"discriminator_norm": "none", "epochs": 7, "flip": True, "learning_rate_g": 1e-3, "learning_rate_d": 1e-3}
VARIANTS = [
    {},
    {"r1_weight": 1.0, "r2_weight": 1.0, "penalty_every": 4, "average_half_life": 40, "schedule": "cosine"},
    {"augment": True, "spectral_norm": True, "label_smoothing": 0.1},
    {"objective": "wasserstein", "gradient_penalty": 1.0, "noise": "uniform"},
    {"batch_size": 4, "d_updates": 2, "g_updates": 2, "objective": "hinge"},
]

SCRIPT = """
import json, sys, time
from pathlib import Path
import torch
from helpers.ranks import exact, numbers, some_images
from dcgan_lib.compute.torchrun import rank
from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.train import fit, train_step
folder = Path(sys.argv[1])
"""


@pytest.fixture
def plain(tiny):
    """Settings that report after each step."""
    return tiny.replace(log_every=1)


def test_two_ranks_learn_what_one_process_does_to_rounding(tiny, tmp_path):
    configs = [tiny.replace(**SMOOTH | changes) for changes in VARIANTS]
    for number, config in enumerate(configs):
        config.save(tmp_path / f"{number}.yaml")
    script = SCRIPT + """
for path in sorted(folder.glob("*.yaml")):
    gan = exact(Config.from_file(path))
    reports = list(fit(gan, some_images()))
    series = [value for report in reports for value in report.series["loss_d"]]
    torch.save([numbers(gan), series, gan.random.get_state()], folder / f"{path.stem}-{rank()}.pt")
"""
    with several(script, tmp_path) as processes:
        for code, _, told in ends(processes):
            assert code == 0, told
    for number, config in enumerate(configs):
        gan = exact(config)
        losses = [value for report in fit(gan, some_images()) for value in report.series["loss_d"]]
        (first, series, random), (second, *others) = (torch.load(tmp_path / f"{number}-{rank}.pt") for rank in (0, 1))
        assert same(first, second)
        assert [series, random.tolist()] == [others[0], others[1].tolist()]
        assert torch.equal(random, gan.random.get_state())
        for ours, theirs in zip(first, numbers(gan), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
        assert series == pytest.approx(losses, rel=1e-5)
