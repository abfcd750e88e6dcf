"""The networks leave Python by every way that PyTorch offers, for any number of images."""

import io
import warnings

import pytest
import torch

from dcgan_lib import Discriminator, Generator, init_weights
from dcgan_lib.models import MinimalGenerator

Z = torch.randn(7, 100, generator=torch.Generator().manual_seed(0))


KINDS = {
    "dcgan": lambda: Generator(16, width=8),
    "nearest": lambda: Generator(16, width=8, upsampling="nearest"),
    "minimal": lambda: MinimalGenerator(width=4),
}


def generator(kind):
    return init_weights(KINDS[kind](), torch.Generator().manual_seed(1)).eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["trace", "script", "export"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_generator_exported_with_three_takes_one_and_seven(kind, way):
    network = generator(kind)
    if way == "trace":
        exported = torch.jit.trace(network, Z[:3])
    elif way == "script":
        exported = torch.jit.script(network)
    else:
        exported = torch.export.export(network, (Z[:3],), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    with torch.no_grad():
        for count in (1, 7):
            torch.testing.assert_close(exported(Z[:count]), network(Z[:count]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["dcgan", "nearest"])
def test_onnx_takes_any_number_and_gives_the_same(kind):
    runtime = pytest.importorskip("onnxruntime")
    network, file = generator(kind), io.BytesIO()
    batch = {"z": {0: "batch"}, "images": {0: "batch"}}
    names = {"input_names": ["z"], "output_names": ["images"]}
    torch.onnx.export(network, (Z[:3],), file, dynamic_axes=batch, dynamo=False, **names)
    session = runtime.InferenceSession(file.getvalue())
    with torch.no_grad():
        for count in (1, 7):
            (images,) = session.run(None, {"z": Z[:count].numpy()})
            torch.testing.assert_close(torch.from_numpy(images), network(Z[:count]), atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_discriminator_can_be_scripted():
    network = init_weights(Discriminator(16, width=8), torch.Generator().manual_seed(1)).eval()
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad(), warnings.catch_warnings():
        torch.testing.assert_close(torch.jit.script(network)(images), network(images))
