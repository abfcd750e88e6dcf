"""Directions: learnt ones are those that were put in, the closed form is G's own, and a step turns what theory says."""

import json
import math

import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from dcgan_lib.gan import GAN
from dcgan_lib.latent.directions import (
    Direction,
    attribute_directions,
    closed_form_directions,
    conditional,
    load_directions,
    save_directions,
    steering,
)
from dcgan_lib.latent.walks import noise_deviation


def own(reader):
    """The directions that the reader's logits rise in."""
    return F.normalize(reader.head.weight.data, dim=1)


@pytest.mark.parametrize("by", ["margin", "label"])
def test_what_is_read_in_fakes_gives_the_directions_back(written, reader, by):
    found = attribute_directions(written, reader, count=3000, by=by)
    assert [each.name for each in found] == ["Even", "Common", "Rare"]  # none has the fourth: nothing to learn
    for each, true in zip(found, own(reader), strict=False):
        assert (each.vector @ true).item() > 0.98
        assert each.vector.norm().item() == pytest.approx(1)
        assert 0.97 < each.auc <= 1


def test_auc_is_of_z_that_were_not_learnt_from(written, reader):
    reader.read = lambda images: (torch.randn(len(images), 10, generator=torch.Generator().manual_seed(1)), None)
    for each in attribute_directions(written, reader, count=2000):  # what is read has nothing to do with z
        assert each.auc == pytest.approx(0.5, abs=0.12)


def test_another_way_of_fitting_is_refused(written, reader):
    with pytest.raises(ValueError, match="by is 'luck': choose one of label, margin"):
        attribute_directions(written, reader, by="luck")


def test_a_step_turns_what_the_normal_distribution_says_and_no_more_than_the_angle_lets_it(tiny, reader, written):
    if written.config.noise == "uniform":
        pytest.skip("theory is of normal noise")
    normal, direction = torch.distributions.Normal(0, 1), own(reader)[0]
    gained, change = steering(written, reader, [Direction("Even", direction)], sigmas=1.0, count=4000)
    assert isinstance(gained, pd.DataFrame)
    assert list(gained.index) == ["Even", "at random"]
    assert list(gained.columns) == reader.attributes
    half = normal.cdf(torch.tensor(1.0)).item() - 0.5  # of all faces pass the hyperplane; half lack the attribute
    assert gained.loc["Even", "Even"] == pytest.approx(2 * half, abs=0.03)
    assert change.loc["Even", "Even"] == pytest.approx(half, abs=0.03)
    aside = (direction @ own(reader)[1]).item()
    before, after = (normal.cdf(torch.tensor(0.15 + x)).item() for x in (0, aside))
    assert change.loc["Even", "Common"] == pytest.approx(after - before, abs=0.03)
    assert gained.loc["Even", "Never"] == 0


def test_sigmas_are_deviations_of_the_noise(written, reader):
    each = Direction("Even", own(reader)[0])
    _, change = steering(written, reader, [each], sigmas=20.0, count=300)
    assert change.loc["Even", "Even"] == pytest.approx(0.5, abs=0.1)
    share = attribute_share(written, reader, 0.5 * noise_deviation(written.config) * each.vector)
    gained, _ = steering(written, reader, [each], sigmas=0.5, count=4000, seed=3)
    assert gained.loc["Even", "Even"] == pytest.approx(share, abs=0.04)


def attribute_share(gan, reader, step):
    """Of the z without the first attribute, the share that has it after this step."""
    z = gan.noise(20_000, torch.Generator().manual_seed(9))
    before, after = (reader.read(gan.sample(x))[1][:, 0] for x in (z, z + step))
    return (after & ~before).sum().item() / (~before).sum().item()


@pytest.mark.parametrize("architecture", ["dcgan", "minimal"])
def test_the_closed_form_is_what_the_first_layer_and_its_norm_stretch_most(tiny, architecture):
    gan = GAN(tiny.replace(architecture=architecture, image_size=64 if architecture == "minimal" else 16))
    norm = next(layer for layer in gan.generator.modules() if isinstance(layer, torch.nn.BatchNorm2d))
    norm.running_var.uniform_(0.01, 4, generator=torch.Generator().manual_seed(0))
    norm.weight.data.uniform_(0.1, 3, generator=torch.Generator().manual_seed(1))
    gan.generator.eval()
    layers = list(gan.generator.main)
    first = torch.nn.Sequential(*layers[: layers.index(norm) + 1])
    shape = (1, 10) if architecture == "minimal" else (1, 10, 1, 1)
    jacobian = torch.autograd.functional.jacobian(first, torch.zeros(shape)).reshape(-1, 10)
    expected = torch.linalg.eigh(jacobian.T @ jacobian).eigenvectors.flip(1).T[:3]
    found = closed_form_directions(gan, 3)
    assert [each.name for each in found] == ["closed form 1", "closed form 2", "closed form 3"]
    for each, vector in zip(found, expected, strict=True):
        assert abs(each.vector @ vector).item() == pytest.approx(1, abs=1e-3)
        assert each.vector[each.vector.abs().argmax()] > 0
        assert math.isnan(each.auc)


def test_conditional_is_at_right_angles_to_the_others_and_to_no_more_than_them():
    one, two, three = F.normalize(torch.randn(3, 10, generator=torch.Generator().manual_seed(0)), dim=1)
    others = [Direction("two", two), Direction("three", three)]
    found = conditional(Direction("one", one, 0.9), others)
    assert found.name == "one"
    assert found.vector.norm().item() == pytest.approx(1)
    assert [(found.vector @ each).item() for each in (two, three)] == pytest.approx([0, 0], abs=1e-6)
    rest = one - (one @ found.vector) * found.vector
    solution = torch.linalg.lstsq(torch.stack([two, three], 1), rest[:, None]).solution
    torch.testing.assert_close(torch.stack([two, three], 1) @ solution, rest[:, None], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="two lies within two, three: nothing is left"):
        conditional(others[0], others)


def test_saved_and_loaded_they_are_the_same(tmp_path):
    vectors = F.normalize(torch.randn(2, 100, generator=torch.Generator().manual_seed(0)), dim=1)
    save_directions(
        tmp_path / "d.json", [Direction("Smiling", vectors[0], 0.91), Direction("closed form 1", vectors[1])]
    )
    first, second = load_directions(tmp_path / "d.json")
    assert (first.name, second.name, first.auc) == ("Smiling", "closed form 1", 0.91)
    assert math.isnan(second.auc)
    torch.testing.assert_close(torch.stack([first.vector, second.vector]), vectors, atol=1e-5, rtol=0)
    assert json.loads((tmp_path / "d.json").read_text())["directions"][0]["name"] == "Smiling"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"directions": {}}',
        '{"directions": [{"name": "a"}]}',
        '{"directions": [{"name": "a", "vector": [0, 0]}]}',
        '{"directions": [{"name": "a", "vector": [1, 0]}, {"name": "b", "vector": [1]}]}',
        '{"directions": [{"name": "a", "vector": [1, NaN]}]}',
        '{"directions": [{"name": "a", "vector": ["x"]}]}',
    ],
)
def test_a_file_of_something_else_is_named(tmp_path, text):
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(ValueError, match=r"d\.json holds no directions: write it with save_directions"):
        load_directions(tmp_path / "d.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no directions at"):
        load_directions(tmp_path / "none.json")
