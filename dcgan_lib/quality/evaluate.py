"""`dcgan evaluate`: how good a run's faces are, in numbers, beside those of real faces."""

import copy
import json
import time
import warnings
from argparse import ArgumentParser, Namespace
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

from dcgan_lib import checkpoint
from dcgan_lib.config import FACES
from dcgan_lib.data import ImageSet, prepare
from dcgan_lib.faces import draw_faces
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_bytes, to_floats
from dcgan_lib.quality import metrics
from dcgan_lib.quality.attribute_classifier import AttributeClassifier, load_classifier
from dcgan_lib.sharing.folder import find, is_pretrained

COUNT = 2000  # images on either side; distances depend on it
MOST_TRAINING = 20_000  # training images among which the nearest is looked for
JUDGED_BY_D = 500  # images of each kind that tell how much D overfits
FEWEST_FOR_FID = 10_000

MEANING = {
    "swd": "sliced Wasserstein distance of patches, mean of all scales",
    "swd_": "… at that many pixels a side",
    "frechet": "Fréchet distance in the attribute classifier's features",
    "kernel": "kernel distance in the attribute classifier's features",
    "diversity": "distance of two fakes / of two real images; 1 is right",
    "contrast": "standard deviation of the pixel values, fakes' / real images'; 1 is right",
    "saturation": "share of pixel values at the ends of the range, fakes' minus real images'; above 0: burnt out",
    "novelty": "distance to the nearest training image / that of held-out ones; blurred images have a low one, too",
    "copying": "nearest / second nearest training image, over the same of held-out ones; far below 1: learnt by heart",
    "overfitting": "where D places held-out images: 0 with training images, 1 with fakes; above 0.5: learnt by heart",
    "attribute_error": "share of fakes with an attribute minus that of real faces, mean size over all attributes",
    "combinations": "different combinations of attributes / those of as many real faces",
    "fid": "Fréchet distance in Inception's features",
    "kid": "kernel distance in Inception's features, times 1000",
}


