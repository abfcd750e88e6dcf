"""The minimal GAN: the article's networks, held against the same ones built in Keras, and trained like any other."""

import math

import pytest
import torch

from dcgan_lib.config import Config
from dcgan_lib.gan import GAN
from dcgan_lib.models.minimal import MinimalDiscriminator, MinimalGenerator
from dcgan_lib.train import train_step

SETTINGS = {"recipe": "minimal", "device": "cpu"}


@pytest.fixture(scope="module")
def keras():
    """Keras 3 on PyTorch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        import keras
    return keras


def as_keras_has_it(keras, kind):
    """The network as a reader of the article would type it."""
    layers = keras.layers
    if kind is MinimalGenerator:
        inputs = keras.Input((100,))
        x = layers.Reshape((4, 4, 128))(layers.Dense(4 * 4 * 128)(inputs))
        x = layers.BatchNormalization()(x)
        for filters in (64, 32, 16, 16):
            x = layers.Conv2DTranspose(filters, 5, strides=2, padding="same")(x)
            x = layers.LeakyReLU(negative_slope=0.3)(layers.BatchNormalization()(x))
        return keras.Model(inputs, layers.Conv2D(3, 5, padding="same", activation="tanh")(x))
    x = inputs = keras.Input((64, 64, 3))
    for filters in (16, 32, 64, 128):
        x = layers.BatchNormalization()(layers.Conv2D(filters, 5, padding="same")(x))
        x = layers.BatchNormalization()(layers.Conv2D(filters, 5, strides=2, padding="same")(x))
        x = layers.LeakyReLU(negative_slope=0.3)(x)
    return keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("kind", [MinimalGenerator, MinimalDiscriminator])
def test_parameters_are_as_many_as_in_keras_layer_by_layer(keras, kind):
    ours, theirs = kind(), as_keras_has_it(keras, kind)
    counts = [sum(weight.numel() for weight in layer.parameters(recurse=False)) for layer in ours.main]
    expected = [sum(math.prod(weight.shape) for weight in layer.trainable_weights) for layer in theirs.layers]
    assert [count for count in counts if count] == [count for count in expected if count]
    statistics = sum(buffer.numel() for name, buffer in ours.named_buffers() if "num_batches" not in name)
    assert statistics == sum(math.prod(weight.shape) for weight in theirs.non_trainable_weights)
    outputs = tuple(theirs.output_shape[1:])  # channels last there
    example = ours(torch.randn(2, 100) if kind is MinimalGenerator else torch.randn(2, 3, 64, 64))
    assert example.shape[1:] == ((3, 64, 64) if len(outputs) == 3 else ())


@pytest.mark.parametrize("kind", [MinimalGenerator, MinimalDiscriminator])
def test_weights_begin_as_keras_draws_them(kind):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = kind()
    for layer in network.main:
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            area = math.prod(layer.weight.shape[2:])
            limit = math.sqrt(6 / (area * (layer.weight.shape[0] + layer.weight.shape[1])))
            assert layer.weight.abs().max() <= limit
            n = layer.weight.numel()
            assert abs(layer.weight.std() - limit / math.sqrt(3)) < 5 * limit / math.sqrt(n)
            assert not layer.bias.any()


def test_it_trains_through_the_same_step_and_comes_back_from_a_checkpoint(tmp_path):
    gan = GAN(Config.from_dict(SETTINGS | {"batch_size": 8, "average_half_life": 100}))
    real = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    before = [p.clone() for p in (*gan.generator.parameters(), *gan.discriminator.parameters())]
    for _ in range(2):
        assert all(value.isfinite().all() for value in train_step(gan, real, gan.noise(8)))
        gan.update_average(8)
    after = [*gan.generator.parameters(), *gan.discriminator.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True) if b.dim() > 1)
    gan.save(tmp_path / "c.pt")
    again = GAN.load(tmp_path / "c.pt", device="cpu")
    assert torch.equal(again.sample(), gan.sample())
    assert again.sample().shape == (64, 3, 64, 64)


def test_capacity_and_filter_size_are_settings():
    config = Config.from_dict(SETTINGS | {"generator_width": 8, "discriminator_width": 24, "minimal_kernel": 3})
    gan = GAN(config)
    assert gan.generator.main[0].out_features == 8 * 8 * 16
    first = gan.discriminator.main[0]
    assert (first.out_channels, first.kernel_size) == (24, (3, 3))
    assert gan.sample(gan.noise(2)).shape == (2, 3, 64, 64)
    assert gan.logits(gan.sample(gan.noise(2))).shape == (2,)


def test_a_run_of_version_0_4_has_the_articles_widths_whatever_its_settings_say():
    saved = {"architecture": "minimal", "generator_width": 64, "discriminator_width": 32, "mixed_batches": False}
    config = Config.from_dict(saved)
    assert (config.generator_width, config.discriminator_width, config.minimal_kernel) == (16, 16, 5)


def test_one_seed_gives_one_start():
    one, two, other = (GAN(Config.from_dict(SETTINGS | {"seed": seed})) for seed in (1, 1, 2))
    for a, b, c in zip(*(gan.generator.state_dict().values() for gan in (one, two, other)), strict=True):
        assert torch.equal(a, b)
        if a.dim() > 1:
            assert not torch.equal(a, c)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"image_size": 32}, "image_size is 32: the minimal architecture is made for 64"),
        ({"spectral_norm": True}, "spectral_norm is True, but the minimal architecture has no such choice"),
        ({"objective": "wasserstein"}, "a critic must have no BatchNorm, and the minimal architecture has"),
        ({"gradient_penalty": 10.0}, "a critic must have no BatchNorm, and the minimal architecture has"),
        ({"discriminator_norm": "none"}, "discriminator_norm is 'none', but the minimal architecture has no such"),
    ],
)
def test_what_it_does_not_have_is_told(setting, message):
    with pytest.raises(ValueError, match=message):
        Config(architecture="minimal", **setting)
