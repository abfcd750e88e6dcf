"""Training: one step of the game, and the loop that repeats it and yields reports."""

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from dcgan_lib.compute.cuda_graph import GraphedStep
from dcgan_lib.compute.device import keep_freed_memory
from dcgan_lib.compute.gpu_batches import BatchLoader
from dcgan_lib.compute.interrupts import stop_requests
from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet, epoch_order
from dcgan_lib.gan import GAN
from dcgan_lib.images.augment import augment
from dcgan_lib.losses import OBJECTIVES, between, gradient_penalty, r1_penalty

#: What the articles watch: both losses, D(x), and D(G(z)) before and after D's update.
STATISTICS = ("loss_d", "loss_g", "d_real", "d_fake_before", "d_fake_after")

#: What else a step tells: the shares of real images and of fakes that D judges rightly, the lengths of both gradients,
#: the share of the fakes' pixel values at the ends of the range, how much the fakes differ from each other as a
#: multiple of how much the real images do, and the darkest and brightest value in the real ones.
HEALTH = (
    "accuracy_real",
    "accuracy_fake",
    "gradient_d",
    "gradient_g",
    "saturation",
    "variety",
    "real_low",
    "real_high",
)

RECORDED = STATISTICS + HEALTH
SATURATED = 0.99  # from there on tanh lets next to no gradient through


def train_step(gan: GAN, real: Tensor, z: Tensor) -> dict[str, Tensor]:
    """One update of D, then one of G (Goodfellow et al. 2014, algorithm 1); or as many of each as the Config says.

    `real`: images (N, C, S, S) in [-1, 1], which D's updates share; `z`: noise (`noise_per_step`, latent_dim); both on
    the GAN's device. Returns `STATISTICS` and `HEALTH`, of each player's last update, as scalars on the device: to read
    one is to wait for the step.
    """
    config, objective = gan.config, OBJECTIVES[gan.config.objective]
    half = torch.autocast(gan.device.type, torch.bfloat16, enabled=gan.autocast)
    batches = real.detach().chunk(config.d_updates)
    noise = iter(z.split(len(batches[0])))

    def drawn(count: int) -> Tensor:
        """Fakes, of noise that was not used yet."""
        with half:
            return gan.generator(next(noise)[:count])

    def judged(images: Tensor) -> Tensor:
        """D's logits, of images that are augmented where the Config says so."""
        with half:
            return _wide(gan.discriminator(augment(images, gan.random) if config.augment else images))

    # Update D: maximise log D(x) + log(1 - D(G(z))). Real and fake go through separately, since
    # BatchNorm takes its statistics over a batch; detach() keeps D's loss from reaching G.
    for batch in batches:
        fake = drawn(len(batch))
        batch.requires_grad_(config.r1_weight > 0)
        if config.mixed_batches:
            real_logits, fake_logits = judged(torch.cat([batch, fake.detach()])).chunk(2)
        else:
            real_logits, fake_logits = judged(batch), judged(fake.detach())
        loss_d = objective.discriminator(real_logits, fake_logits, config.label_smoothing)
        if config.r1_weight:
            loss_d = loss_d + config.r1_weight * r1_penalty(real_logits, batch)
        if config.gradient_penalty:
            mixed = between(batch, fake, gan.random)
            loss_d = loss_d + config.gradient_penalty * gradient_penalty(judged(mixed), mixed)
        gan.optimizer_d.zero_grad(set_to_none=True)
        loss_d.backward(inputs=list(gan.discriminator.parameters()))
        gan.optimizer_d.step()

    # Update G: maximise log D(G(z)), by the D just updated; D's weights need no gradient here.
    for update in range(config.g_updates):
        if update:
            fake = drawn(len(fake))
        seen = torch.cat([batch.detach(), fake]) if config.mixed_batches else fake
        fake_logits_after = judged(seen)[-len(fake) :]
        loss_g = objective.generator(fake_logits_after)
        gan.optimizer_g.zero_grad(set_to_none=True)
        loss_g.backward(inputs=list(gan.generator.parameters()))
        gan.optimizer_g.step()

    gan.step += 1
    outputs = [objective.output(each.detach()) for each in (real_logits, fake_logits, fake_logits_after)]
    numbers = [loss_d.detach(), loss_g.detach(), *(each.mean() for each in outputs)]
    return dict(zip(STATISTICS, numbers, strict=True)) | _health(gan, batch, fake, *outputs[:2])


@torch.no_grad()
def _health(gan: GAN, real: Tensor, fake: Tensor, d_real: Tensor, d_fake: Tensor) -> dict[str, Tensor]:
    """How the two players are, by what the step has computed anyway: what `HEALTH` names."""
    boundary = OBJECTIVES[gan.config.objective].boundary
    if boundary is None:
        boundary = (d_real.mean() + d_fake.mean()) / 2
    real, fake = (images.detach()[:, :, ::4, ::4].float() for images in (real, fake))  # every 16th pixel is enough
    numbers = (
        (d_real > boundary).float().mean(),
        (d_fake < boundary).float().mean(),
        *(get_total_norm([p.grad for p in network.parameters()]) for network in (gan.discriminator, gan.generator)),
        (fake.abs() > SATURATED).float().mean(),
        fake.std(dim=0, correction=0).mean() / real.std(dim=0, correction=0).mean(),
        real.min(),
        real.max(),
    )
    return dict(zip(HEALTH, numbers, strict=True))


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


def fit(gan: GAN, images: ImageSet) -> Iterator[Report]:
    """Train from the GAN's own step to the end of its Config's epochs, yielding a `Report` every few steps.

    The caller's loop body logs, draws and saves. A step never waits for the device; a report does. Raises
    `ValueError` where there are fewer images than a step takes; `TrainingDiverged` after the report that shows it;
    `KeyboardInterrupt` after a report with `interrupted` set, once its step is whole.
    """
    config = gan.config
    rows = images.rows(config.hold_out)
    config.check_count(len(rows))
    per_epoch = config.steps_per_epoch(len(rows))
    total = per_epoch * config.epochs
    if gan.device.type == "cpu":
        keep_freed_memory()
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.deterministic  # the sizes are the same at every step
    feed, step = BatchLoader(images, gan.device), GraphedStep(train_step, gan)
    pending: list[Tensor] = []
    seen, start = 0, time.perf_counter()
    stop = threading.Event()
    with stop_requests(stop):
        while gan.step < total:
            epoch, place = divmod(gan.step, per_epoch)
            order = epoch_order(rows, config.images_per_step, config.seed, epoch, flip=config.flip)
            for real in feed.batches(order[place:]):
                outputs = step(real, gan.noise(noise_per_step(config, len(real))))
                if gan.averaged:
                    gan.update_average(len(real))
                pending.append(torch.stack([outputs[name].float() for name in RECORDED]))
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
                diverged_at = _first_not_finite(steps, values[: len(STATISTICS)])  # of one image there is no variety
                if diverged_at is None and (sample_due or checkpoint_due or evaluation_due) and not gan.is_finite():
                    diverged_at = gan.step  # G's update came after its loss: the next loss would show it, too late
                yield Report(
                    step=gan.step,
                    total=total,
                    epoch=epoch + 1,
                    epochs=config.epochs,
                    steps=steps,
                    series=dict(zip(RECORDED, values, strict=True)),
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
