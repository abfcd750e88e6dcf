"""Several ranks: they learn what one process does, hold the same weights, stop together, and notice who is gone."""

import json
import os
import signal

import pytest
import torch
from helpers.ranks import exact, numbers, run_ranks, some_images

from dcgan_lib.compute import torchrun
from dcgan_lib.compute.torchrun import check_ranks, own_gpu
from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.train import fit

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes by signals")

SCRIPT = """
import contextlib, hashlib, json, os, signal, sys, time
from pathlib import Path
import torch
from helpers.ranks import exact, numbers, some_images
from dcgan_lib import train
from dcgan_lib.compute import ranks
from dcgan_lib.compute.torchrun import RankLost, rank
from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.train import TrainingDiverged, fit, train_step
folder = Path(sys.argv[1])
"""

# What can be computed without BatchNorm, by which images depend on their neighbours: 9 steps of 8, 8 and 4 images.
SMOOTH = {"discriminator_norm": "none", "epochs": 3, "flip": True, "learning_rate_g": 1e-3, "learning_rate_d": 1e-3}
VARIANTS = [
    {
        "r1_weight": 1.0,
        "r2_weight": 1.0,
        "penalty_every": 4,
        "average_half_life": 40,
        "schedule": "cosine",
        "epochs": 7,
    },
    {"augment": True, "spectral_norm": True, "label_smoothing": 0.1},
    {"objective": "wasserstein", "gradient_penalty": 1.0, "noise": "uniform"},
    {"batch_size": 4, "d_updates": 2, "g_updates": 2, "objective": "hinge"},
]


def test_two_ranks_learn_what_one_process_does_to_rounding(tiny, tmp_path):
    configs = [tiny.replace(**SMOOTH | changes) for changes in VARIANTS]
    for number, config in enumerate(configs):
        config.save(tmp_path / f"{number}.yaml")
    script = """
for path in sorted(folder.glob("*.yaml")):
    gan = exact(Config.from_file(path))
    losses = [value for report in fit(gan, some_images()) for value in report.series["loss_d"]]
    torch.save([numbers(gan), losses, gan.random.get_state()], folder / f"{path.stem}-{rank()}.pt")
"""
    assert [(code, told) for code, _, told in run_ranks(SCRIPT + script, tmp_path)] == [(0, "")] * 2
    for number, config in enumerate(configs):
        gan = exact(config)
        losses = [value for report in fit(gan, some_images()) for value in report.series["loss_d"]]
        for rank in (0, 1):
            theirs, told, random = torch.load(tmp_path / f"{number}-{rank}.pt")
            torch.testing.assert_close(theirs, numbers(gan), rtol=1e-9, atol=1e-12)
            assert told == pytest.approx(losses, rel=1e-5)  # they come in float32
            assert torch.equal(random, gan.random.get_state())


TRAIN = """
def weights(gan):
    return hashlib.sha256(b"".join(each.numpy().tobytes() for each in numbers(gan))).hexdigest()

def train(config, count=20, kill_at=None, killed=None):
    gan = GAN(config)
    noise = gan.noise
    def noise_or_death(count, *given):
        if gan.step == kill_at and rank() == killed and not given:
            os.kill(os.getpid(), signal.SIGKILL)
        return noise(count, *given)
    gan.noise = noise_or_death
    if rank() == 0 and (folder / "checkpoint.pt").exists():
        gan.resume(folder / "checkpoint.pt", some_images(count))
    for report in fit(gan, some_images(count)):
        yield gan, report
        if rank() == 0 and report.checkpoint_due:
            gan.noise(3)  # what the first rank's loop draws, the others draw on from there
            gan.save(folder / "checkpoint.pt", some_images(count))
"""
WHOLE = """
for gan, report in train(Config.from_file(folder / "config.yaml"), 19, *map(int, sys.argv[2:])):
    print(json.dumps([report.step, weights(gan), report.series]), flush=True)
"""


def lines(told):
    return [json.loads(line) for line in told.splitlines()]


