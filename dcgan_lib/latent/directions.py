"""Directions in the latent space that mean something, and what a step along one of them turns in the faces."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dcgan_lib.checkpoint import write_whole
from dcgan_lib.gan import GAN
from dcgan_lib.latent.walks import noise_deviation
from dcgan_lib.quality.attribute_classifier import AttributeClassifier

RAREST = 0.01  # share of the fakes that must have an attribute, and lack it, for its direction to be looked for
SURE = 4.0  # logits beyond count as this: a classifier that is certain, 98 %, says nothing by being more so


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction in the latent space: `vector` (latent_dim,) has length 1, and `name` is what a step along it adds.

    `auc`: of two z that it was not learnt from, one with the attribute and one without, how often it tells them apart,
    0.5 by chance and 1 always; NaN where it was not learnt from labels.
    """

    name: str
    vector: Tensor
    auc: float = float("nan")


def attribute_directions(
    gan: GAN, classifier: AttributeClassifier, count: int = 4000, seed: int = 0, by: str = "margin"
) -> list[Direction]:
    """For each attribute that the classifier reads, the direction of z in which the GAN's faces get more of it.

    Linear (InterFaceGAN, Shen et al. 2020, section 3): a hyperplane in the space of z is fitted to what is read in
    `count` fakes, and its normal is the direction. `by` "label": by logistic regression on whether an attribute is
    there; "margin": by least squares on the classifier's logits, which also say how far it is from being there. The
    last fifth of the fakes is kept back for `auc`. Attributes that less than 1 % of the fakes have, or lack, are left
    out: nothing can be learnt from so few. `ValueError` for another `by`.
    """
    fits = {"label": _logistic, "margin": _least_squares}
    if by not in fits:
        raise ValueError(f"by is {by!r}: choose one of {', '.join(fits)}")
    z = gan.noise(count, torch.Generator().manual_seed(seed))
    logits = read_logits(classifier, gan.sample(z))
    known = count - count // 5
    vectors = F.normalize(fits[by](z[:known], logits[:known])[:-1], dim=0).T
    share, aucs = (logits > 0).float().mean(0), _auc(z[known:] @ vectors.T, logits[known:] > 0)
    every = zip(classifier.attributes, vectors, aucs.tolist(), share.tolist(), strict=True)
    return [Direction(name, vector, auc) for name, vector, auc, part in every if RAREST <= part <= 1 - RAREST]


