"""The classifier of attributes: it learns what can be seen, is trained once for a set, and needs enough labels."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch

from dcgan_lib.data import ImageSet
from dcgan_lib.images.grid import to_floats
from dcgan_lib.quality import attribute_classifier
from dcgan_lib.quality.attribute_classifier import AttributeClassifier, load_classifier, train_classifier

COUNT = 400
LABELLED = np.arange(COUNT)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Fewer images are asked for, and learnt from at once, than faces need."""
    monkeypatch.setattr(attribute_classifier, "FEWEST", 100)
    monkeypatch.setattr(attribute_classifier, "BATCH", 32)


@pytest.fixture
def lights(images) -> ImageSet:
    """Noise that is bright or dark, and warm or cold, by as much as it is rough; the last quarter is the test split."""
    random = np.random.default_rng(0)
    attributes = random.choice(np.array([-1, 1], np.int8), (COUNT, 2))
    bright, warm = (attributes[:, i, None, None, None] for i in (0, 1))
    tint = np.array([1, 0, -1])[:, None, None]
    pixels = 128 + 30.0 * bright + 30.0 * warm * tint + random.normal(0, 30, (COUNT, 3, 16, 16))
    return dataclasses.replace(
        images,
        images=pixels.clip(0, 255).astype(np.uint8),
        attribute_names=["Bright", "Warm"],
        attributes=attributes,
        partition=np.repeat(np.array([0, 2], np.int8), [300, 100]),
        fingerprint="of bright and dark images",
    )


@pytest.fixture
def trained(monkeypatch) -> list:
    """What each classifier was trained with, for 3 steps only."""
    calls = []

    def train(*arguments):
        calls.append(arguments)
        return train_classifier(*arguments, steps=3)

    monkeypatch.setattr(attribute_classifier, "train_classifier", train)
    return calls


def test_what_can_be_seen_is_read_in_images_that_were_held_out(lights):
    state = torch.get_rng_state()
    reader = train_classifier(lights, LABELLED, "cpu", steps=40)
    assert torch.equal(torch.get_rng_state(), state)
    assert not reader.training
    features, read = reader.read(torch.from_numpy(lights.images[300:]))
    assert (features.shape, read.shape, read.dtype) == ((100, 256), (100, 2), torch.bool)
    right = (read.numpy() == (lights.attributes[300:] > 0)).mean()
    assert right > 0.95
    assert reader.accuracy == right


@pytest.mark.parametrize("split", ["test", "every tenth"])
def test_accuracy_is_that_on_images_which_were_not_learnt_from(lights, split):
    """Only a classifier that has not seen the false labels is always wrong about them."""
    if split == "every tenth":
        lights.partition[:] = np.where(LABELLED < 3, 2, 0)  # hardly any of the test split has labels
    lights.attributes[slice(300, None) if split == "test" else slice(9, None, 10)] *= -1
    assert train_classifier(lights, LABELLED, "cpu", steps=40).accuracy < 0.05


def test_too_few_labelled_images_have_no_classifier(lights, images, tmp_path):
    assert load_classifier(images, tmp_path) is None  # no attributes at all
    lights.attributes[99:, 0] = 0
    assert load_classifier(lights, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_images_without_labels_are_left_out(lights, tmp_path, trained):
    lights.attributes[50:100] = 0
    assert load_classifier(lights, tmp_path, "cpu")
    assert trained[0][1].tolist() == [*range(50), *range(100, COUNT)]


def test_a_classifier_is_trained_once_for_a_set_of_images_and_attributes(lights, tmp_path, trained):
    first, again = (load_classifier(lights, tmp_path / "new folder", "cpu") for _ in range(2))
    assert len(trained) == 1
    assert again.accuracy == first.accuracy
    assert not again.training
    pixels = torch.from_numpy(lights.images)
    torch.testing.assert_close(again.read(pixels)[0], first.read(pixels)[0], rtol=1e-3, atol=1e-3)
    load_classifier(dataclasses.replace(lights, fingerprint="of others"), tmp_path / "new folder", "cpu")
    fewer = dataclasses.replace(lights, attribute_names=["Warm"], attributes=lights.attributes[:, 1:])
    assert load_classifier(fewer, tmp_path / "new folder", "cpu").attributes == ["Warm"]
    assert len(trained) == 3


def test_runs_that_start_together_train_one_classifier(lights, tmp_path, trained):
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: load_classifier(lights, tmp_path, "cpu"), range(3)))
    assert len(trained) == 1
    assert len({each.accuracy for each in found}) == 1


@pytest.mark.parametrize("damage", [lambda data: data[:-500], lambda _: b"", lambda _: b"no checkpoint"])
def test_a_damaged_one_is_trained_again_and_kept(lights, tmp_path, trained, damage):
    load_classifier(lights, tmp_path, "cpu")
    (path,) = (tmp_path / "judges").glob("*.pt")  # where version 0.4 kept it
    path.write_bytes(damage(path.read_bytes()))
    load_classifier(lights, tmp_path, "cpu")
    load_classifier(lights, tmp_path, "cpu")
    assert len(trained) == 2


def test_the_same_set_gives_the_same_classifier(lights):
    train = partial(train_classifier, lights, LABELLED, "cpu", steps=3)
    first = train()
    torch.rand(3)
    for ours, theirs in zip(first.state_dict().values(), train().state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("channels", "side"), [(1, 16), (3, 64)])
def test_bytes_and_floats_read_alike_however_many_there_are(channels, side):
    reader = AttributeClassifier(channels, ["a", "b", "c"]).eval()
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (300, channels, side, side), generator=random).byte()  # 256 are read at a time
    features, read = reader.read(pixels)
    assert (features.shape, read.shape) == ((300, 256), (300, 3))
    torch.testing.assert_close(reader.read(to_floats(pixels))[0], features)
    torch.testing.assert_close(reader.read(pixels[280:])[0], features[280:], rtol=1e-4, atol=1e-5)
