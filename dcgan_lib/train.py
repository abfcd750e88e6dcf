"""Training: one step of the game, and the loop that repeats it and yields reports."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dcgan_lib.compute.cuda_graph import GraphedStep
from dcgan_lib.compute.device import tune
from dcgan_lib.compute.gpu_batches import BatchLoader
from dcgan_lib.compute.interrupts import stop_requests
from dcgan_lib.compute.ranks import join
from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, epoch_order
from dcgan_lib.gan import GAN
from dcgan_lib.health import HEALTH, STATISTICS, measure
from dcgan_lib.losses import OBJECTIVES, between, gradient_penalty, slope_penalty


class Step(NamedTuple):
    """What a step did, of each player's last update; nothing of it requires a gradient."""

    loss_d: Tensor  # scalars
    loss_g: Tensor
    real_logits: Tensor  # (N,) of `real`, before D's update
    fake_logits: Tensor  # (N,) of `fake`, before D's update
    fake_logits_after: Tensor  # (N,) of `fake`, after D's update and before G's
    real: Tensor  # (N, C, S, S)
    fake: Tensor


def train_step(gan: GAN, real: Tensor, z: Tensor) -> Step:
    """One update of D, then one of G; or as many of each as the Config says.

    This is Goodfellow et al. 2014, algorithm 1, except that G's first update takes the fakes that D has just seen.
    `real`: images (N, C, S, S) in [-1, 1], split among D's updates; `z`: noise (`noise_per_step`, latent_dim); both on
    the GAN's device.
    """
    noise = iter(z.split(math.ceil(len(real) / gan.config.d_updates)))
    for images in real.chunk(gan.config.d_updates):
        fake = gan.generate(next(noise)[: len(images)])
        loss_d, real_logits, fake_logits = update_discriminator(gan, images, fake)
    for update in range(gan.config.g_updates):
        if update > 0:  # the first takes the fakes that D has just seen
            fake = gan.generate(next(noise)[: len(fake)])
        loss_g, fake_logits_after = update_generator(gan, fake, images)
    gan.step += 1
    return Step(loss_d, loss_g, real_logits, fake_logits, fake_logits_after, images.detach(), fake.detach())