class Evaluator:
    """Compares generated images with the real ones of a set: with its test split where that was held out.

    `count`: images on either side, as far as there are so many. `classifier` reads attributes; without it what needs
    them is left out. Everything random has its own seed, so that a training goes on as if nothing had been measured.
    """

    def __init__(
        self, images: ImageSet, hold_out: bool, count: int = COUNT, classifier: AttributeClassifier | None = None
    ) -> None:
        random = np.random.default_rng(0)
        training = random.permutation(images.rows(hold_out))
        reference = random.permutation(images.test_rows()) if hold_out else training[: len(training) // 2]
        if not hold_out:
            count = min(count, len(training) // 2)  # so that the floor is measured with as many images as the fakes
        self.count, self.classifier, self.hold_out = count, classifier, hold_out
        self.real = _pixels(images, reference[:count])
        self.others = _pixels(images, training[-count:])  # no reference is among them
        self.training = _pixels(images, training[:MOST_TRAINING])
        nothing = float("nan")  # where all real images are copies: no score can be told from them
        self.variety = metrics.pairwise_distance(self.real) or nothing
        self.contrast, self.saturation = metrics.contrast(self.real) or nothing, metrics.saturation(self.real)
        if hold_out:
            self.distance = metrics.nearest_neighbour(self.real, self.training)[0].mean().item() or nothing
            self.ratio = metrics.nearest_neighbour_ratio(self.real, self.training) or nothing
        self.features, self.attributes = classifier.read(self.real) if classifier else (None, None)

    def __call__(self, gan: GAN, overfitting: bool = True) -> dict[str, float]:
        """The scores of a GAN's images, and with `overfitting` of its D; `MEANING` says what each is.

        A D that is trained on batches which mix real images with fakes can't be judged in this way.
        """
        scores = self.compare(self.sample(gan))
        return scores | ({"overfitting": self.overfitting(gan)} if overfitting and self.hold_out else {})

    @torch.no_grad()
    def overfitting(self, gan: GAN) -> float:
        """Where D puts held-out images: with the training images (0) or the fakes (1) (Karras et al. 2020, eq. 1).

        Told by the means of D's logits: how far along from that on training images to that on fakes.
        """
        count = min(self.count, JUDGED_BY_D)
        z = gan.noise(count, torch.Generator().manual_seed(1)).to(gan.device)
        generator = copy.deepcopy(gan.generator).train()  # the one that D plays against, whose statistics may move
        fakes = torch.cat([generator(part).cpu() for part in z.split(256)])
        known, new = (to_floats(_spread(pixels, count)) for pixels in (self.training, self.real))
        real, held_out, fake = (gan.logits(images) for images in (known, new, fakes))
        # Where D can't tell fakes from real images, their distance is no measure: then the spread of its logits is.
        scale = max((real.mean() - fake.mean()).item(), real.std().item())
        return (real.mean() - held_out.mean()).item() / scale

    def sample(self, gan: GAN) -> Tensor:
        """The GAN's images that are compared: (count, C, S, S), from the same noise each time."""
        return gan.sample(gan.noise(self.count, torch.Generator().manual_seed(0)))

    def compare(self, fakes: Tensor) -> dict[str, float]:
        """The scores of images (N, C, S, S), uint8 or float in [-1, 1]."""
        levels = metrics.sliced_wasserstein(fakes, self.real)
        scores = {"swd": sum(levels.values()) / len(levels)}
        scores |= {f"swd_{side}": distance for side, distance in levels.items()}
        scores["diversity"] = metrics.pairwise_distance(fakes) / self.variety
        scores["contrast"] = metrics.contrast(fakes) / self.contrast
        scores["saturation"] = metrics.saturation(fakes) - self.saturation
        if self.hold_out:
            scores["novelty"] = metrics.nearest_neighbour(fakes, self.training)[0].mean().item() / self.distance
            scores["copying"] = metrics.nearest_neighbour_ratio(fakes, self.training) / self.ratio
        if self.classifier:
            features, attributes = self.classifier.read(fakes)
            scores["frechet"] = metrics.frechet_distance(features, self.features)
            scores["kernel"] = metrics.kernel_distance(features, self.features)
            errors = attributes.float().mean(0) - self.attributes.float().mean(0)
            scores["attribute_error"] = errors.abs().mean().item()
            as_many = min(len(attributes), len(self.attributes))
            there, here = (metrics.combinations(_spread(each, as_many)) for each in (self.attributes, attributes))
            scores["combinations"] = here / there
        return scores

    def floor(self) -> dict[str, float]:
        """The scores that real images have, training ones taken for fakes: as good as can be expected."""
        known = {"novelty": 1.0, "copying": 1.0, "overfitting": 0.0} if self.hold_out else {}
        return self.compare(self.others) | known


def keep_best(gan: GAN, folder: str | Path, scores: dict[str, float], images: ImageSet, by: str = "swd") -> bool:
    """Save the GAN as `<folder>/best.pt` if its score is the lowest so far; returns whether it is.

    `best.json` beside it has the step and the scores, so that a resumed run goes on comparing.
    """
    folder = Path(folder)
    try:
        best = float(json.loads((folder / "best.json").read_text(encoding="utf-8"))["scores"][by])
    except (OSError, ValueError, KeyError, TypeError):
        best = float("inf")
    if not scores[by] < best:
        return False
    gan.save(folder / "best.pt", images)
    checkpoint.write_whole(folder / "best.json", json.dumps({"step": gan.step, "scores": scores}, indent=2) + "\n")
    return True


def fid_and_kid(fake: Tensor, real: Tensor) -> dict[str, float]:
    """FID and KID in Inception's features, by torch-fidelity: images (N, 3, S, S), uint8 or float in [-1, 1].

    Raises `RuntimeError`, in one line, where the package or Inception's weights (91 MB, once) cannot be had. Warns
    below 10,000 images a side, where FID comes out too high.
    """
    torch_fidelity = _torch_fidelity()
    fewest = min(len(fake), len(real))
    if fewest < FEWEST_FOR_FID:
        advice = f"compare it only with others of as many, or take {FEWEST_FOR_FID:,} a side"
        warnings.warn(f"FID of {fewest:,} images comes out too high; {advice}", stacklevel=2)
    inputs = {name: Subset(to_bytes(x), range(len(x))) for name, x in (("input1", fake), ("input2", real))}
    options = {"kid_subset_size": min(1000, fewest), "cuda": torch.cuda.is_available(), "verbose": False}
    try:
        found = torch_fidelity.calculate_metrics(**inputs, fid=True, kid=True, **options)
    except OSError as error:  # URLError is one
        advice = "connect once, or put pt_inception-2015-12-05-6726825d.pth into torch's hub folder, checkpoints/"
        raise RuntimeError(f"Inception's weights cannot be downloaded ({error}): {advice}") from error
    return {"fid": found["frechet_inception_distance"], "kid": 1000 * found["kernel_inception_distance_mean"]}


def _torch_fidelity() -> ModuleType:
    try:
        import torch_fidelity
    except ImportError as error:
        raise RuntimeError("FID and KID need a package: pip install -r requirements-fid.txt") from error
    return torch_fidelity


def _pixels(images: ImageSet, rows: np.ndarray) -> Tensor:
    return torch.from_numpy(images.images[np.sort(rows)])


def _spread(rows: Tensor, count: int) -> Tensor:
    """At most `count` rows, evenly from first to last: sorted as `_pixels` has them, the first may be of one folder."""
    count = min(count, len(rows))
    return rows[torch.arange(count) * len(rows) // count]


def scores_table(scores: dict[str, float], floor: dict[str, float]) -> str:
    """Scores beside those of real faces as text, a line each, with what they mean."""
    return "\n".join([f"{'':<16} {'fakes':>9} {'real':>9}", *_score_lines(scores, floor)])


def _score_lines(scores: dict[str, float], floor: dict[str, float]) -> list[str]:
    lines = []
    for name, value in scores.items():
        meaning = MEANING.get(name) or MEANING["swd_"]
        lines.append(f"{name:<16} {value:9.4g} {floor.get(name, float('nan')):9.4g}   {meaning}")
    return lines


def add_arguments(parser: ArgumentParser) -> None:
    told = "a run's folder, a checkpoint, a pretrained folder, portraits, or owner/name on the Hugging Face Hub"
    parser.add_argument("run", metavar="source", help=told)
    parser.add_argument("--data", help="the images to compare with, where they are no longer where the run had them")
    parser.add_argument("--count", type=int, default=COUNT, help=f"images on either side (default: {COUNT})")
    parser.add_argument("--cache", default="data/cache", help="folder of prepared images")
    parser.add_argument("--fid", action="store_true", help="FID and KID too (needs torch-fidelity and its weights)")


def main(given: Namespace) -> int:
    """Measure a run's newest checkpoint, or any other, and print a table."""
    began = time.perf_counter()
    if given.count < 2:
        raise ValueError(f"--count {given.count}: a comparison needs at least 2 of each")
    if given.fid:
        _torch_fidelity()  # told before the minutes that the other scores take
    path = find(given.run)
    gan = GAN.load(path)
    config = gan.config
    source = given.data or config.data
    if source == FACES:
        draw_faces(source)
    images = prepare(source, config.image_size, config.channels, config.max_images, cache=given.cache)
    evaluator = Evaluator(images, config.hold_out, given.count, load_classifier(images, given.cache))
    scores, floor = evaluator(gan, overfitting=not is_pretrained(path)), evaluator.floor()
    against = "held-out images" if config.hold_out else "training images (hold_out is off)"
    print(f"step {gan.step:,}: {evaluator.count:,} fakes against {len(evaluator.real):,} {against}")
    if evaluator.classifier:
        print(f"the attribute classifier reads {evaluator.classifier.accuracy:.1%} of held-out attributes right")
    print(scores_table(scores, floor), flush=True)
    if given.fid:  # last: without its weights the others are there
        print(*_score_lines(fid_and_kid(evaluator.sample(gan), evaluator.real), {}), sep="\n")
    print(f"{time.perf_counter() - began:.0f} s")
    return 0
