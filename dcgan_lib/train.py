"""Training: one step of the game, and the loop that repeats it and yields reports."""

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dcgan_lib.augment import augment
from dcgan_lib.data import ImageSet, epoch_order
from dcgan_lib.device import keep_freed_memory
from dcgan_lib.feed import Feed
from dcgan_lib.gan import GAN
from dcgan_lib.graphs import GraphedStep
from dcgan_lib.losses import OBJECTIVES, r1_penalty
from dcgan_lib.signals import stop_requests

SERIES = ("loss_d", "loss_g", "d_real", "d_fake_before", "d_fake_after")


def train_step(gan: GAN, real: Tensor, z: Tensor) -> dict[str, Tensor]:
    """One update of D, then one of G (Goodfellow et al. 2014, algorithm 1 with k = 1).

    `real`: images (N, C, S, S) in [-1, 1]; `z`: noise (N, latent_dim); both on the GAN's device.
    Gives `SERIES`, each a scalar still on the device: reading one waits for the step.
    """
    config, objective = gan.config, OBJECTIVES[gan.config.objective]
    half = torch.autocast(gan.device.type, torch.bfloat16, enabled=gan.autocast)

    def judged(images: Tensor) -> Tensor:
        """D's logits, of images that are augmented where the Config says so."""
        with half:
            return _wide(gan.discriminator(augment(images, gan.random) if config.augment else images))

    # Update D: maximise log D(x) + log(1 - D(G(z))). Real and fake go through separately, since
    # BatchNorm takes its statistics over a batch; detach() keeps D's loss from reaching G.
    with half:
        fake = gan.generator(z)
    real = real.detach().requires_grad_(config.r1_weight > 0)
    real_logits = judged(real)
    fake_logits = judged(fake.detach())
    loss_d = objective.discriminator(real_logits, fake_logits, config.label_smoothing)
    if config.r1_weight:
        loss_d = loss_d + config.r1_weight * r1_penalty(real_logits, real)
    gan.optimizer_d.zero_grad(set_to_none=True)
    loss_d.backward(inputs=list(gan.discriminator.parameters()))
    gan.optimizer_d.step()

    # Update G: maximise log D(G(z)), by the D just updated; D's weights need no gradient here.
    fake_logits_after = judged(fake)
    loss_g = objective.generator(fake_logits_after)
    gan.optimizer_g.zero_grad(set_to_none=True)
    loss_g.backward(inputs=list(gan.generator.parameters()))
    gan.optimizer_g.step()

    gan.step += 1
    logits = (real_logits, fake_logits, fake_logits_after)
    outputs = [each.detach().sigmoid().mean() for each in logits]
    return dict(zip(SERIES, [loss_d.detach(), loss_g.detach(), *outputs], strict=True))


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


def fit(gan: GAN, images: ImageSet) -> Iterator[Report]:
    """Train from the GAN's own step to the end of its Config's epochs, yielding a `Report` every few steps.

    The caller's loop body logs, draws and saves. A step never waits for the device; a report does. Raises
    `ValueError` where there are fewer images than a batch takes; `TrainingDiverged` after the report that shows it;
    `KeyboardInterrupt` after a report with `interrupted` set, once its step is whole.
    """
    config = gan.config
    rows = images.rows(config.hold_out)
    if len(rows) < config.batch_size:
        raise ValueError(f"batch_size is {config.batch_size}, but {images.source} has {len(rows)} images: lower it")
    per_epoch = math.ceil(len(rows) / config.batch_size)
    total = per_epoch * config.epochs
    if gan.device.type == "cpu":
        keep_freed_memory()
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.deterministic  # the sizes are the same at every step
    feed, step = Feed(images, gan.device), GraphedStep(train_step, gan)
    pending: list[Tensor] = []
    seen, start = 0, time.perf_counter()
    stop = threading.Event()
    with stop_requests(stop):
        while gan.step < total:
            epoch, place = divmod(gan.step, per_epoch)
            order = epoch_order(rows, config.batch_size, config.seed, epoch, flip=config.flip)
            for real in feed.batches(order[place:]):
                outputs = step(real, gan.noise(len(real)))
                if gan.averaged:
                    gan.update_average(len(real))
                pending.append(torch.stack([outputs[name] for name in SERIES]))
                seen += len(real)

                # Asked once: a request that comes later waits for the next step. After the last there is none to stop.
                interrupted = stop.is_set() and gan.step < total
                sample_due = gan.step % config.sample_every == 0 or gan.step == total
                checkpoint_due = gan.step % config.checkpoint_every == 0 or gan.step == total or interrupted
                every = config.evaluate_every
                evaluation_due = every > 0 and (gan.step % every == 0 or gan.step == total)
                if gan.step % config.log_every and not (sample_due or checkpoint_due or evaluation_due):
                    continue
                values = torch.stack(pending).T.tolist()  # the one place that waits for the device
                steps = range(gan.step - len(pending) + 1, gan.step + 1)
                diverged_at = _first_not_finite(steps, values)
                if diverged_at is None and (sample_due or checkpoint_due or evaluation_due) and not gan.is_finite():
                    diverged_at = gan.step  # G's update came after its loss: the next loss would show it, too late
                yield Report(
                    step=gan.step,
                    total=total,
                    epoch=epoch + 1,
                    epochs=config.epochs,
                    steps=steps,
                    series=dict(zip(SERIES, values, strict=True)),
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
                seen, start = 0, time.perf_counter()


def _first_not_finite(steps: range, values: list[list[float]]) -> int | None:
    rows = zip(*values, strict=True)
    return next((s for s, row in zip(steps, rows, strict=True) if not all(map(math.isfinite, row))), None)


def _wide(logits: Tensor) -> Tensor:
    """Logits in float32 at least: in bf16 a sigmoid has three digits, and its logarithm fewer."""
    return logits.float() if logits.dtype == torch.bfloat16 else logits
