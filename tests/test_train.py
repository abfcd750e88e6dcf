"""Training: the articles' algorithm to the last digits, repeatable, resumable at any step, and stopped cleanly."""

import dataclasses
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.reference import ReferenceLoop, reference_discriminator, reference_generator
from torch.utils._python_dispatch import TorchDispatchMode

from dcgan_lib import gan as gan_module
from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.health import HEALTH, STATISTICS, measure
from dcgan_lib.losses import between, gradient_penalty, slope_penalty
from dcgan_lib.train import TrainingDiverged, fit, noise_per_step, train_step


def stepped(gan, real, z):
    """One step, and what it tells."""
    return measure(gan, train_step(gan, real, z))


def run_to_the_end(gan, images):
    return list(fit(gan, images))


def weights(gan):
    return [*gan.generator.state_dict().values(), *gan.discriminator.state_dict().values()]


def same(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(("dtype", "steps", "tolerance"), [(torch.float64, 20, 1e-6), (torch.float32, 1, 1e-5)])
def test_train_step_is_the_articles_loop(dtype, steps, tolerance):
    config = Config(generator_width=8, discriminator_width=8, batch_size=8, device="cpu")
    gan = GAN(config)
    reference = ReferenceLoop(reference_generator(ngf=8).to(dtype), reference_discriminator(ndf=8).to(dtype))
    reference.netG.load_state_dict(gan.generator.main.state_dict())
    reference.netD.load_state_dict(gan.discriminator.main.state_dict())
    gan.generator.to(dtype)
    gan.discriminator.to(dtype)

    draw = torch.Generator().manual_seed(5)
    for _ in range(steps):
        real = torch.rand(8, 3, 64, 64, generator=draw, dtype=dtype) * 2 - 1
        z = torch.randn(8, 100, generator=draw, dtype=dtype)
        ours = stepped(gan, real, z)
        theirs = reference.step(real, z)
        assert [ours[name].item() for name in STATISTICS] == pytest.approx(theirs, rel=tolerance)
    ours, theirs = gan.generator.main.state_dict(), reference.netG.state_dict()
    if dtype == torch.float64:
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-8)


