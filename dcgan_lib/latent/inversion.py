"""The way back: from a face to the z of which G would draw it."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dcgan_lib.gan import GAN
from dcgan_lib.latent.walks import noise_radius, on_sphere
from dcgan_lib.quality.metrics import as_floats

PROBES = 1024  # random slopes by which is told how strongly G reacts to each direction of z
NEAR = 0.02  # in units of [-1, 1], 2.5 of 255 steps: the same picture to the eye
PART = 128  # images that are searched for at once
MEMORY = 40  # steps that tell L-BFGS of the curvature
LONGEST = 2.0  # of its steps; a z is about 10 long


class Encoder(nn.Module):
    """Images (N, C, S, S) in [-1, 1] → a guess at their z (N, latent_dim), linear in pixels of at most 32×32."""

    def __init__(self, image_size: int, channels: int, latent_dim: int) -> None:
        super().__init__()
        self.side = min(image_size, 32)
        self.linear = nn.Linear(channels * self.side**2, latent_dim)

    def pixels(self, images: Tensor) -> Tensor:
        """What the guess is linear in, (N, C × side × side): pixels as they are before G's tanh."""
        return F.adaptive_avg_pool2d(images, self.side).flatten(1).clamp(-0.99, 0.99).atanh()

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.pixels(images))


@torch.no_grad()
def train_encoder(gan: GAN, count: int = 4000, seed: int = 0) -> Encoder:
    """An encoder that has learnt to read z from `count` of the GAN's images, by least squares: no steps are needed.

    A first guess: it is rough, and drawn towards zero. `invert` puts it on the sphere, and goes on from there.
    """
    config = gan.config
    encoder = Encoder(config.image_size, config.channels, config.latent_dim)
    z = gan.noise(count, torch.Generator().manual_seed(seed))
    pixels = encoder.pixels(gan.sample(z))
    middle = pixels.mean(0)
    around = pixels - middle
    square = around.T @ around
    square.diagonal().add_(0.003 * count * around.var())  # a ridge: pixels beside each other say nearly the same
    encoder.linear.weight.copy_(torch.linalg.solve(square, around.T @ (z - z.mean(0))).T)
    encoder.linear.bias.copy_(z.mean(0) - encoder.linear.weight @ middle)
    return encoder.to(gan.device)


class Found(NamedTuple):
    """What `invert` found for N images, on the CPU."""

    z: Tensor  # (N, latent_dim)
    errors: Tensor  # (N,): root-mean-square difference of G(z) and the image, in units of [-1, 1]


def invert(
    gan: GAN, images: Tensor, start: Encoder | Tensor, steps: int = 150, sphere: bool = True, retries: int = 0
) -> Found:
    """For each image the z whose G(z) comes nearest to it, pixel by pixel, from the encoder's guess or from a z.

    images: (N, C, S, S), uint8 or float in [-1, 1]; start: an `Encoder`, or vectors (N, latent_dim). On the `sphere`
    only z as long as noise is are allowed; without it any, and what G never drew is often "found" far outside of the
    noise. Every image has its own search by L-BFGS, all side by side. `retries`: so often, images that are further away
    than `NEAR` are searched for again, from the first guess with noise added, since a search can get stuck; the nearest
    is returned.
    `ValueError` for images of another shape.
    """
    config, network = gan.config, _frozen(gan)
    wanted = (config.channels, config.image_size, config.image_size)
    if tuple(images.shape[1:]) != wanted:
        raise ValueError(f"an image has shape {tuple(images.shape[1:])}: this generator draws {wanted}")
    radius, even = noise_radius(config), _evened(network, gan)
    back = torch.linalg.inv(even)

    def drawn(points: Tensor) -> Tensor:
        z = points @ even
        return on_sphere(z, radius) if sphere else z

    def search(targets: Tensor, guess: Tensor) -> Found:
        targets = as_floats(targets).to(gan.device)

        def losses(points: Tensor) -> Tensor:
            return (network(drawn(points)) - targets).square().flatten(1).sum(1)

        points, left = _lbfgs(losses, on_sphere(guess, radius).to(gan.device) @ back, steps)
        return Found(drawn(points).cpu(), (left / targets[0].numel()).sqrt().cpu())

    def search_all(targets: Tensor, guesses: Tensor) -> Found:
        found = [search(*part) for part in zip(targets.split(PART), guesses.split(PART), strict=True)]
        return Found(*(torch.cat(values) for values in zip(*found, strict=True)))

    guesses = start
    if isinstance(start, nn.Module):
        with torch.no_grad():
            guesses = torch.cat([start(as_floats(part).to(gan.device)).cpu() for part in images.split(PART)])
    z, errors = search_all(images, guesses)
    random = torch.Generator().manual_seed(0)
    for _ in range(retries):
        far = torch.nonzero(errors > NEAR)[:, 0]
        if len(far):
            aside = on_sphere(guesses[far].cpu(), radius) + gan.noise(len(far), random)
            again = search_all(images[far], aside)
            better = again.errors < errors[far]
            z[far[better]], errors[far[better]] = again.z[better], again.errors[better]
    return Found(z, errors)


