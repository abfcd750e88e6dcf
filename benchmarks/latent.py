"""`python benchmarks/latent.py --data ZIP --source RUN …`: what notebook 9 shows, on other faces and longer runs.

Of the last source: how often a step turns an attribute, how much leaks, and how many of its own images are found again.
Of every source that has a D: how well a linear SVM reads held-out faces' attributes from D's features, beside raw
pixels, an untrained D and the attribute classifier. Prints tables, and writes them into RESULTS.md; no face is drawn.
"""

import argparse
import copy
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results import machine, replace_part

from dcgan_lib.data import ImageSet, prepare
from dcgan_lib.gan import GAN
from dcgan_lib.latent.directions import all_conditional, attribute_directions, steering
from dcgan_lib.latent.features import discriminator_features, linear_accuracy
from dcgan_lib.latent.inversion import NEAR, invert, train_encoder
from dcgan_lib.latent.walks import noise_radius, on_sphere
from dcgan_lib.models.build import draw_networks
from dcgan_lib.quality.attribute_classifier import AttributeClassifier, load_classifier
from dcgan_lib.sharing.folder import find, is_pretrained

READ = ("Male", "Smiling", "Eyeglasses", "Wearing_Hat", "Young", "Wavy_Hair", "Mouth_Slightly_Open", "Blond_Hair")


def steer(gan: GAN, classifier: AttributeClassifier, faces: int) -> str:
    """How often steps along directions turn what they are meant to, and what else: a table in Markdown."""
    by = {name: attribute_directions(gan, classifier, by=name) for name in ("label", "margin")}
    plain = by["margin"]
    names = [each.name for each in plain]
    rows, gained = [], {}
    for kind, directions, sigmas in [
        ("by label", by["label"], 3.0),
        ("by margin", plain, 3.0),
        ("by margin", plain, 1.5),
        ("conditional", all_conditional(plain), 3.0),
    ]:
        turned = steering(gan, classifier, directions, sigmas, faces)
        gained[kind, sigmas] = pd.Series({name: turned.gained.loc[name, name] for name in names})
        own, by_chance, leakage = turned.summary().values()
        rows.append(f"| {kind}, {sigmas:g} σ | {own:.1%} | {by_chance:.1%} | {100 * leakage:.1f} |")
    order = gained["by margin", 3.0].sort_values()
    weak, strong = (
        ", ".join(f"{name} {value:.0%}" for name, value in part.items()) for part in (order[:4], order[-4:])
    )
    missing = sorted(set(classifier.attributes) - set(names))
    aucs = {kind: np.mean([each.auc for each in found]) for kind, found in by.items()}
    table = (
        "| directions | turned as meant | by a random step | leakage, percentage points |\n| --- | ---: | ---: | ---: |"
    )
    return (
        f"Steering, {faces} faces, means over {len(names)} attributes; auc {aucs['label']:.3f} by label, "
        f"{aucs['margin']:.3f} by margin. Hardest: {weak}; easiest: {strong}. Too rare or too common among the fakes: "
        f"{', '.join(missing) or 'none'}.\n\n{table}\n" + "\n".join(rows)
    )


def search(gan: GAN, images: ImageSet, count: int = 100) -> str:
    """How many of its own images are found again, and how near held-out ones come: a table in Markdown."""
    random, radius = torch.Generator().manual_seed(1), noise_radius(gan.config)
    known, elsewhere = on_sphere(gan.noise(count, random), radius), gan.noise(count, random)
    targets, held_out = gan.sample(known), images.batch(images.test_rows()[:count], "cpu")
    encoder, rows = train_encoder(gan), []
    for name, goal, start, sphere in (
        ("its own, from the encoder's guess, up to seven searches", targets, encoder, True),
        ("its own, from a random z", targets, elsewhere, True),
        ("held-out faces, on the sphere", held_out, encoder, True),
        ("held-out faces, any z", held_out, encoder, False),
    ):
        found = invert(gan, goal, start, sphere=sphere, retries=6 if goal is targets and start is encoder else 0)
        same = (found.errors < NEAR) & (torch.cosine_similarity(found.z, known) > 0.99)
        again = f"{int(same.sum())} of {count}" if goal is targets else "–"
        rows.append(f"| {name} | {again} | {found.errors.median():.4f} | {found.z.norm(dim=1).median():.1f} |")
    table = "| searched | found | median difference | length of z |\n| --- | ---: | ---: | ---: |"
    return f"Back to z; found: difference under 0.02, cosine of both z above 0.99.\n\n{table}\n" + "\n".join(rows)