class Readings(TorchDispatchMode):
    """Counts how often a number is read from a tensor, as .item() and `if tensor` do: a GPU would be waited for."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(options or {}))


def test_no_step_reads_a_number_from_the_device(tiny, images):
    reports = fit(GAN(tiny.replace(log_every=3, sample_every=500, checkpoint_every=500)), images)
    with Readings() as readings:
        assert next(reports).step == 3
        assert readings.count == 0
        torch.ones(1).item()
    assert readings.count == 1


def test_smoothed_labels_reach_the_discriminator_alone(tiny, images):
    real, z = images.batch(torch.arange(8), "cpu"), torch.randn(8, 10)
    gan = GAN(tiny.replace(label_smoothing=0.1))
    logits = []
    gan.discriminator.register_forward_hook(lambda _, __, output: logits.append(output.detach().clone()))
    losses = stepped(gan, real, z)
    on_real, on_fake, on_fake_after = (each.sigmoid() for each in logits)
    expected = -(0.9 * on_real.log() + 0.1 * (1 - on_real).log()).mean() - (1 - on_fake).log().mean()
    torch.testing.assert_close(losses["loss_d"], expected)
    torch.testing.assert_close(losses["loss_g"], -on_fake_after.log().mean())


def test_bf16_stays_near_fp32(tiny, images):
    real, z = images.batch(torch.arange(8), "cpu"), torch.randn(8, 10)
    full = stepped(GAN(tiny), real, z)
    half = stepped(GAN(tiny.replace(precision="bf16")), real, z)
    for name in STATISTICS + HEALTH:
        assert half[name].dtype == torch.float32
        assert half[name].item() == pytest.approx(full[name].item(), rel=0.02, abs=1e-3)
    assert any(half[name] != full[name] for name in STATISTICS)  # it really was computed otherwise


def test_r1_adds_its_gradient_to_that_of_the_discriminators_loss(tiny, images):
    real, z = images.batch(torch.arange(8), "cpu"), torch.randn(8, 10)
    plain, flat = GAN(tiny), GAN(tiny.replace(r1_weight=5.0))
    weights = list(plain.discriminator.parameters())
    image = real.clone().requires_grad_()
    penalty = 5 * slope_penalty(plain.discriminator(image), image)
    expected = torch.autograd.grad(penalty, weights)

    without, with_it = stepped(plain, real, z), stepped(flat, real, z)
    assert penalty > 0.01
    assert with_it["loss_d"] == without["loss_d"]  # which is shown as a curve: penalties would hide the game in it
    for before, after, slope in zip(weights, flat.discriminator.parameters(), expected, strict=True):
        torch.testing.assert_close(after.grad - before.grad, slope, rtol=1e-3, atol=1e-5)
    assert with_it["d_real"] == without["d_real"]
    assert not real.requires_grad


def test_r2_is_the_same_at_fakes_and_both_make_the_loss_that_a_derivative_by_hand_gives(tiny, images):
    real, z = images.batch(torch.arange(8), "cpu"), torch.randn(8, 10)
    game = {"objective": "relativistic", "discriminator_norm": "none"}
    plain, flat = (GAN(tiny.replace(**game, **more)) for more in ({}, {"r1_weight": 2.0, "r2_weight": 3.0}))
    image, fake = (each.clone().detach().requires_grad_() for each in (real, plain.generator(z)))
    penalty = 2 * slope_penalty(plain.discriminator(image), image) + 3 * slope_penalty(plain.discriminator(fake), fake)
    expected = torch.autograd.grad(penalty, list(plain.discriminator.parameters()), allow_unused=True)

    without, with_it = stepped(plain, real, z), stepped(flat, real, z)
    assert with_it["loss_d"] == without["loss_d"]
    weights = zip(plain.discriminator.parameters(), flat.discriminator.parameters(), expected, strict=True)
    for before, after, slope in weights:
        slope = torch.zeros_like(before) if slope is None else slope
        torch.testing.assert_close(after.grad - before.grad, slope, rtol=1e-3, atol=1e-6)


def test_penalties_of_every_third_step_weigh_three_times_as_much_there_and_nothing_between(tiny, images):
    real, z = images.batch(torch.arange(8), "cpu"), torch.randn(8, 10)
    game = {"discriminator_norm": "none", "r1_weight": 2.0, "r2_weight": 2.0, "learning_rate_d": 1e-9}
    gradients = []
    for changes in ({}, {"penalty_every": 3}, {"r1_weight": 0.0, "r2_weight": 0.0}):
        gan = GAN(tiny.replace(**game | changes, learning_rate_g=1e-9))  # the networks stay as they are
        for _ in range(4):
            stepped(gan, real, z)
            gradients.append(torch.cat([p.grad.flatten() for p in gan.discriminator.parameters()]))
    always, third, never = gradients[:4], gradients[4:8], gradients[8:]
    assert (always[0] - never[0]).norm() > 1e-4
    for step in range(4):
        expected = never[step] + (3 * (always[step] - never[step]) if step % 3 == 0 else 0)
        torch.testing.assert_close(third[step], expected, rtol=1e-3, atol=1e-5)


def test_a_relativistic_game_holds_each_fake_against_another_image_than_d_did(tiny, images):
    real, z = images.batch(torch.arange(8), "cpu"), torch.randn(8, 10)
    gan, seen = GAN(tiny.replace(objective="relativistic", discriminator_norm="none")), []
    gan.discriminator.register_forward_hook(lambda _, given, logits: seen.append((given[0].detach(), logits.detach())))
    losses = stepped(gan, real, z)
    (_, on_real), (_, on_fake), (_, on_fake_after), (others, on_others) = seen
    assert torch.equal(others, real.roll(1, 0))
    softplus = torch.nn.functional.softplus
    torch.testing.assert_close(losses["loss_d"], softplus(on_fake - on_real).mean())
    torch.testing.assert_close(losses["loss_g"], softplus(on_others - on_fake_after).mean())


def rates(gan):
    return [group["lr"] for each in (gan.optimizer_d, gan.optimizer_g) for group in each.param_groups]


@pytest.mark.parametrize(("schedule", "shares"), [("constant", [1, 1, 1, 1]), ("cosine", [1, 0.8536, 0.5, 0.1464])])
def test_rates_fall_by_a_cosine_over_the_runs_own_length_where_the_config_says_so(tiny, images, schedule, shares):
    gan = GAN(tiny.replace(schedule=schedule, learning_rate_d=1e-3, learning_rate_g=1e-4, batch_size=20, epochs=4))
    used = []
    gan.optimizer_g.register_step_pre_hook(lambda *_: used.append(rates(gan)))
    run_to_the_end(gan, images)  # 4 steps
    assert used == [pytest.approx([share * 1e-3, share * 1e-4], rel=1e-3) for share in shares]


def test_constant_rates_are_left_to_who_changes_them_between_reports(tiny, images):
    gan = GAN(tiny.replace(epochs=1, log_every=1))
    for _ in fit(gan, images):
        gan.optimizer_d.param_groups[0]["lr"] = 1e-6
    assert rates(gan)[0] == 1e-6


def test_a_run_with_falling_rates_goes_on_where_it_stopped(tiny, images, tmp_path):
    config = tiny.replace(schedule="cosine", epochs=2, log_every=1)
    whole, half = GAN(config), GAN(config)
    run_to_the_end(whole, images)
    for report in fit(half, images):
        if report.step == 3:
            half.save(tmp_path / "c.pt", images)
            break
    rest = GAN(config).resume(tmp_path / "c.pt", images)
    run_to_the_end(rest, images)
    assert same(weights(whole), weights(rest))


def test_hinge_is_what_both_play_for_where_the_config_says_so(tiny, images):
    real, z = images.batch(torch.arange(8), "cpu"), torch.randn(8, 10)
    gan, logits = GAN(tiny.replace(objective="hinge")), []
    gan.discriminator.register_forward_hook(lambda _, __, output: logits.append(output.detach().clone()))
    losses = stepped(gan, real, z)
    on_real, on_fake, on_fake_after = logits
    expected = (1 - on_real).clamp(min=0).mean() + (1 + on_fake).clamp(min=0).mean()
    torch.testing.assert_close(losses["loss_d"], expected)
    torch.testing.assert_close(losses["loss_g"], -on_fake_after.mean())


def updates(gan):
    """Which optimiser updates when, and the size of every batch that D sees: filled as the GAN trains."""
    events = []
    gan.optimizer_d.register_step_post_hook(lambda *_: events.append("D"))
    gan.optimizer_g.register_step_post_hook(lambda *_: events.append("G"))
    gan.discriminator.register_forward_hook(lambda _, arguments, __: events.append(len(arguments[0])))
    return events


def test_several_updates_of_d_each_see_images_and_noise_of_their_own(tiny, images):
    gan = GAN(tiny.replace(batch_size=4, d_updates=3, g_updates=2))
    events, noise, real = updates(gan), [], []
    gan.generator.register_forward_hook(lambda _, arguments, __: noise.append(arguments[0]))
    gan.discriminator.register_forward_hook(lambda _, arguments, __: real.append(arguments[0]))
    batch, z = images.batch(torch.arange(12), "cpu"), gan.noise(16)
    assert noise_per_step(gan.config, 12) == 16
    stepped(gan, batch, z)
    assert events == [4, 4, "D"] * 3 + [4, "G"] * 2
    assert torch.equal(torch.cat(noise), z)  # each vector once: G's first update takes D's last fakes
    assert torch.equal(torch.cat(real[:6:2]), batch)
    assert gan.step == 1


def test_an_epoch_of_several_updates_shows_each_image_once_and_its_rest_is_shared(tiny, images):
    gan = GAN(tiny.replace(batch_size=4, d_updates=2, epochs=1, log_every=1))
    events = updates(gan)
    assert len(run_to_the_end(gan, images)) == gan.config.steps_per_epoch(20) == 3
    whole = [4, 4, "D", 4, 4, "D", 4, "G"]
    assert events == whole * 2 + [2, 2, "D", 2, 2, "D", 2, "G"]


def test_fit_takes_a_step_of_ones_own(tiny, images):
    """As notebook 6 has it: real images and fakes in one batch, which BatchNorm then normalises together."""
    seen = []

    def mixed_step(gan, real, z):
        seen.append(len(real))
        step = train_step(gan, real, z)
        return step._replace(loss_d=torch.zeros(()))

    reports = list(fit(GAN(tiny.replace(epochs=1)), images, step=mixed_step))
    assert seen == [8, 8, 4]
    assert [value for report in reports for value in report.series["loss_d"]] == [0.0] * 3


def test_a_gradient_penalty_adds_its_gradient_between_real_images_and_fakes(tiny, images):
    real, z = images.batch(torch.arange(8), "cpu"), torch.randn(8, 10)
    plain, held = (GAN(tiny.replace(discriminator_norm="none", gradient_penalty=each)) for each in (0.0, 7.0))
    mixed = between(real, plain.generator(z), torch.Generator().manual_seed(tiny.seed))
    penalty = 7 * gradient_penalty(plain.discriminator(mixed), mixed)
    weights = list(plain.discriminator.parameters())
    expected = torch.autograd.grad(penalty, weights, allow_unused=True)  # the last bias has no part in a slope

    without, with_it = stepped(plain, real, z), stepped(held, real, z)
    assert with_it["loss_d"] == without["loss_d"]
    for before, after, slope in zip(weights, held.discriminator.parameters(), expected, strict=True):
        slope = torch.zeros_like(before) if slope is None else slope
        torch.testing.assert_close(after.grad - before.grad, slope, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("batch_size", "d_updates", "count"), [(8, 1, 17), (4, 2, 19)])
def test_a_last_batch_of_a_single_image_is_trained_on_like_any_other(tiny, images, batch_size, d_updates, count):
    some = dataclasses.replace(images, images=images.images[:count], partition=images.partition[:count])
    gan = GAN(tiny.replace(batch_size=batch_size, d_updates=d_updates, epochs=1))
    *_, report = fit(gan, some)
    assert report.step == 3
    assert report.diverged_at is None
    assert math.isnan(report.series["variety"][-1])  # of one image there is none


def test_a_gradient_penalty_holds_the_critics_slope_near_one(tiny, images):
    def slope(weight):
        """The critic's mean slope between real images and fakes after 100 updates, against a G that stands still."""
        changes = {"objective": "wasserstein", "gradient_penalty": weight, "discriminator_norm": "none", "epochs": 200}
        gan = GAN(tiny.replace(**changes, learning_rate_d=1e-3, learning_rate_g=1e-9))
        next(report for report in fit(gan, images) if report.step == 100)
        image = images.batch(torch.arange(20), "cpu").lerp(gan.sample(gan.noise(20)), 0.5).requires_grad_()
        (slopes,) = torch.autograd.grad(gan.discriminator(image).sum(), image)
        return slopes.flatten(1).norm(dim=1).mean().item()

    assert 0.5 < slope(10.0) < 2
    assert slope(1e-6) > 20


