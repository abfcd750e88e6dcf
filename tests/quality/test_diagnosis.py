"""What is found in a run's record: each fault by its name, since the step at which it begins, and nothing else."""

import dataclasses
import math
import shutil

import numpy as np
import pytest
import torch
from helpers.records import operation, picture, write_process

from dcgan_lib.__main__ import main
from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_grid
from dcgan_lib.quality import diagnosis
from dcgan_lib.quality.diagnosis import diagnose
from dcgan_lib.records import writing
from dcgan_lib.records.paths import PATHS
from dcgan_lib.records.reading import load_run
from dcgan_lib.train import fit

STEPS = 1000
FAULT = 400  # the step after which it begins
S = np.arange(1, STEPS + 1)
BEATEN = {"accuracy_real": np.ones(STEPS), "accuracy_fake": np.ones(STEPS), "d_fake_after": np.full(STEPS, 0.001)}
SWINGS = 2.0 + 1.5 * np.sin(2 * np.pi * S / 80)
CRITIC = {"objective": "wasserstein", "discriminator_norm": "none", "gradient_penalty": 10.0}
CRITICAL = BEATEN | {"d_fake_after": np.full(STEPS, -30.0)}

HEALTHY = {"loss_d": 0.9, "loss_g": 2.0, "d_real": 0.7, "d_fake_before": 0.2, "d_fake_after": 0.15}
HEALTHY |= {"accuracy_real": 0.8, "accuracy_fake": 0.85, "gradient_d": 20.0, "gradient_g": 15.0}
HEALTHY |= {"saturation": 0.0, "variety": 0.9, "real_low": -1.0, "real_high": 1.0}


KINDS = {bool: "AssignBool", int: "AssignInt", float: "AssignFloat", str: "AssignString"}


@pytest.fixture
def record(tmp_path):
    """Writes a record of `STEPS` steps, healthy but for the series given, and reads it back."""

    def write(series=None, *, scores=(), grids=(), steps=STEPS, **settings):
        values = {name: np.full(steps, value) for name, value in HEALTHY.items()} | (series or {})
        points = {PATHS[name]: list(enumerate(curve.tolist(), 1)) for name, curve in values.items()}
        for step, score in scores:
            for name, value in score.items():
                points.setdefault(f"metrics/{name}", []).append((step, value))
        config = Config(**{"image_size": 32} | settings).to_dict()
        fields = {f"config/hyperparameters/{name}": value for name, value in config.items()}
        fields["training/state"] = "finished"
        lines = []
        for path, value in fields.items():
            lines.append(operation(len(lines), type=KINDS[type(value)], path=path.split("/"), value=value))
        for path, curve in points.items():
            rows = [{"value": value, "step": step, "ts": 0.0} for step, value in curve]
            lines.append(operation(len(lines), type="LogFloats", path=path.split("/"), values=rows))
        for step, images in grids:
            lines.append(picture(step, len(lines), to_grid(images)))
        write_process(tmp_path / "run/neptune", "1", *lines)
        return load_run(tmp_path / "run")

    return write


def later(before, after):
    """A series that changes after step `FAULT`."""
    return np.where(S > FAULT, after, before).astype(float)


def found(run):
    """The names of what is found, and since when."""
    return {finding.what: finding.since for finding in diagnose(run)}


