"""How good and how varied generated images are, as plain functions of tensors; smaller distances are better.

Images are (N, C, S, S) float in [-1, 1] or uint8; features are (N, F) float. What is measured depends on how many
images are compared: give each generator as many as the others, and put the noise floor (real against real) beside it.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dcgan_lib.health import SATURATED

PATCH = 7  # pixels a side of the patches that are compared
COARSEST = 16  # pixels a side of the smallest level
AT_ONCE = 256  # images that are floats at a time: as bytes they take a quarter of the memory
ROUNDING = (2 / 255) ** 2 / 12  # variance of what is lost by rounding [-1, 1] to bytes


def as_floats(images: Tensor) -> Tensor:
    """Images as float32 in [-1, 1]; uint8 is scaled, floats stay as they are."""
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images.float()


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Images (N, C, S, S) split by scale: details at S, S/2, … and what is left at 16 (Burt & Adelson 1983).

    Each level is the image less the next smaller one, blurred up; enlarging and adding them gives the images back.
    """
    return _in_parts(images, _levels)


def _levels(images: Tensor) -> list[Tensor]:
    levels = []
    while images.shape[-1] > COARSEST:
        smaller = _blurred(images)[:, :, ::2, ::2]
        levels.append(images - _enlarged(smaller))
        images = smaller
    return [*levels, images]


def sliced_wasserstein(
    fake: Tensor, real: Tensor, patches: int = 65_536, directions: int = 512, seed: int = 0
) -> dict[int, float]:
    """Sliced Wasserstein distance of 7×7 patches at each scale: side → distance (Karras et al. 2018, section 5).

    As many patches of either set, from random places, are projected onto random directions; sorted, the two sets are
    subtracted, and the mean of the absolute differences is the distance, times 1000 as in the paper. Large at 16: form
    and colours are off; at 64: detail and sharpness. The paper scales each set by its own deviation a channel, which
    hides a wrong colour or contrast; here both are scaled by the real one's.

    Images are (N, C, S, S), of as many of each set as you like; S is 16, 32, 64 … The same seed, the same numbers.
    """
    _check(fake, real)
    side = fake.shape[-1]
    if fake.ndim != 4 or fake.shape[1:] != real.shape[1:] or side < COARSEST or side.bit_count() > 1:
        sizes = f"{tuple(fake.shape)} and {tuple(real.shape)}"
        raise ValueError(f"images have shapes {sizes}: give two sets (N, C, S, S) of one size, S = 16, 32, 64 …")
    random = torch.Generator().manual_seed(seed)
    distances = {}
    for ours, theirs in zip(*(laplacian_pyramid(images) for images in (fake, real)), strict=True):
        side, total = theirs.shape[-1], 0.0
        mean, deviation = theirs.mean((0, 2, 3)), theirs.std((0, 2, 3)).clamp_min(1e-8)
        mean, deviation = (each.repeat_interleave(PATCH**2) for each in (mean, deviation))  # a number a pixel
        ours, theirs = ((_patches(level, patches, random) - mean) / deviation for level in (ours, theirs))
        for first in range(0, directions, 64):
            count = min(64, directions - first)
            slices = F.normalize(torch.randn(count, ours.shape[1], generator=random), dim=1)
            # NumPy sorts 13 times as fast as PyTorch, with AVX-512.
            ranks, others = (torch.from_numpy(np.sort((slices @ rows.T).numpy(), axis=1)) for rows in (ours, theirs))
            total += (ranks - others).abs().mean(dim=1).sum().item()
        distances[side] = 1000 * total / directions
    return distances


def frechet_distance(fake: Tensor, real: Tensor) -> float:
    """Distance of two normal distributions fitted to features (N, F): |m − m'|² + tr(C + C' − 2 (C C')^½).

    In the features of Inception it is the FID (Heusel et al. 2017, eq. 6). Falls with the number of images, so compare
    equal numbers; N should be several times F.
    """
    _check(fake, real)
    (m, c), (n, d) = ((x.mean(0), torch.cov(x.T)) for x in (fake.double(), real.double()))
    overlap = torch.linalg.eigvals(c @ d).real.clamp_min(0).sqrt().sum()  # those of a product of covariances are ≥ 0
    return ((m - n).square().sum() + c.trace() + d.trace() - 2 * overlap).item()


def kernel_distance(fake: Tensor, real: Tensor) -> float:
    """Squared maximum mean discrepancy of features (N, F) under the kernel (x·y/F + 1)³, times 1000.

    In the features of Inception it is the KID (Bińkowski et al. 2018). Unbiased: around 0 for two samples of one
    distribution, whatever their sizes, and so sometimes below it.
    """
    _check(fake, real)
    x, y = fake.double(), real.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: Tensor) -> Tensor:
        own = kernel(a, a)
        return (own.sum() - own.trace()) / (len(a) * (len(a) - 1))

    return 1000 * (within(x) + within(y) - 2 * kernel(x, y).mean()).item()


def pairwise_distance(images: Tensor, pairs: int = 20_000, seed: int = 0) -> float:
    """Mean root-mean-square difference of two different images of a set, in units of [-1, 1]: how varied it is.

    A generator that has collapsed has far less of it than the real images.
    """
    _check(images, images)
    random = torch.Generator().manual_seed(seed)
    first = torch.randint(len(images), (pairs,), generator=random)
    second = (first + torch.randint(1, len(images), (pairs,), generator=random)) % len(images)
    total = 0.0
    for a, b in zip(first.split(AT_ONCE), second.split(AT_ONCE), strict=True):
        total += (as_floats(images[a]) - as_floats(images[b])).square().mean((1, 2, 3)).sqrt().double().sum().item()
    return total / pairs


