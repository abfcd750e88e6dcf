"""A small network that reads a face's attributes: what it sees in fakes is compared with what it sees in real faces."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dcgan_lib import checkpoint
from dcgan_lib.compute.device import choose_device, choose_precision
from dcgan_lib.data import ImageSet
from dcgan_lib.images.grid import to_floats

VERSION = 1  # of network and training: raise it when either changes, and classifiers are trained again
FEATURES = 128
FEWEST = 1000  # labelled images that it can learn from
STEPS, BATCH = 900, 128


class AttributeClassifier(nn.Module):
    """Images (N, C, S, S) in [-1, 1] of 16 pixels a side or more → logits (N, A) of A attributes."""

    def __init__(self, channels: int, attributes: list[str]) -> None:
        super().__init__()
        self.attributes = attributes
        self.accuracy = float("nan")  # on held-out faces, a mean over attributes; `train_classifier` sets it
        widths = [channels, 32, 64, 96, FEATURES]
        layers = []
        for inputs, outputs in pairwise(widths):
            convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
        self.main = nn.Sequential(*layers, nn.Conv2d(FEATURES, FEATURES, 3, padding=1), nn.ReLU())
        self.scale = nn.BatchNorm1d(2 * FEATURES, affine=False)  # so that features count alike in a distance
        self.head = nn.Linear(2 * FEATURES, len(attributes))

    def features(self, images: Tensor) -> Tensor:
        """What the network makes of images before it decides: (N, 256), means and maxima of its last maps."""
        maps = self.main(images)
        return self.scale(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    @torch.no_grad()
    def read(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 256) float and attributes (N, A) bool of images, uint8 or float in [-1, 1], on the CPU."""
        device = self.head.weight.device
        features = []
        for part in pixels.split(256):
            images = to_floats(part.to(device)) if part.dtype == torch.uint8 else part.to(device)
            features.append(self.features(images).float())
        features = torch.cat(features)
        return features.cpu(), (self.head(features) > 0).cpu()


def load_classifier(
    images: ImageSet, cache: str | Path = "data/cache", device: str = "auto"
) -> AttributeClassifier | None:
    """The classifier for a set of faces, trained once and kept in the cache; None where too few have attributes.

    The same set gives the same classifier, up to rounding between machines.
    """
    labelled = np.flatnonzero((images.attributes != 0).all(axis=1)) if images.attribute_names else np.array([], int)
    if len(labelled) < FEWEST:
        return None
    from filelock import FileLock

    labels = hashlib.sha256(images.attributes.tobytes()).hexdigest()
    what = [VERSION, images.fingerprint, images.attribute_names, labels]
    key = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
    path = Path(cache).expanduser() / "judges" / f"{key}.pt"  # the name of version 0.4, so that its caches load
    classifier = AttributeClassifier(images.images.shape[1], images.attribute_names).to(choose_device(device))
    if not _fill(classifier, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):  # runs of a sweep that start together want the same one
            if not _fill(classifier, path):
                classifier = train_classifier(images, labelled, device)
                checkpoint.save(path, weights=classifier, accuracy=classifier.accuracy)
    return classifier.eval()


def _fill(classifier: AttributeClassifier, path: Path) -> bool:
    """Fill in what the file holds; False where there is none or it is damaged."""
    try:
        kept = checkpoint.load(path)
        classifier.load_state_dict(kept["weights"])
        classifier.accuracy = kept["accuracy"]
    except (FileNotFoundError, checkpoint.CheckpointError, KeyError, RuntimeError):
        return False
    return True


def train_classifier(
    images: ImageSet, labelled: np.ndarray, device: str = "auto", steps: int = STEPS
) -> AttributeClassifier:
    """Train a classifier on the labelled images; its accuracy is that on the test split, or else on every tenth."""
    where = choose_device(device)
    half = torch.autocast(where.type, torch.bfloat16, enabled=choose_precision("auto", where) == "bf16")
    test = np.intersect1d(labelled, images.test_rows())
    test = test if len(test) >= len(labelled) / 20 else labelled[9::10]
    train = np.setdiff1d(labelled, test)
    random = np.random.default_rng(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = AttributeClassifier(images.images.shape[1], images.attribute_names)
    classifier = classifier.to(where, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    for _ in range(steps):
        rows = random.choice(train, BATCH)
        faces = images.batch(rows, where, flip=torch.from_numpy(random.random(BATCH) < 0.5))
        wanted = torch.from_numpy((images.attributes[rows] > 0).astype(np.float32)).to(where)
        with half:
            logits = classifier(faces)
        loss = F.binary_cross_entropy_with_logits(logits.float(), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    classifier.eval()
    _, read = classifier.read(torch.from_numpy(images.images[test]))
    classifier.accuracy = (read.numpy() == (images.attributes[test] > 0)).mean().item()
    return classifier