def test_with_batchnorm_all_ranks_hold_the_same_weights_after_each_step(tiny, tmp_path):
    tiny.replace(log_every=1, augment=True, average_half_life=20).save(tmp_path / "config.yaml")  # 8, 8, 3 images
    (code, first, told), *others = run_ranks(SCRIPT + TRAIN + WHOLE, tmp_path, count=4)
    assert code == 0, told
    for code, other, _ in others:
        assert code == 0
        assert lines(other) == lines(first)
    assert [step for step, *_ in lines(first)] == list(range(1, 13))
    assert len({weights for _, weights, _ in lines(first)}) == 12


def test_a_run_of_which_a_rank_is_killed_ends_as_one_never_killed(tiny, tmp_path):
    config = tiny.replace(checkpoint_every=3, augment=True, average_half_life=20)
    for name in ("never", "killed"):
        (tmp_path / name).mkdir()
        config.save(tmp_path / name / "config.yaml")

    def run(name, *kill):
        return run_ranks(SCRIPT + TRAIN + WHOLE, tmp_path / name, *kill)

    (_, whole, _), _ = run("never")
    (code, *_), (other_code, _, told) = run("killed", 5, 0)
    assert (code, other_code) == (-signal.SIGKILL, 1)
    assert told.endswith(
        "RankLost: rank 0 has ended or doesn't answer: the same command goes on from the last checkpoint\n"
    )
    (code, _, told), (other_code, *_) = run("killed", 10, 1)
    assert (code, other_code) == (1, -signal.SIGKILL)
    assert "RankLost: rank 1 has ended" in told
    (code, rest, _), _ = run("killed")
    assert code == 0
    assert lines(rest)[0][0] == 10
    assert lines(rest)[-1] == lines(whole)[-1]

    gan = GAN(config).resume(tmp_path / "killed/checkpoint.pt", some_images(19))
    assert gan.step == 12
    longer = GAN(config.replace(epochs=5)).resume(tmp_path / "killed/checkpoint.pt", some_images(19))
    assert list(fit(longer, some_images(19)))[-1].step == 15  # one process goes on with what two have trained


def ended(script, folder):
    """Each rank's exit code, and its last line of errors."""
    return [(code, (told.splitlines() or [""])[-1]) for code, _, told in run_ranks(SCRIPT + TRAIN + script, folder)]


def test_all_stop_at_the_same_step_whoever_is_asked_to(tiny, tmp_path):
    tiny.replace(epochs=1000).save(tmp_path / "config.yaml")
    script = """
try:
    for gan, report in train(Config.from_file(folder / "config.yaml")):
        if report.step == 6 and rank() == 1:
            os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt as stopped:
    sys.exit(f"{stopped}; {report.interrupted}, {gan.step}")
"""
    (code, told), (_, other) = ended(script, tmp_path)
    assert code == 1
    assert told == other == "stopped after step 7 of 3000: run the same again to go on; True, 7"
    assert torch.load(tmp_path / "checkpoint.pt")["gan"]["step"] == 7


def test_a_loss_of_one_rank_that_is_not_finite_ends_all_at_its_step(tiny, tmp_path):
    tiny.save(tmp_path / "config.yaml")
    script = """
def step(gan, real, z):
    return train_step(gan, real * float("nan") if gan.step == 4 and rank() == 1 else real, z)
try:
    for report in fit(GAN(Config.from_file(folder / "config.yaml")), some_images(), step):
        pass
except TrainingDiverged as diverged:
    sys.exit(str(diverged))
"""
    advice = "lower the learning rates, or go on from the last checkpoint"
    assert ended(script, tmp_path) == [(1, f"a loss or a weight is not finite since step 5: {advice}")] * 2


def test_a_rank_that_hangs_is_named_and_ended_with_all_others(tiny, tmp_path):
    tiny.replace(epochs=1000).save(tmp_path / "config.yaml")
    script = """
ranks.PATIENCE, ranks.LOOK = 2.0, 0.2  # seconds
def step(gan, real, z):
    if gan.step == 4 and rank() == 1:
        time.sleep(600)
    return train_step(gan, real, z)
for report in fit(GAN(Config.from_file(folder / "config.yaml")), some_images(), step):
    if report.step == 2 and rank() == 0:
        time.sleep(3)  # an evaluation is waited for
"""
    (code, told), (other_code, other) = ended(script, tmp_path)
    assert (code, other_code, other) == (1, 1, "")
    assert "RankLost: rank 1 has ended or doesn't answer" in told