def test_all_that_the_discriminator_sees_is_augmented(tiny, images, monkeypatch):
    seen, real = [], images.batch(torch.arange(8), "cpu")
    monkeypatch.setattr(gan_module, "augment", lambda images, random: seen.append((images, random)) or images)
    gan = GAN(tiny.replace(augment=True))
    stepped(gan, real, torch.randn(8, 10))
    (first, _), (fake, _), (fake_again, _) = seen
    assert torch.equal(first, real)
    assert torch.equal(fake, fake_again)
    assert fake_again.requires_grad  # G learns through it
    assert all(random is gan.random for _, random in seen)


VARIANTS = [
    {"objective": "hinge"},
    {"spectral_norm": True},
    {"r1_weight": 1.0},
    {"augment": True},
    {"objective": "saturating", "noise": "uniform"},
    {"objective": "least-squares", "discriminator_slope": 0.0},
    {
        "objective": "wasserstein",
        "gradient_penalty": 10.0,
        "discriminator_norm": "none",
        "batch_size": 4,
        "d_updates": 2,
    },
    {"g_updates": 2},
    {"objective": "hinge", "spectral_norm": True, "r1_weight": 1.0, "augment": True, "flip": True, "hold_out": True},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: " ".join(changes))
def test_each_way_of_training_stays_finite_and_goes_on_exactly_from_the_middle(tiny, images, tmp_path, changes):
    config = tiny.replace(average_half_life=20, **changes)
    whole, plain = GAN(config), GAN(tiny)
    for report in fit(whole, images):
        assert report.diverged_at is None
        if report.step == 4:  # within the second epoch
            whole.save(tmp_path / "c.pt", images)
    resumed = GAN(config).resume(tmp_path / "c.pt", images)
    run_to_the_end(resumed, images)
    assert resumed.step == whole.step == 12
    assert same(weights(whole), weights(resumed))
    assert same(whole.averaged.state_dict().values(), resumed.averaged.state_dict().values())
    run_to_the_end(plain, images)
    assert not same(plain.generator.parameters(), whole.generator.parameters())


