"""D's layers as features, and the linear classifier that is asked what they hold."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dcgan_lib.gan import GAN
from dcgan_lib.latent.features import discriminator_features, linear_accuracy


@pytest.mark.parametrize("architecture", ["dcgan", "minimal"])
def test_every_layers_maps_are_pooled_to_four_by_four(tiny, architecture):
    size = 64 if architecture == "minimal" else 16
    network = GAN(tiny.replace(architecture=architecture, image_size=size)).discriminator
    images = torch.rand(5, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    kept, hooks = [], []
    for layer in network.main:
        if isinstance(layer, torch.nn.LeakyReLU):
            hooks.append(layer.register_forward_hook(lambda _, __, out: kept.append(out.clone())))
    network.eval()(images)
    for hook in hooks:
        hook.remove()
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = discriminator_features(network, images)
    expected = [F.max_pool2d(maps, maps.shape[-1] // 4).flatten(1) for maps in kept]
    torch.testing.assert_close(found, torch.cat(expected, 1))
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_label_that_lies_in_the_features_is_read_and_another_is_not():
    random = np.random.default_rng(0)
    features = torch.from_numpy(random.normal(size=(900, 20)).astype(np.float32))
    features[:, 7] *= 1000  # scales mean nothing
    there = (features[:, 3] + 0.1 * features[:, 4] > 1).numpy()  # one in six
    assert linear_accuracy(features, there, (300, 200), (1e-5, 0.1)) > 0.93
    assert linear_accuracy(features, random.random(900) < 0.2, (300, 200)) == pytest.approx(0.5, abs=0.1)


def test_it_is_measured_on_the_last_images_and_learns_from_the_first():
    features = torch.randn(300, 5, generator=torch.Generator().manual_seed(0))
    labels = (features[:, 0] > 0).numpy()
    labels[200:] = ~labels[200:]
    assert linear_accuracy(features, labels, (150, 50)) < 0.1
