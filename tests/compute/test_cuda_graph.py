"""The graphed step: when it warms up, records and replays, told by stand-ins; and that it learns the same, by a GPU."""

import contextlib
from types import SimpleNamespace

import pytest
import torch

from dcgan_lib.compute.cuda_graph import WARM_UP, GraphedStep
from dcgan_lib.gan import GAN
from dcgan_lib.train import fit

CUDA = torch.device("cuda", 1)

# What draws within the step, derives twice, or takes several batches.
GRADIENTS = {"augment": True, "r1_weight": 1.0, "gradient_penalty": 1.0, "discriminator_norm": "none"}
SELDOM = {"r1_weight": 1.0, "r2_weight": 1.0, "penalty_every": 2, "discriminator_norm": "none"}
SEVERAL = {"spectral_norm": True, "batch_size": 4, "d_updates": 2, "g_updates": 2}


def total(gan, real, z):
    """A step that only sums what it is given, and counts itself."""
    gan.step += 1
    return {"total": real.sum() + z.sum()}


def inputs(number, count=4):
    return torch.full((count, 3), float(number)), torch.full((count, 2), number / 2)


@pytest.fixture
def told(monkeypatch):
    """Stand-ins for what CUDA does, and a list of what was asked of them."""
    told, current = [], SimpleNamespace(wait_stream=lambda other: None)

    class Graph:
        def register_generator_state(self, random):
            told.append(f"registered {random}")

        def replay(self):
            told.append("replayed")
            (outputs,) = (outputs for graph, outputs in self.step.graphs.values() if graph is self)
            outputs["total"].copy_(self.step.real.sum() + self.step.z.sum())

    @contextlib.contextmanager
    def record(graph, stream, capture_error_mode):
        told.append(f"recorded on {stream.device}, {capture_error_mode}")
        yield

    def stream(device):
        return SimpleNamespace(device=device, wait_stream=lambda other: None)

    @contextlib.contextmanager
    def aside(stream):
        told.append("aside")
        yield

    for name, stand_in in {
        "CUDAGraph": Graph,
        "graph": record,
        "Stream": stream,
        "stream": aside,
        "current_stream": lambda device: current,
        "device": contextlib.nullcontext,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return told


def graphed(**changes):
    gan = SimpleNamespace(
        device=CUDA,
        config=SimpleNamespace(cuda_graphs=True, images_per_step=4, penalty_every=1),
        random="noise",
        step=0,
    )
    for name, value in changes.items():
        setattr(gan, name, value)
    step = GraphedStep(total, gan)
    torch.cuda.CUDAGraph.step = step  # which its stand-in replays
    return step


def test_a_few_steps_warm_up_one_is_recorded_and_from_then_on_all_are_replayed(told):
    step = graphed()
    for number in range(1, WARM_UP + 4):
        # 4 rows of three times the number, and 4 of twice its half: a replay takes this call's, not the recording's.
        assert step(*inputs(number))["total"] == 16 * number
        assert step.gan.step == number
    assert WARM_UP == 3
    recording = ["registered noise", "recorded on cuda:1, thread_local"]
    assert told == ["aside"] * 3 + recording + ["replayed"] * 3


def test_steps_with_penalties_and_without_are_recorded_once_each(told):
    step = graphed(config=SimpleNamespace(cuda_graphs=True, images_per_step=4, penalty_every=3))
    for number in range(1, 16):
        assert step(*inputs(number))["total"] == 16 * number
        assert step.gan.step == number
    # Of ten steps without penalties three warm up, and of five with them: the others are replayed.
    assert (told.count("aside"), told.count("registered noise"), told.count("replayed")) == (6, 2, 9)


def test_a_short_batch_is_computed_as_ever_whenever_it_comes(told):
    step = graphed()
    for number in range(1, 9):
        count = 4 if number % 2 else 3
        assert step(*inputs(number, count))["total"] == count * 4 * number
        assert step.gan.step == number
    assert told.count("aside") == 3  # the short ones warm nothing up
    assert told.count("replayed") == 1


def test_what_is_recorded_has_tensors_of_its_own(told):
    step = graphed()
    for _ in range(WARM_UP):
        step(*inputs(1))
    real, z = inputs(2)
    step(real, z)
    step(*inputs(3))
    assert (real[0, 0], z[0, 0]) == (2, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"device": torch.device("cpu")},
        {"device": torch.device("mps")},
        {"config": SimpleNamespace(cuda_graphs=False, images_per_step=4, penalty_every=1)},
    ],
    ids=["cpu", "mps", "switched off"],
)
def test_elsewhere_and_where_it_is_not_wanted_the_step_is_called_as_ever(told, changes):
    step = graphed(**changes)
    for number in range(1, 7):
        assert step(*inputs(number))["total"] == 16 * number
        assert step.gan.step == number
    assert told == []


def test_where_recording_fails_training_goes_on_without_in_one_line(told, monkeypatch):
    step = graphed()
    for number in range(1, WARM_UP + 1):
        step(*inputs(number))

    def fail(*_, **__):
        raise RuntimeError("operation not permitted when stream is capturing\nand a long trace")

    monkeypatch.setattr(torch.cuda, "graph", fail)
    with pytest.warns(
        UserWarning, match=r"^training goes on without a CUDA graph, which failed: operation .* capturing$"
    ):
        assert step(*inputs(4))["total"] == 64
    assert step(*inputs(5))["total"] == 80
    assert step.gan.step == WARM_UP + 2
    assert "replayed" not in told


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("changes", [{}, GRADIENTS, SELDOM, SEVERAL])
def test_graphs_learn_what_plain_steps_do_within_rounding(tiny, images, monkeypatch, changes):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)  # else it may choose other kernels
    config = tiny.replace(device="cuda", epochs=7, average_half_life=20, **changes)  # 14 whole batches, 7 short ones
    series, states = [], []
    for cuda_graphs in (True, False):
        gan = GAN(config.replace(cuda_graphs=cuda_graphs))
        reports = list(fit(gan, images))
        series.append([value for report in reports for values in report.series.values() for value in values])
        states.append(gan.random.get_state())
        assert gan.step == 21
    assert series[0] == pytest.approx(series[1], rel=1e-2, abs=1e-3)
    assert torch.equal(*states)