@pytest.mark.parametrize(
    ("partition", "held_out"), [([-1] * 20, {9, 19}), ([0, 1, 2, 0] * 5, {2, 6, 10, 14, 18})], ids=["no list", "listed"]
)
def test_no_image_that_is_held_out_is_trained_on(tiny, images, partition, held_out):
    pixels = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None, None], (20, 3, 16, 16))  # each its number
    numbered = dataclasses.replace(images, images=pixels.copy(), partition=np.int8(partition))
    seen = []

    def step(gan, real, z):
        seen.extend(((real[:, 0, 0, 0] + 1) * 127.5).round().int().tolist())
        return train_step(gan, real, z)

    (*_, report) = fit(GAN(tiny.replace(hold_out=True)), numbered, step=step)
    assert sorted(seen) == sorted([i for i in range(20) if i not in held_out] * 4)  # once in each of four epochs
    assert report.total == report.step == 4 * math.ceil((20 - len(held_out)) / 8)
    seen.clear()
    list(fit(GAN(tiny), numbered, step=step))
    assert set(seen) == set(range(20))


def test_fit_reports_every_step_once_and_marks_what_is_due(tiny, images):
    reports = run_to_the_end(GAN(tiny), images)  # 3 steps an epoch, 4 epochs
    assert [s for r in reports for s in r.steps] == list(range(1, 13))
    assert [r.step for r in reports] == [2, 4, 6, 8, 10, 12]
    assert [r.step for r in reports if r.sample_due] == [4, 8, 12]
    assert [r.step for r in reports if r.checkpoint_due] == [4, 8, 12]
    assert [r.epoch for r in reports] == [1, 2, 2, 3, 4, 4]
    assert all(len(values) == len(r.steps) for r in reports for values in r.series.values())
    assert str(reports[1]).startswith("[2/4][1/3]  Loss_D: ")


