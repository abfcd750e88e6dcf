"""A generator for other programs, as ONNX or an exported program of PyTorch: from z to images, any number at once."""

import copy
import importlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from dcgan_lib import checkpoint
from dcgan_lib.gan import GAN
from dcgan_lib.settings import first_line
from dcgan_lib.sharing.folder import public

CHECKED = (1, 7)  # batches that a file must draw as the network does; neither is the one that it was exported with
TOLERANCE = 1e-4  # of values in [-1, 1]: a hundredth of what a byte resolves


def export_onnx(gan: GAN, path: str | Path) -> Path:
    """Write the generator that `sample` draws with as ONNX: input `z` (N, latent_dim), output `images` in [-1, 1].

    N is free. Drawn by onnxruntime, its images have been compared with the network's before the file is there. Raises
    `RuntimeError` where they differ, and where onnx, onnxscript or onnxruntime is missing.
    """
    _require("onnx", "onnxscript", "onnxruntime")
    import onnxruntime

    network, z = _network(gan), torch.zeros(3, gan.config.latent_dim)
    names = {"input_names": ["z"], "output_names": ["images"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the exporter itself uses
        try:
            program = torch.onnx.export(_program(network, z), (z,), dynamo=True, verbose=False, **names)
        except Exception as error:  # of many kinds: an onnxscript that is older than torch, for instance
            told = f"PyTorch could not export it as ONNX: {first_line(error)}"
            raise RuntimeError(f"{told}; try pip install --upgrade onnx onnxscript") from error
    program.model.metadata_props.update(_about(gan))
    content = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    _compare(lambda z: torch.from_numpy(session.run(["images"], {"z": z.numpy()})[0]), network, z, path)
    return _keep(path, content)


def export_torch(gan: GAN, path: str | Path) -> Path:
    """Write the generator that `sample` draws with by `torch.export`, a .pt2: `torch.export.load(path).module()(z)`.

    It needs PyTorch and nothing of this library. N is free; compared and raised as in `export_onnx`.
    """
    network, z, file = _network(gan), torch.zeros(3, gan.config.latent_dim), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(_program(network, z), file, extra_files={"about.json": json.dumps(_about(gan))})
        file.seek(0)
        loaded = torch.export.load(file).module()
    _compare(loaded, network, z, path)
    return _keep(path, file.getvalue())


def _network(gan: GAN) -> nn.Module:
    """A copy of the generator on the CPU, in eval mode: each image depends on its own z alone."""
    network = copy.deepcopy(gan.sampler()).to("cpu", memory_format=torch.contiguous_format)
    return network.eval().requires_grad_(False)


def _program(network: nn.Module, z: Tensor) -> torch.export.ExportedProgram:
    """What the network computes, for any number of z; it names no file of this machine, as PyTorch's notes would."""
    program = torch.export.export(network, (z,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def _about(gan: GAN) -> dict[str, str]:
    """What whoever has the file alone must know, as plain text."""
    config = gan.config
    told = "standard normal" if config.noise == "normal" else "uniform in [-1, 1]"
    return {"z": f"(N, {config.latent_dim}), {told}", "step": str(gan.step), "config": json.dumps(public(config))}


def _compare(draw: Callable[[Tensor], Tensor], network: nn.Module, z: Tensor, path: str | Path) -> None:
    """`RuntimeError` where what was exported draws other images than the network, or takes no such batch."""
    for count in CHECKED:
        given = torch.randn(count, z.shape[1], generator=torch.Generator().manual_seed(count))
        expected = network(given)
        try:
            drawn = draw(given)
            different = (drawn - expected).abs().max().item() if drawn.shape == expected.shape else float("inf")
        except Exception as error:  # of many kinds: the runtimes' own
            told = f"the export takes no batch of {count}: {first_line(error)}"
            raise RuntimeError(f"{path} is not written: {told}") from error
        if not different <= TOLERANCE:
            told = f"in a batch of {count} its images differ from the network's by {different:.2g}"
            raise RuntimeError(f"{path} is not written: {told}; please report it, with torch {torch.__version__}")


def _keep(path: str | Path, content: bytes) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_whole(path, content)
    return path


def _require(*names: str) -> None:
    missing = []
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise RuntimeError(f"ONNX needs more packages: pip install {' '.join(missing)}")