def nearest_neighbour(images: Tensor, references: Tensor, size: int = 32) -> tuple[Tensor, Tensor]:
    """For each image the most similar of the references: (distances (N,), their indices (N,)).

    Distance is the root-mean-square difference in units of [-1, 1], at `size` pixels a side. Fakes much nearer to the
    training images than held-out real ones are have been learnt by heart.
    """
    best = torch.full((len(images),), math.inf)
    index = torch.zeros(len(images), dtype=torch.long)
    ours = _small(images, size)
    for start in range(0, len(references), 2048):
        found, at = torch.cdist(ours, _small(references[start : start + 2048], size)).min(dim=1)
        closer = found < best
        best = torch.where(closer, found, best)
        index = torch.where(closer, at + start, index)
    return (ours - _small(references[index], size)).square().mean(dim=1).sqrt(), index  # `cdist` rounds small ones


def nearest_neighbour_ratio(images: Tensor, references: Tensor, size: int = 16) -> float:
    """How much nearer the nearest of the references is than the second nearest: the mean of the quotients, 0 to 1.

    Of copies it is small; of images that are merely like the references, or grey, it is near 1, however many references
    there are. References that are there twice hide a copy. At `size` pixels a side, so small that grain doesn't count.
    """
    ours, nearest = _small(images, size), torch.full((len(images), 2), math.inf)
    for part in references.split(2048):
        nearest = torch.cat([nearest, torch.cdist(ours, _small(part, size))], dim=1).topk(2, largest=False).values
    first, second = nearest.T
    return (first / second.clamp_min(1e-8)).mean().item()


def contrast(images: Tensor) -> float:
    """Standard deviation of all pixel values, in units of [-1, 1]."""
    variances, means = torch.stack([torch.stack(torch.var_mean(as_floats(x), correction=0)) for x in images]).T.double()
    return (variances.mean() + means.var(correction=0)).sqrt().item()  # within an image, and between them


def saturation(images: Tensor) -> float:
    """Share of pixel values at the ends of the range: within 0.01 of -1 or 1, the two outermost of 256 steps."""
    return sum((as_floats(part).abs() > SATURATED).sum().item() for part in images.split(AT_ONCE)) / images.numel()


def checkerboard(images: Tensor) -> float:
    """How far regular patterns of 2, 4 or 8 pixels stand out of the images' spectrum; about 1 where there are none.

    Transposed convolutions leave them, a period for each doubling (Odena et al. 2016). The power in those rows and
    columns of the spectrum, averaged over the images (N, C, S, S), is divided by that of the frequencies around them:
    real images have a smooth spectrum there. The largest of the quotients is returned. A period is looked at where the
    image holds 8 of it: 4 pixels from S = 32 on, 8 from 64 on.
    """
    grey = as_floats(images).mean(dim=1)
    side = grey.shape[-1]
    window = torch.hann_window(side, periodic=True)
    window = window[:, None] * window
    power = torch.fft.rfft2((grey - grey.mean((1, 2), keepdim=True)) * window).abs().square().mean(dim=0)
    power = power[: side // 2 + 1] + ROUNDING * window.square().sum()  # of images without content
    apart = 3  # frequencies: the window blurs a line by two
    quotients = [0.0]
    for line in (power.sum(dim=0), power.sum(dim=1)):
        for k in (side // period for period in (2, 4, 8)):
            if k > 2 * apart:
                around = [line[i] for i in (k - apart, k + apart) if i < len(line)]
                quotients.append((line[k] / torch.stack(around).log().mean().exp()).item())
    return max(quotients)


def combinations(attributes: Tensor) -> int:
    """How many different rows (N, A) of true and false there are: few, where a generator makes the same few faces."""
    return len(torch.unique(attributes.bool(), dim=0))


def _check(fake: Tensor, real: Tensor) -> None:
    if min(len(fake), len(real)) < 2:
        raise ValueError(f"{len(fake)} images against {len(real)}: a distance of sets needs at least 2 of each")


def _patches(level: Tensor, count: int, random: torch.Generator) -> Tensor:
    """That many 7×7 patches from random places, as rows: each image gives its share."""
    places = level.shape[-1] - PATCH + 1
    image = torch.arange(count) % len(level)
    row, column = torch.randint(places, (2, count), generator=random)
    windows = level.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # (N, C, places, places, 7, 7), a view
    return windows[image, :, row, column].flatten(1)


def _filter(channels: int, scale: float) -> Tensor:
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    return (scale * line[:, None] * line).expand(channels, 1, 5, 5)


def _blurred(images: Tensor, scale: float = 1.0) -> Tensor:
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(padded, _filter(images.shape[1], scale), groups=images.shape[1])


def _enlarged(images: Tensor) -> Tensor:
    """Twice the size: zeros in between, blurred."""
    n, channels, height, width = images.shape
    large = images.new_zeros(n, channels, 2 * height, 2 * width)
    large[:, :, ::2, ::2] = images
    return _blurred(large, scale=4.0)


def _small(images: Tensor, size: int) -> Tensor:
    """Images as rows, at `size` pixels a side or less."""
    smaller = images.shape[-1] > size
    (rows,) = _in_parts(images, lambda x: [(F.adaptive_avg_pool2d(x, size) if smaller else x).flatten(1)])
    return rows


def _in_parts(images: Tensor, work: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
    """What `work` makes of images as floats, a part at a time.

    The whole results come first in memory: between them, what a part leaves behind would stay as holes.
    """
    shapes = [part.shape[1:] for part in work(as_floats(images[:1]))]
    wholes = [torch.empty(len(images), *shape) for shape in shapes]
    for first in range(0, len(images), AT_ONCE):
        for whole, part in zip(wholes, work(as_floats(images[first : first + AT_ONCE])), strict=True):
            whole[first : first + AT_ONCE] = part
    return wholes