def test_the_last_step_is_due_wherever_it_falls(tiny, images):
    config = tiny.replace(sample_every=100, checkpoint_every=100, log_every=100)
    (report,) = run_to_the_end(GAN(config), images)
    assert (report.step, report.sample_due, report.checkpoint_due) == (12, True, True)


def test_quality_is_due_every_so_many_steps_and_at_the_end_or_never(tiny, images):
    reports = run_to_the_end(GAN(tiny.replace(evaluate_every=5)), images)
    assert [r.step for r in reports] == [2, 4, 5, 6, 8, 10, 12]
    assert [r.step for r in reports if r.evaluation_due] == [5, 10, 12]
    assert not any(r.evaluation_due for r in run_to_the_end(GAN(tiny), images))


def test_the_same_config_gives_the_same_weights_bit_for_bit(tiny, images):
    one, two = GAN(tiny), GAN(tiny)
    run_to_the_end(one, images)
    torch.rand(3)  # what others draw from the global source changes nothing
    run_to_the_end(two, images)
    assert same(weights(one), weights(two))
    other = GAN(tiny.replace(seed=1))
    run_to_the_end(other, images)
    assert not same(weights(one), weights(other))


def test_sampling_and_reporting_change_nothing_in_training(tiny, images):
    quiet = GAN(tiny.replace(log_every=12, sample_every=12, checkpoint_every=12))
    run_to_the_end(quiet, images)
    busy = GAN(tiny)
    for _ in fit(busy, images):
        busy.sample()
    assert same(weights(quiet), weights(busy))


def test_fewer_images_than_a_batch_is_told_before_training(tiny, images):
    gan = GAN(tiny.replace(batch_size=32))
    with pytest.raises(ValueError, match=r"batch_size is 32, but there are 20 images: lower it"):
        next(fit(gan, images))


def test_divergence_is_reported_with_its_step_and_then_stops(tiny, images):
    gan, reports = GAN(tiny), []
    with pytest.raises(TrainingDiverged, match="not finite since step 6"):
        for report in fit(gan, images):
            reports.append(report)
            if report.step == 4:
                gan.step += 1  # the next step is numbered 6
                with torch.no_grad():
                    gan.discriminator.main[0].weight.fill_(float("nan"))
    assert reports[-1].diverged_at == 6
    assert not reports[-1].checkpoint_due  # a broken state must not replace a good one
    assert not reports[-1].sample_due