def test_where_the_first_rank_leaves_the_loop_the_others_do(tiny, tmp_path):
    tiny.save(tmp_path / "config.yaml")
    script = """
config = Config.from_file(folder / "config.yaml")
for report in fit(GAN(config), some_images()):
    if report.step == 4 and rank() == 0:
        break
print(report.step)
with ranks.join(GAN(config), some_images()) as joined:  # as `train_run` does where there is nothing left to train
    assert rank() == 0 or not joined.goes_on()
"""
    assert [(code, told) for code, told, _ in run_ranks(SCRIPT + script, tmp_path)] == [(0, "4\n")] * 2


def test_ranks_of_other_settings_or_images_are_told_apart_at_once(tiny, tmp_path):
    tiny.save(tmp_path / "config.yaml")
    script = """
config = Config.from_file(folder / "config.yaml").replace(learning_rate_g=0.1 + rank())
for _ in fit(GAN(config), some_images(20 + rank())):
    pass
"""
    (code, told), (other_code, _) = ended(script, tmp_path)
    assert (code, other_code) == (1, 1)
    settings = "learning_rate_g: 0.1 and 1.1, the images: 'of 20 images' and 'of 21 images'"
    assert told == f"ValueError: rank 0 and rank 1 must train with the same, but have {settings}"


@pytest.fixture
def of_four(monkeypatch):
    """This process is the third of four, as torchrun would tell it."""
    for name, value in {"RANK": 2, "WORLD_SIZE": 4, "LOCAL_RANK": 2, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")


def test_a_process_that_torchrun_did_not_start_is_by_itself_whatever_is_set(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert (torchrun.rank(), torchrun.ranks()) == (0, 1)


@pytest.mark.parametrize("batch_size", [8, 64])
def test_a_batch_that_can_be_shared_evenly_is_taken(of_four, batch_size):
    check_ranks(Config(batch_size=batch_size))
    assert (torchrun.rank(), torchrun.ranks()) == (2, 4)


@pytest.mark.parametrize("batch_size", [3, 4, 62])
def test_a_batch_that_cant_be_shared_is_refused(of_four, batch_size):
    with pytest.raises(
        ValueError, match=rf"^batch_size is {batch_size}, which 4 ranks can't share: make it a multiple"
    ):
        check_ranks(Config(batch_size=batch_size))


def test_each_rank_has_a_gpu_of_its_own(of_four):
    assert own_gpu("cuda", 8) == own_gpu("cuda", 4) == "cuda:2"
    assert own_gpu("cpu", 2) == "cpu"
    with pytest.raises(
        ValueError, match=r"^4 ranks were started on a machine with 2 GPUs: start 2, or set device to cpu$"
    ):
        own_gpu("cuda", 2)
    with pytest.raises(
        ValueError, match=r"^device is 'cuda:1', but each of 4 ranks takes a GPU of its own: set it to cuda$"
    ):
        own_gpu("cuda:1", 4)


def test_a_process_by_itself_takes_the_gpu_that_it_is_given():
    assert own_gpu("cuda:1", 4) == "cuda:1"
    assert own_gpu("cuda", 1) == "cuda"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two GPUs")
@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_two_gpus_hold_the_same_weights_and_a_graph_shares_their_gradients(tiny, tmp_path, cuda_graphs):
    tiny.replace(device="cuda", log_every=1, epochs=7, augment=True, cuda_graphs=cuda_graphs).save(
        tmp_path / "config.yaml"
    )
    whole = WHOLE.replace("weights(gan)", "[each.double().sum().item() for each in numbers(gan)]")
    (code, first, told), (other_code, second, _) = run_ranks(SCRIPT + TRAIN + whole, tmp_path, timeout=300)
    assert (code, other_code) == (0, 0), told
    assert "without a CUDA graph" not in told
    assert lines(first) == lines(second)
    assert lines(first)[-1][0] == 21