def _frozen(gan: GAN) -> nn.Module:
    """A copy of the network that draws, in eval mode, whose weights get no gradient."""
    return copy.deepcopy(gan.sampler()).eval().requires_grad_(False)


def _evened(network: nn.Module, gan: GAN) -> Tensor:
    """A matrix (latent_dim, latent_dim): a step in `points @ matrix` changes the image as much in every direction.

    Some directions of z change an image thirty times as much as others, and a search by slopes creeps along the weak
    ones. How much is told by the slopes of random sums of pixels: their mean product is that of G's Jacobians.
    """
    random = torch.Generator(gan.device).manual_seed(0)
    total = torch.zeros(gan.config.latent_dim, gan.config.latent_dim, device=gan.device)
    for _ in range(0, PROBES, 64):
        z = gan.noise(64, random).requires_grad_()
        images = network(z)
        sums = torch.randn(images.shape, generator=random, device=gan.device)
        (slopes,) = torch.autograd.grad((images * sums).sum(), z)
        total += slopes.T @ slopes
    strength, axes = torch.linalg.eigh(total)
    matrix = axes * (strength / strength.mean()).clamp_min(0.01) ** -0.5 @ axes.T
    return matrix / matrix.diagonal().mean()


def _lbfgs(losses: Callable[[Tensor], Tensor], points: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Each row of points (N, d) goes down its own loss by L-BFGS (Nocedal 1980); returns rows and losses (N,).

    PyTorch's has one step length for all. Here a row whose loss would rise stays where it is, and next goes half as far
    with what it has learnt of the curvature.
    """

    def asked(points: Tensor) -> tuple[Tensor, Tensor]:
        points = points.detach().requires_grad_()
        values = losses(points)
        (slopes,) = torch.autograd.grad(values.sum(), points)
        return values.detach(), slopes

    values, slopes = asked(points)
    scale = 0.3 / slopes.norm(dim=1, keepdim=True).clamp_min(1e-12)  # the first step is this long
    reach, past = torch.ones_like(scale), []
    for _ in range(steps):
        move = -_by_curvature(slopes, past, scale)
        move *= reach * (LONGEST / move.norm(dim=1, keepdim=True).clamp_min(1e-12)).clamp_max(1)
        there, there_slopes = asked(points + move)
        change = there_slopes - slopes
        bend = (move * change).sum(1, keepdim=True)
        convex = bend > 1e-10
        weight = torch.where(convex, 1 / bend.clamp_min(1e-10), 0)  # 0: this row learns nothing from the step
        past = [*past, (move, change, weight)][-MEMORY:]
        scale = torch.where(convex, bend / change.square().sum(1, keepdim=True).clamp_min(1e-12), scale)
        better = (there <= values)[:, None]
        points, slopes = torch.where(better, points + move, points), torch.where(better, there_slopes, slopes)
        values = torch.where(better[:, 0], there, values)
        reach = torch.where(better, 1.0, reach / 2).clamp_min(0.05)
    return points, values


def _by_curvature(slopes: Tensor, past: list[tuple[Tensor, Tensor, Tensor]], scale: Tensor) -> Tensor:
    """The slopes times the inverse of the curvature, as the past steps tell it: the two loops of L-BFGS."""
    shares = []
    for move, change, weight in reversed(past):
        shares.append(weight * (move * slopes).sum(1, keepdim=True))
        slopes = slopes - shares[-1] * change
    slopes = slopes * scale
    for (move, change, weight), share in zip(past, reversed(shares), strict=True):
        slopes = slopes + move * (share - weight * (change * slopes).sum(1, keepdim=True))
    return slopes