@pytest.mark.parametrize("every", ["sample_every", "checkpoint_every", "evaluate_every"])
def test_weights_that_break_in_the_last_update_are_not_drawn_with_measured_or_saved(tiny, images, every):
    rarely = {"sample_every": 100, "checkpoint_every": 100, "evaluate_every": 0}
    gan, reports = GAN(tiny.replace(**rarely | {every: 4})), []
    gan.generator.main[0].weight.register_hook(lambda slope: slope * float("nan") if gan.step == 3 else slope)
    with pytest.raises(TrainingDiverged, match="not finite since step 4"):
        for report in fit(gan, images):
            reports.append(report)
    assert reports[-1].step == 4
    assert not any((reports[-1].sample_due, reports[-1].checkpoint_due, reports[-1].evaluation_due))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_request_finishes_the_step_and_can_be_gone_on_from(tiny, images, tmp_path, terminal, number):
    whole = GAN(tiny)
    run_to_the_end(whole, images)

    before = signal.getsignal(number)
    gan = GAN(tiny)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 3 of 12"):
        for report in fit(gan, images):
            if report.step == 2:
                os.kill(os.getpid(), number)
            elif report.interrupted:
                assert report.checkpoint_due
                gan.save(tmp_path / "c.pt")
    assert signal.getsignal(number) == before
    resumed = GAN(tiny).resume(tmp_path / "c.pt")
    assert resumed.step == 3
    run_to_the_end(resumed, images)
    assert same(weights(whole), weights(resumed))


def test_nohup_is_respected(tiny, images):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup leaves it
    try:
        for report in fit(GAN(tiny), images):
            if report.step == 2:
                os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (report.step, report.interrupted) == (12, False)


def test_a_stop_request_before_the_last_step_leaves_the_run_finished(tiny, images):
    reports = []
    for report in fit(GAN(tiny.replace(log_every=1)), images):
        reports.append(report)
        if report.step == 11:
            os.kill(os.getpid(), signal.SIGINT)
    assert (reports[-1].step, reports[-1].checkpoint_due, reports[-1].interrupted) == (12, True, False)


KILLED = """
import sys, torch, pathlib
import numpy as np
from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet
from dcgan_lib.gan import GAN
from dcgan_lib.train import fit

folder, kill_at = pathlib.Path(sys.argv[1]), int(sys.argv[2])
torch.manual_seed(0)
config = Config.from_file(folder / "config.yaml")
pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
none = np.zeros((20, 0), np.int8)
images = ImageSet(pixels, [str(i) for i in range(20)], [], none, np.zeros(20, np.int8),
                  [], "x", "memory")
gan = GAN(config)
if (folder / "checkpoint.pt").exists():
    gan.resume(folder / "checkpoint.pt", images)
original = gan.noise
def noise(count, *random):
    if gan.step == kill_at and not random:  # a step's own, not that of a measurement
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return original(count, *random)
gan.noise = noise
for report in fit(gan, images):
    torch.rand(1)  # the loop's body may draw from the global source: that goes on exactly as well
    if report.checkpoint_due:
        gan.save(folder / "checkpoint.pt", images)
print(torch.rand(1).item(), sum(v.double().abs().sum().item() for v in gan.generator.state_dict().values()))
torch.save([*gan.generator.state_dict().values(), *gan.averaged.state_dict().values()], folder / "end.pt")
"""


def test_a_run_killed_at_any_step_ends_with_the_weights_of_one_never_killed(tiny, tmp_path):
    config = tiny.replace(average_half_life=20, flip=True, checkpoint_every=3)
    (tmp_path / "never").mkdir()
    (tmp_path / "killed").mkdir()
    config.save(tmp_path / "never/config.yaml")
    config.save(tmp_path / "killed/config.yaml")

    def start(name, kill_at):
        command = [sys.executable, "-c", KILLED, tmp_path / name, str(kill_at)]
        return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)

    whole = start("never", -1)
    assert whole.returncode == 0, whole.stderr
    for kill_at in (1, 5):  # before the first checkpoint, and inside an epoch
        assert start("killed", kill_at).returncode == -signal.SIGKILL
    again = start("killed", -1)
    assert again.stdout == whole.stdout
    ends = [torch.load(tmp_path / name / "end.pt", weights_only=True) for name in ("never", "killed")]
    assert same(*ends)