def probe(gans: list[GAN], images: ImageSet, classifier: AttributeClassifier, split: tuple[int, int]) -> str:
    """How well attributes are read from D's features by a linear SVM: a table in Markdown."""
    labelled = np.flatnonzero((images.attributes != 0).all(axis=1))
    test = np.intersect1d(labelled, images.test_rows())
    test = test if len(test) >= len(labelled) / 20 else labelled[9::10]  # those that the classifier has not seen
    known = np.random.default_rng(0).permutation(np.setdiff1d(labelled, test))
    rows = np.r_[known[: sum(split)], test[:600]]
    x = images.batch(rows, "cpu")
    config = gans[-1].config
    untrained = draw_networks(config, torch.Generator().manual_seed(0))[1]
    kinds = {"raw pixels": x.flatten(1), "untrained D": discriminator_features(untrained, x)}
    for gan in gans:
        kinds[f"D, step {gan.step:,}"] = discriminator_features(copy.deepcopy(gan.discriminator).cpu(), x)
    kinds["attribute classifier"] = classifier.read(x)[0]
    names = [name for name in READ if name in images.attribute_names]
    lines = []
    for kind, features in kinds.items():
        found = [
            linear_accuracy(features, images.attributes[rows, images.attribute_names.index(name)] > 0, split)
            for name in names
        ]
        lines.append(f"| {kind} | {' | '.join(f'{x:.3f}' for x in [*found, np.mean(found)])} |")
    head = (
        f"| features | {' | '.join(name.replace('_', ' ') for name in names)} | mean |\n|{' --- |' * (len(names) + 2)}"
    )
    return (
        f"What D has learnt: balanced accuracy of a linear SVM on {len(rows) - sum(split):,} held-out faces; "
        f"{split[0]:,} to learn from, {split[1]:,} to choose C on.\n\n{head}\n" + "\n".join(lines)
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a zip or folder of images with CelebA's lists")
    parser.add_argument("--source", required=True, nargs="+", help="runs or checkpoints, from short to long training")
    parser.add_argument("--cache", default="build/latent/cache", help="folder for prepared images and the classifier")
    parser.add_argument("--faces", type=int, default=500, help="that are moved along each direction")
    parser.add_argument("--part", default="latent", help="the part of RESULTS.md that is written; '' writes nothing")
    options = parser.parse_args()
    began = time.perf_counter()
    gans = [GAN.from_pretrained(source) for source in options.source]
    with_d = [gan for gan, source in zip(gans, options.source, strict=True) if not is_pretrained(find(source))]
    gan = gans[-1]
    config = gan.config
    images = prepare(options.data, config.image_size, config.channels, cache=options.cache)
    classifier = load_classifier(images, options.cache)
    if classifier is None:
        raise SystemExit(f"{options.data} has too few images with attributes: put list_attr_celeba.txt beside them")
    print(f"the attribute classifier reads {classifier.accuracy:.1%} of held-out attributes right", flush=True)
    parts = []
    for measure in (
        lambda: steer(gan, classifier, options.faces),
        lambda: search(gan, images),
        lambda: probe(with_d, images, classifier, (1500, 500)) if with_d else "No source has a D.",
    ):
        parts.append(measure())
        print(f"\n{parts[-1]}\n{time.perf_counter() - began:.0f} s", flush=True)
    if options.part:
        names = ", ".join(
            f"`{Path(source).name}`, step {gan.step:,}" for source, gan in zip(options.source, gans, strict=True)
        )
        text = (
            f"{date.today()}, `python benchmarks/latent.py`, {machine()}, {(time.perf_counter() - began) / 60:.0f} "
            f"minutes; {names}. The attribute classifier reads {classifier.accuracy:.1%} of held-out attributes right."
        )
        replace_part(options.part, "\n\n".join([text, *parts]))


if __name__ == "__main__":
    main()