def update_discriminator(gan: GAN, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Teach D for one update to tell real images from fakes: by default, maximise log D(x) + log(1 − D(G(z))).

    Returns the loss, without penalties, and D's logits (N,) of both before the update.
    """
    config, objective = gan.config, OBJECTIVES[gan.config.objective]
    real, fake = real.detach(), fake.detach()  # fake: cut off G's graph; real: a tensor of our own, for the next line
    due = gan.step % config.penalty_every == 0
    real.requires_grad_(due and config.r1_weight > 0)
    fake.requires_grad_(due and config.r2_weight > 0)
    # One after the other, since BatchNorm takes its statistics over a batch: both in one would be another game.
    real_logits, fake_logits = gan.discriminate(real), gan.discriminate(fake)
    labels = {"label_smoothing": config.label_smoothing} if config.label_smoothing else {}
    loss = objective.discriminator(real_logits, fake_logits, **labels)
    held = config.penalty_every * penalties(gan, real, fake, real_logits, fake_logits) if due else 0.0
    gan.optimizer_d.zero_grad(set_to_none=True)
    (loss + held).backward(inputs=list(gan.discriminator.parameters()))
    gan.optimizer_d.step()
    return loss.detach(), real_logits.detach(), fake_logits.detach()


def update_generator(gan: GAN, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Teach G for one update to please the D that has just learnt: by default, maximise log D(G(z)).

    `fake` still hangs on G's graph; a relativistic game holds it against `real`, each fake against another image than
    D did. Returns the loss, and D's logits (N,) before the update.
    """
    objective, logits = OBJECTIVES[gan.config.objective], gan.discriminate(fake)
    against = (gan.discriminate(real.roll(1, 0)).detach(),) if objective.paired else ()
    loss = objective.generator(logits, *against)
    gan.optimizer_g.zero_grad(set_to_none=True)
    loss.backward(inputs=list(gan.generator.parameters()))  # D's weights need no gradient here
    gan.optimizer_g.step()
    return loss.detach(), logits.detach()


def penalties(gan: GAN, real: Tensor, fake: Tensor, real_logits: Tensor, fake_logits: Tensor) -> Tensor | float:
    """What the Config adds to D's loss to bound its slope: R1, R2, a gradient penalty, or by default nothing."""
    config, total = gan.config, 0.0
    if config.r1_weight:
        total = total + config.r1_weight * slope_penalty(real_logits, real)
    if config.r2_weight:
        total = total + config.r2_weight * slope_penalty(fake_logits, fake)
    if config.gradient_penalty:
        mixed = between(real, fake, gan.random)
        total = total + config.gradient_penalty * gradient_penalty(gan.discriminate(mixed), mixed)
    return total


def noise_per_step(config: Config, images: int) -> int:
    """Noise vectors that a step of so many real images takes: fakes for each update, D's last and G's first sharing."""
    return math.ceil(images / config.d_updates) * (config.d_updates + config.g_updates - 1)


@dataclass(frozen=True)
class Report:
    """What happened since the report before: `series[name][i]` is of step `steps[i]`, counted from 1."""

    step: int  # steps done since the run began
    total: int  # steps that the run will have
    epoch: int  # counted from 1
    epochs: int
    steps: range
    series: dict[str, list[float]]
    images_per_second: float  # in training alone, without what the loop's body does
    sample_due: bool  # time to draw the fixed-noise grid
    checkpoint_due: bool  # time to save
    evaluation_due: bool  # time to measure quality
    diverged_at: int | None  # the first step whose loss, or after which a weight, is NaN or infinite
    interrupted: bool  # Ctrl-C, the stop button, or a scheduler's SIGTERM: save now

    def __str__(self) -> str:
        """The tutorial's line of statistics, for the newest step."""
        last = {name: values[-1] for name, values in self.series.items()}
        per_epoch = self.total // self.epochs
        place = f"[{self.epoch}/{self.epochs}][{self.step - (self.epoch - 1) * per_epoch}/{per_epoch}]"
        losses = f"Loss_D: {last['loss_d']:.4f}  Loss_G: {last['loss_g']:.4f}"
        return (
            f"{place}  {losses}  D(x): {last['d_real']:.4f}"
            f"  D(G(z)): {last['d_fake_before']:.4f} / {last['d_fake_after']:.4f}"
        )


class TrainingDiverged(ArithmeticError):
    """A loss or a weight became NaN or infinite: no later step can mend it."""


def fit(gan: GAN, images: ImageSet, step: Callable[[GAN, Tensor, Tensor], Step] = train_step) -> Iterator[Report]:
    """Train from the GAN's own step to the end of its Config's epochs, yielding a `Report` every few steps.

    The caller's loop body logs, draws and saves. A step never waits for the device; a report does. `step` is one step
    of the game: `train_step`, or one that a notebook defines. Raises `ValueError` where there are fewer images than a
    step takes; `TrainingDiverged` after the report that shows it; `KeyboardInterrupt` after a report with `interrupted`
    set, once its step is whole; under torchrun also what `join` raises.
    """
    config = gan.config
    rows = images.rows(config.hold_out)
    config.check_count(len(rows))
    per_epoch = config.steps_per_epoch(len(rows))
    total = per_epoch * config.epochs
    tune(gan.device)
    loader = BatchLoader(images, gan.device)
    measured_step = GraphedStep(lambda *given: measure(gan, step(*given)), gan, wanted=step is train_step)
    pending, stop = [], threading.Event()
    with join(gan, images) as ranks, stop_requests(stop):
        seen, start = 0, time.perf_counter()
        while gan.step < total and ranks.goes_on():
            epoch, place = divmod(gan.step, per_epoch)
            order = epoch_order(rows, config.images_per_step, config.seed, epoch, flip=config.flip)
            for real in loader.batches(ranks.share(order[place:])):
                gan.set_rates(gan.step / total)
                numbers = measured_step(real, gan.noise(noise_per_step(config, len(real))))
                if gan.averaged:
                    gan.update_average(len(real) * ranks.count)
                pending.append(torch.stack([numbers[name].float() for name in STATISTICS + HEALTH]))
                seen += len(real) * ranks.count

                # Asked once: a request that comes later waits for the next step. After the last there is none to stop.
                interrupted = ranks.any(stop.is_set()) and gan.step < total
                sample_due = gan.step % config.sample_every == 0 or gan.step == total
                checkpoint_due = gan.step % config.checkpoint_every == 0 or gan.step == total or interrupted
                every = config.evaluate_every
                evaluation_due = every > 0 and (gan.step % every == 0 or gan.step == total)
                if gan.step % config.log_every and not (sample_due or checkpoint_due or evaluation_due):
                    continue
                values = ranks.mean(torch.stack(pending)).T.tolist()  # the one place that waits for the device
                steps = range(gan.step - len(pending) + 1, gan.step + 1)
                # Of the statistics alone: a batch of one image has no variety, and that NaN is no divergence.
                finite = [all(map(math.isfinite, row)) for row in zip(*values[: len(STATISTICS)], strict=True)]
                diverged_at = None if all(finite) else steps[finite.index(False)]
                if diverged_at is None and (sample_due or checkpoint_due or evaluation_due) and not gan.is_finite():
                    diverged_at = gan.step  # G's update came after its loss: the next loss would show it, too late
                yield Report(
                    step=gan.step,
                    total=total,
                    epoch=epoch + 1,
                    epochs=config.epochs,
                    steps=steps,
                    series=dict(zip(STATISTICS + HEALTH, values, strict=True)),
                    images_per_second=seen / (time.perf_counter() - start),
                    sample_due=sample_due and diverged_at is None,
                    checkpoint_due=checkpoint_due and diverged_at is None,
                    evaluation_due=evaluation_due and diverged_at is None,
                    diverged_at=diverged_at,
                    interrupted=interrupted,
                )
                if diverged_at is not None:
                    advice = "lower the learning rates, or go on from the last checkpoint"
                    raise TrainingDiverged(f"a loss or a weight is not finite since step {diverged_at}: {advice}")
                if interrupted:
                    raise KeyboardInterrupt(f"stopped after step {gan.step} of {total}: run the same again to go on")
                pending.clear()
                if not ranks.goes_on():  # the first has left the loop
                    return
                seen, start = 0, time.perf_counter()