def closed_form_directions(gan: GAN, count: int = 5) -> list[Direction]:
    """The directions of z that G's first layer stretches most, most first: no image is drawn, no label is read.

    The eigenvectors of A Aᵀ with the largest eigenvalues, A the first layer's weights (SeFa, Shen & Zhou 2021, eq. 4);
    here with the scale of BatchNorm behind it, which is part of what the layer does. Their signs mean nothing: the
    largest number of each is positive. What they do to a face is named by looking, or by `steering`.
    """
    network = gan.sampler()
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.ConvTranspose2d))
    norm = next(layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # (maps,)
    linear = isinstance(first, nn.Linear)
    weight = first.weight.T.unflatten(1, (len(scale), -1)) if linear else first.weight.flatten(2)
    stretch = (weight * scale[:, None]).detach().flatten(1).double().cpu()  # (latent_dim, maps × places)
    vectors = torch.linalg.svd(stretch, full_matrices=False).U.T[:count].float()
    signs = vectors.gather(1, vectors.abs().argmax(1, keepdim=True)).sign()
    return [Direction(f"closed form {number}", vector) for number, vector in enumerate(vectors * signs, start=1)]


def conditional(direction: Direction, others: Sequence[Direction]) -> Direction:
    """A direction without what it shares with others, at length 1: conditional manipulation.

    A step along it goes as far as before by its own hyperplane's normal, and stays in place by those of the others
    (InterFaceGAN, Shen et al. 2020, section 3.3). `ValueError` where nothing is left of it.
    """
    basis = torch.linalg.qr(torch.stack([each.vector for each in others], dim=1)).Q
    left = direction.vector - basis @ (basis.T @ direction.vector)
    if left.norm() < 1e-3:
        raise ValueError(f"{direction.name} lies within {', '.join(each.name for each in others)}: nothing is left")
    return replace(direction, vector=F.normalize(left, dim=0), auc=float("nan"))


def all_conditional(directions: Sequence[Direction], similar: float = 0.5) -> list[Direction]:
    """Each direction without what it shares with the others, but for those which say nearly the same as it does.

    similar: the cosine from which on two say nearly the same, such as "Mustache" and the opposite of "No_Beard".
    """
    others = {x.name: [y for y in directions if y is not x and abs(x.vector @ y.vector) < similar] for x in directions}
    return [conditional(each, others[each.name]) if others[each.name] else each for each in directions]


def moved(gan: GAN, z: Tensor, direction: Direction, sigmas: Sequence[float]) -> Tensor:
    """Each z (N, latent_dim) moved by each of these many deviations of the noise: (N × len(sigmas), latent_dim)."""
    steps = noise_deviation(gan.config) * torch.as_tensor(sigmas, dtype=z.dtype)[:, None] * direction.vector
    return (z[:, None] + steps).flatten(0, 1)


class Turned(NamedTuple):
    """What steps turned: two tables with a row a direction and a column an attribute."""

    gained: pd.DataFrame  # of the faces without the attribute, the share that has it after the step; NaN without any
    change: pd.DataFrame  # the share of all faces with the attribute, after the step minus before it

    def summary(self) -> dict[str, float]:
        """Means over the directions that bear an attribute's name: what was meant, by a random step, and leakage.

        Leakage: the size of the change of those attributes that were not meant, as a share of all faces.
        """
        names = [name for name in self.gained.index if name in self.gained.columns]
        gained, change = self.gained[names], self.change.loc[names, names].to_numpy(copy=True)
        np.fill_diagonal(change, np.nan)
        meant = np.nanmean([gained.loc[name, name] for name in names])
        by_chance = gained.loc["at random"].mean()
        return {"turned as meant": meant, "by a random step": by_chance, "leakage": np.nanmean(np.abs(change))}


def steering(
    gan: GAN,
    classifier: AttributeClassifier,
    directions: Sequence[Direction],
    sigmas: float = 3.0,
    count: int = 500,
    seed: int = 1,
) -> Turned:
    """How often a step of so many deviations of the noise turns each attribute, as the classifier reads it.

    The same `count` faces are moved along each direction. In the row of an attribute's own direction, its own column
    is what was meant, and the others are leakage. A row "at random" ends both tables: a direction drawn by chance, what
    any step of this length turns.
    """
    draw = torch.Generator().manual_seed(seed)
    z = gan.noise(count, draw)
    chance = Direction("at random", F.normalize(torch.randn(gan.config.latent_dim, generator=draw), dim=0))
    before, step = read_logits(classifier, gan.sample(z)) > 0, sigmas * noise_deviation(gan.config)
    gained, change = {}, {}
    for each in [*directions, chance]:
        after = read_logits(classifier, gan.sample(z + step * each.vector)) > 0
        gained[each.name] = ((after & ~before).sum(0) / (~before).sum(0)).tolist()
        change[each.name] = (after.float().mean(0) - before.float().mean(0)).tolist()
    return Turned(*(pd.DataFrame.from_dict(x, orient="index", columns=classifier.attributes) for x in (gained, change)))


@torch.no_grad()
def read_logits(classifier: AttributeClassifier, images: Tensor) -> Tensor:
    """The classifier's logits (N, A) of images (N, C, S, S), on the CPU: above 0 the attribute is there."""
    features, _ = classifier.read(images)
    return classifier.head(features.to(classifier.head.weight.device)).cpu()


def save_directions(path: str | Path, directions: Sequence[Direction]) -> None:
    """Write directions as JSON, {"directions": [{"name": …, "vector": […], "auc": …} …]}; `OSError` where it can't."""
    rows = [
        {"name": each.name, "vector": [round(x, 6) for x in each.vector.tolist()]}
        | ({"auc": round(each.auc, 4)} if each.auc == each.auc else {})
        for each in directions
    ]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    write_whole(Path(path), f'{{"directions": [\n{lines}\n]}}\n')


def load_directions(path: str | Path) -> list[Direction]:
    """What `save_directions` wrote, each of length 1; `FileNotFoundError`, or `ValueError` for what holds no such."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no directions at {path}: save_directions(path, attribute_directions(…)) writes them")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["directions"]
        vectors = torch.tensor([row["vector"] for row in rows], dtype=torch.float)
        if vectors.ndim != 2 or not torch.isfinite(vectors).all() or not vectors.norm(dim=1).all():
            raise ValueError
        every = zip(rows, F.normalize(vectors, dim=1), strict=True)
        return [Direction(str(row["name"]), vector, float(row.get("auc", "nan"))) for row, vector in every]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no directions: write it with save_directions") from error


def _with_ones(z: Tensor) -> Tensor:
    return torch.cat([z, torch.ones(len(z), 1)], dim=1)


def _least_squares(z: Tensor, logits: Tensor) -> Tensor:
    """Weights and offset (latent_dim + 1, A) that come nearest to the logits."""
    return torch.linalg.lstsq(_with_ones(z), logits.clamp(-SURE, SURE)).solution


def _logistic(z: Tensor, logits: Tensor) -> Tensor:
    """Weights and offset (latent_dim + 1, A) of logistic regressions on the signs of the logits."""
    inputs, labels = _with_ones(z), (logits > 0).float()
    weights = torch.zeros(inputs.shape[1], labels.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        each = F.binary_cross_entropy_with_logits(inputs @ weights, labels, reduction="none").mean(0)
        total = each.sum() + 1e-3 * weights[:-1].square().sum()  # without it, separable labels have no end
        total.backward()
        return total

    optimizer.step(loss)
    return weights.detach()


def _auc(scores: Tensor, labels: Tensor) -> Tensor:
    """The area under the ROC curve of each column (N, A): how often a score with the label is above one without."""
    ranks = scores.argsort(0).argsort(0).float() + 1
    have = labels.float().sum(0)
    return ((ranks * labels).sum(0) - have * (have + 1) / 2) / (have * (len(labels) - have))