def soft_images(count=16, side=32, pattern=0.0):
    """Smooth random images in [-1, 1], with a pattern of 2 pixels of that strength."""
    random = torch.Generator().manual_seed(0)
    small = torch.randn(count, 3, 4, 4, generator=random)
    smooth = torch.nn.functional.interpolate(small, size=(side, side), mode="bicubic") * 0.3
    grain = 0.02 * torch.randn(count, 3, side, side, generator=random)
    stripes = torch.tensor([1.0, -1.0]).repeat(side // 2)
    return (smooth + grain + pattern * stripes).clamp(-1, 1)


def test_nothing_is_found_in_a_healthy_run(record):
    grids = [(step, soft_images()) for step in range(0, STEPS + 1, 100)]
    scores = [(step, {"overfitting": 0.05, "copying": 1.0, "novelty": 1.0}) for step in (500, 1000)]
    assert diagnose(record(scores=scores, grids=grids)) == []


@pytest.mark.parametrize(
    ("fault", "series"),
    [
        ("D has won", {"accuracy_real": (0.8, 1.0), "accuracy_fake": (0.9, 1.0), "d_fake_after": (0.15, 0.001)}),
        ("vanishing gradients", {"gradient_g": (15.0, 0.001)}),
        ("mode collapse", {"variety": (0.9, 0.05)}),
        ("divergence", {"loss_g": (2.0, 1e6)}),
        ("divergence", {"loss_d": (2.0, -1e6)}),
        ("wrong value range", {"real_low": (-1.0, 0.0)}),
        ("wrong value range", {"real_high": (1.0, 255.0)}),
    ],
)
def test_a_fault_is_named_with_the_step_since_which_it_lasts(record, fault, series):
    run = record({name: later(*values) for name, values in series.items()})
    (finding,) = diagnose(run)
    assert finding.what == fault
    assert FAULT < finding.since <= FAULT + diagnosis.WINDOW
    assert pytest.approx(abs(list(series.values())[-1][1])) in [abs(value) for value in finding.evidence.values()]
    line = str(finding)
    assert line.startswith(f"{fault}, since step {finding.since}: ")
    assert ". Try: " in line


@pytest.mark.parametrize(
    ("series", "settings"),
    [
        pytest.param({"variety": np.where((S > 300) & (S < 600), 0.05, 0.9)}, {}, id="a fault that passes"),
        pytest.param({"accuracy_fake": 0.95 + 0 * S, "variety": 0.15 + 0 * S}, {}, id="the grey fakes of the start"),
        pytest.param({"variety": np.linspace(0.3, 1.0, STEPS)}, {}, id="a variety that grows"),
        pytest.param({"loss_g": 2 + 6 * np.exp(-(((S - 100) / 40) ** 2))}, {}, id="a hump at the beginning"),
        pytest.param({"loss_g": SWINGS}, {"objective": "hinge"}, id="a swing of a loss that has no scale"),
        pytest.param(CRITICAL, CRITIC, id="the outputs of a critic, which have no scale"),
    ],
)
def test_what_is_no_fault_is_not_found(record, series, settings):
    assert found(record(series, **settings)) == {}


def test_first_steps_are_not_judged(record):
    """There any D is ahead, and any G's images are alike."""
    steps = diagnosis.SETTLING + diagnosis.HELD - 1
    series = {"accuracy_real": 1.0, "accuracy_fake": 1.0, "d_fake_after": 0.0, "variety": 0.1, "gradient_g": 0.001}
    assert found(record({name: np.full(steps, value) for name, value in series.items()}, steps=steps)) == {}


def test_a_collapse_is_one_only_where_d_does_not_see_through_it(record):
    assert set(found(record(BEATEN | {"variety": later(0.9, 0.05)}))) == {"D has won"}


def test_a_d_that_errs_in_single_batches_has_won_all_the_same(record):
    """Every twelfth is one in which it is wrong about everything: its mean is that of many a healthy run."""
    right = np.where(np.arange(STEPS) % 12 == 0, 0.0, 1.0)
    beaten = {"accuracy_real": right, "accuracy_fake": right, "d_fake_after": np.where(right == 1, 0.001, 0.9)}
    assert set(found(record(beaten))) == {"D has won"}


def test_a_variety_that_swings_is_an_oscillation(record):
    period = diagnosis.HELD / 4
    run = record({"variety": 0.6 + 0.3 * np.sin(2 * np.pi * S / period) * (S > FAULT)})
    (finding,) = diagnose(run)
    assert finding.what == "oscillation"
    assert FAULT < finding.since < FAULT + diagnosis.HELD
    # A sine's deviation, averaged over 20 steps, and without the line that is in four periods of it.
    share = 1 - 6 / (4 * math.pi) ** 2
    expected = 0.3 / math.sqrt(2) / 0.6 * np.sinc(20 / period) * math.sqrt(share)
    assert finding.evidence["swings of variety"] == pytest.approx(expected, rel=0.03)


def test_a_loss_of_g_that_swings_is_one_too(record):
    assert set(found(record({"loss_g": SWINGS}))) == {"oscillation"}


@pytest.mark.parametrize(("since", "faults"), [(600, {"checkerboard": 700}), (800, {})])
def test_patterns_in_three_grids_are_a_checkerboard_and_in_two_are_not(record, since, faults):
    grids = [(step, soft_images(pattern=0.1 * (step > since))) for step in range(0, STEPS + 1, 100)]
    assert found(record(grids=grids)) == faults


@pytest.mark.parametrize(
    ("name", "good", "bad", "fault"),
    [
        ("overfitting", 0.1, 0.9, "too few images"),
        ("copying", 1.0, 0.3, "memorisation"),
        ("saturation", 0.03, 0.25, "burnt-out images"),
    ],
)
def test_scores_tell_what_was_learnt_by_heart_and_what_is_burnt_out(record, name, good, bad, fault):
    scores = [(step, {name: value, "diversity": 0.9}) for step, value in ((300, good), (600, bad), (1000, bad))]
    assert found(record(scores=scores)) == {fault: 600}


def test_what_a_run_has_already_is_not_advised_against_burnt_out_images(record):
    scores, flat = [(step, {"saturation": 0.3}) for step in (600, 1000)], {"discriminator_norm": "none"}
    (finding,) = diagnose(record(scores=scores, **flat, r1_weight=0.3, r2_weight=0.3))
    assert finding.advice == "lower both learning rates"


@pytest.mark.parametrize(("side", "count"), [(32, 1), (16, 64), (64, 5)])
def test_grids_of_any_form_are_looked_at(record, side, count):
    """One image has no frame around it, and few leave places empty."""
    images = soft_images(count, side, pattern=0.2)
    grids = [(step, images) for step in range(0, STEPS + 1, 100)]
    assert found(record(grids=grids, image_size=side, sample_count=count)) == {"checkerboard": 300}


def test_a_record_of_other_code_is_no_reason_to_stop(tmp_path, capsys):
    """It has grids and no settings, or a picture that is no grid; and no series that could be judged."""
    with writing.open_run(Config(image_size=64), tmp_path / "run") as run:
        for step in (300, 400, 500):
            writing.log_images(run, np.zeros((8, 8, 3), np.uint8), step)
    assert diagnose(load_run(tmp_path / "run")) == []
    assert main(["diagnose", str(tmp_path / "run")]) == 0
    assert "nothing found: its record has no training/health" in capsys.readouterr().out


def test_series_that_begin_at_different_steps_are_held_against_each_other_step_by_step(tmp_path):
    """A run of version 0.3 that goes on: D(G(z)) was near 0 at first, when nobody recorded how often D was right."""
    with writing.open_run(Config(), tmp_path / "run") as run:
        run["training/batch/D_G_z2"].extend([0.0] * 500 + [0.4] * 500, steps=list(range(1, 1001)))
        for player in ("real", "fake"):
            run[f"training/health/accuracy_{player}"].extend([1.0] * 500, steps=list(range(501, 1001)))
    assert diagnose(load_run(tmp_path / "run")) == []


def test_what_was_to_be_seen_earlier(record):
    run = record({"variety": later(0.9, 0.05)}, scores=[(300, {"overfitting": 0.1}), (800, {"overfitting": 0.9})])
    assert set(found(run)) == {"mode collapse", "too few images"}
    assert [finding.what for finding in diagnose(run, until=800)] == ["too few images", "mode collapse"]
    assert [finding.what for finding in diagnose(run, until=799)] == ["mode collapse"]
    assert diagnose(run, until=450) == []


def test_advice_is_something_that_the_run_has_not_tried_and_could(record):
    (finding,) = diagnose(record(BEATEN, objective="hinge", beta1=0.9, g_updates=2))
    assert "beta1: 0.5" in finding.advice
    assert "g_updates" not in finding.advice
    assert "label_smoothing" not in finding.advice


def test_images_of_the_wrong_range_are_found_in_a_training_that_goes_on(tiny, images, tmp_path):
    """By what `fit` itself reports, after 20 steps."""
    halved = dataclasses.replace(images, images=images.images // 2 + 128)
    gan = GAN(tiny.replace(epochs=8))
    with writing.open_run(gan.config, tmp_path / "run", gan=gan, images=halved) as run:
        for report in fit(gan, halved):
            writing.log_report(run, report)
        run.wait()
        (finding,) = diagnose(load_run(tmp_path / "run"))
    assert finding.what == "wrong value range"
    assert finding.evidence["lowest"] == pytest.approx(0, abs=0.1)


def test_a_training_that_diverges_is_named_with_its_step(tiny, images, tmp_path):
    gan = GAN(tiny)
    with writing.open_run(gan.config, tmp_path / "run", gan=gan, images=images) as run:
        gan.discriminator.main[0].weight.data[0] = float("nan")
        with pytest.raises(ArithmeticError):
            for report in fit(gan, images):
                writing.log_report(run, report)
        run.wait()
    finding = diagnose(load_run(tmp_path / "run"))[0]
    assert (finding.what, finding.since) == ("divergence", 1)


def test_the_command_prints_what_is_found_and_where_it_is_too_early_to_tell(record, tmp_path, capsys):
    record({"variety": later(0.9, 0.05)})
    assert main(["diagnose", str(tmp_path / "run")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "run: 1,000 steps, finished"
    assert second.startswith("  mode collapse, since step 4")
    shutil.rmtree(tmp_path / "run")
    record(steps=40)
    assert main(["diagnose", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "  nothing found, but it takes 500 steps to tell"
    assert main(["diagnose", str(tmp_path / "nowhere")]) == 1
    assert "nowhere: train first" in capsys.readouterr().err
