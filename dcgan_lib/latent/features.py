"""What D has learnt: its layers as features of an image, and a linear classifier that is asked what they hold."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 4  # of the grid to which every layer's maps are pooled


@torch.no_grad()
def discriminator_features(discriminator: nn.Module, images: Tensor) -> Tensor:
    """The maps behind every activation of D, max-pooled to 4×4, side by side (Radford et al. 2016, section 5.1).

    images (N, C, S, S) in [-1, 1] → (N, 16 × maps of all layers), on the CPU. D in eval mode, and left as it is.
    """
    network = copy.deepcopy(discriminator).eval()
    device = next(network.parameters()).device
    parts = []
    for maps in images.split(256):
        maps, pooled = maps.to(device), []
        for layer in network.main:
            maps = layer(maps)
            if isinstance(layer, nn.LeakyReLU):
                pooled.append(F.adaptive_max_pool2d(maps, SIDE).flatten(1).cpu())
        parts.append(torch.cat(pooled, dim=1))
    return torch.cat(parts)


def linear_accuracy(
    features: Tensor, labels: np.ndarray, split: Sequence[int], strengths: Sequence[float] = (1e-5, 1e-4, 1e-3)
) -> float:
    """How well a linear SVM reads a label (N,) bool from features (N, F): its balanced accuracy on the last images.

    split: how many of the images it learns from, and by how many of the next its C is chosen from `strengths`; it is
    measured on all others. Balanced: the mean of the shares that are right among those with the label and without it,
    0.5 by chance, however rare it is. Features are scaled to deviation 1.
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.svm import LinearSVC

    first, second = split[0], split[0] + split[1]
    known = features[:first]
    scaled = ((features - known.mean(0)) / known.std(0).clamp_min(1e-6)).numpy()
    parts = {"known": slice(first), "chosen": slice(first, second), "held out": slice(second, None)}

    def score(svm: LinearSVC, part: str) -> float:
        return balanced_accuracy_score(labels[parts[part]], svm.predict(scaled[parts[part]]))

    svms = [LinearSVC(C=strength, class_weight="balanced", random_state=0) for strength in strengths]
    for svm in svms:
        svm.fit(scaled[parts["known"]], labels[parts["known"]])
    return float(score(max(svms, key=lambda svm: score(svm, "chosen")), "held out"))
