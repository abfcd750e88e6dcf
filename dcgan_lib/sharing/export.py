"""`dcgan export`: a run's record for other programs, or its generator."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from dcgan_lib.records import export as records
from dcgan_lib.sharing.folder import find, is_pretrained

NETWORKS = {"onnx": ".onnx", "torch": ".pt2"}  # what a generator can be exported to, and the file's suffix
PRETRAINED = "pretrained"


def add_arguments(parser: ArgumentParser) -> None:
    records.add_arguments(parser, (*NETWORKS, PRETRAINED))
    only = parser.add_argument_group("for --to pretrained, a folder as the Hugging Face Hub lays models out")
    only.add_argument("--dtype", choices=("float32", "float16"), help="of its weights (default: float32)")
    only.add_argument("--licence", metavar="NAME", help="of its weights, as the Hub abbreviates it: mit, cc-by-4.0")
    only.add_argument("--measure", action="store_true", help="score it for its card, beside real images")
    only.add_argument("--data", metavar="PATH", help="the images for that, where they are elsewhere than for the run")
    only.add_argument("--push", metavar="OWNER/NAME", help="send it to the Hub as well")


def main(given: Namespace) -> int:
    """Write the files and print where they are."""
    if given.to != PRETRAINED and any((given.dtype, given.licence, given.measure, given.data, given.push)):
        raise ValueError(f"--dtype, --licence, --measure, --data, --push are for --to {PRETRAINED}: leave them out")
    if given.to in records.EXPORTS:
        return records.main(given)
    if len(given.runs) != 1:
        raise ValueError(f"--to {given.to} takes one generator, and {len(given.runs)} are given: name one")
    path = find(given.runs[0])
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    name = folder.name if path.is_dir() or path.stem == "checkpoint" else f"{folder.name}-{path.stem}"
    home = folder.parent if Path(given.runs[0]).exists() else Path()
    into = given.into or home / "exports" / (name + NETWORKS.get(given.to, ""))
    from dcgan_lib.gan import GAN  # from here on it needs torch

    if given.to == PRETRAINED:
        from dcgan_lib.sharing.pretrained import push_to_hub, share

        changes = (given.into, given.dtype, given.licence, given.measure, given.data)
        if given.push and is_pretrained(path) and not any(changes):  # as it lies there, with the card that was read
            print(f"sent to {push_to_hub(path, given.push)}")
            return 0
        share(path, into, given.dtype or "float32", given.licence or "", given.measure, given.data)
        print(f'a generator in {into}: GAN.from_pretrained("{into}"); read its README.md before you share it')
        if given.push:
            print(f"sent to {push_to_hub(into, given.push)}")
        return 0
    if into.is_dir():
        raise ValueError(f"{into} is a folder: name a file, {into / name}{NETWORKS[given.to]}, say")
    from dcgan_lib.sharing.networks import export_onnx, export_torch

    gan = GAN.load(path, "cpu")
    (export_onnx if given.to == "onnx" else export_torch)(gan, into)
    size = f"{gan.config.channels}, {gan.config.image_size}, {gan.config.image_size}"
    print(f"{into}: z (N, {gan.config.latent_dim}) to images (N, {size}) in [-1, 1], as the network draws them")
    return 0
