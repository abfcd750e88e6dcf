"""Where a GAN's weights come from, and a generator's folder as the Hugging Face Hub lays models out.

Such a folder holds `config.json`, `model.safetensors` and `README.md`, the model's card.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcgan_lib import checkpoint
from dcgan_lib.config import COMPUTING, REPORTING, Config
from dcgan_lib.settings import RETIRED, first_line, modernise

if TYPE_CHECKING:  # a launcher looks whether a source is there without waiting for torch
    from torch import nn

CONFIG, WEIGHTS, CARD, SAVED = "config.json", "model.safetensors", "README.md", "checkpoint.pt"
DIRECTIONS = "directions.json"  # beside them, where somebody has looked for directions in the latent space
LIBRARY = "dcgan_lib"  # what a config.json of ours says of itself
SHIPPED = Path(__file__).with_name("portraits")  # the generator that comes with the package


def find(source: str | Path | None = None) -> Path:
    """The folder or file of a GAN; None, or "portraits" where nothing has that name, is the one of the package.

    "owner/name", where no such folder is, comes from the Hugging Face Hub. Raises `FileNotFoundError` where nothing
    is there, and `RuntimeError` where the Hub can't be asked; a line each.
    """
    if source is None:
        return SHIPPED
    if not str(source):
        raise ValueError("the source is empty: give a run's folder, a checkpoint, a pretrained folder, or portraits")
    path = Path(source).expanduser()
    if path.exists():
        return path
    name = path.as_posix()
    if name == SHIPPED.name:
        return SHIPPED
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) and not path.parent.exists():
        return _download(name)
    known = "a run's folder, a checkpoint, a folder of save_pretrained, or owner/name on the Hugging Face Hub"
    raise FileNotFoundError(f"no generator at {source}: give {known}")


def is_pretrained(path: str | Path) -> bool:
    """Whether a path is a folder that holds a generator alone, and no run."""
    return (Path(path) / WEIGHTS).is_file() and not (Path(path) / SAVED).exists()


def read(path: str | Path) -> dict[str, Any]:
    """What `GAN.save` wrote, of a checkpoint or a run's folder; a pretrained folder's "gan" has G and the step alone.

    Tensors are on the CPU. Raises `FileNotFoundError`, or `checkpoint.CheckpointError` for what is damaged, doesn't
    fit its own config.json, or is something else.
    """
    path = Path(path)
    if is_pretrained(path):
        return _read_pretrained(path)
    if path.is_dir() and not (path / SAVED).exists():
        raise FileNotFoundError(f"{path} holds neither {SAVED} nor {WEIGHTS}: train first, or give another folder")
    return read_checkpoint(path / SAVED if path.is_dir() else path)


def read_checkpoint(path: str | Path, device: Any = "cpu") -> dict[str, Any]:
    """What `GAN.save` wrote; `checkpoint.CheckpointError` for a checkpoint of anything else."""
    state = checkpoint.load(path, device)
    if not isinstance(state, dict) or not {"config", "gan", "random", "images"} <= state.keys():
        advice = "plain weights go into gan.generator.load_state_dict(), without a 'module.' before their names"
        raise checkpoint.CheckpointError(f"{path} is not a checkpoint of GAN.save; {advice}")
    return state


def read_own(path: str | Path, config: Config, images: Any = None, device: Any = "cpu") -> dict[str, Any]:
    """What `GAN.save` wrote of this very Config, and of these images, an `ImageSet`; else `checkpoint.CheckpointError`.

    Settings of reporting and computing may differ.
    """
    state = read_checkpoint(path, device)
    other = Config.from_dict(state["config"])
    changed = {k: v for k, v in other.differences(config).items() if k not in REPORTING | COMPUTING}
    if changed:
        listed = ", ".join(f"{name} was {old!r} and is now {new!r}" for name, (old, new) in changed.items())
        advice = "set it back, or give the run another name"
        raise checkpoint.CheckpointError(f"{path} is of another Config: {listed}; {advice}")
    if images is not None and state["images"] not in ("", images.fingerprint):
        advice = "bring them back, or give the run another name"
        raise checkpoint.CheckpointError(f"{path} was trained on other images than {images.source} holds; {advice}")
    return state


def known_settings(values: dict[str, Any]) -> dict[str, Any]:
    """What any version has saved, as settings of today: enough to draw with."""
    return {name: value for name, value in modernise(values).items() if name not in RETIRED}


def write(folder: str | Path, generator: "nn.Module", config: Config, step: int, dtype: str, card: str) -> Path:
    """Write a generator's folder, or replace one that was written here before; returns its path.

    dtype: "float32", or "float16" for the convolutions' weights; BatchNorm's numbers stay whole. Raises `ValueError`
    for another, and for weights that are not finite in it; `OSError` where the folder holds anything else.
    """
    import torch
    from safetensors.torch import save

    kinds = {"float32": torch.float32, "float16": torch.float16}
    if dtype not in kinds:
        raise ValueError(f"dtype is {dtype!r}: choose one of {', '.join(kinds)}")
    folder = Path(folder)
    _check_own(folder)
    weights = {
        name: value.detach().cpu().to(kinds[dtype] if value.ndim > 1 else value.dtype).contiguous()
        for name, value in generator.state_dict().items()
    }
    if not all(value.isfinite().all() for value in weights.values()):
        raise ValueError(f"a weight is not finite in {dtype}: {folder} is not written")
    from dcgan_lib import __version__

    content = save(weights, metadata={"format": "pt"})  # which has no checksum of its own
    about = {"library": LIBRARY, "version": __version__, "step": step, "sha256": hashlib.sha256(content).hexdigest()}
    about["config"] = public(config)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / WEIGHTS).exists() and (folder / WEIGHTS).read_bytes() != content:
        (folder / DIRECTIONS).unlink(missing_ok=True)  # they are of the generator that was here
    checkpoint.write_whole(folder / WEIGHTS, content)
    checkpoint.write_whole(folder / CONFIG, json.dumps(about, indent=2) + "\n")
    checkpoint.write_whole(folder / CARD, card)
    return folder


def public(config: Config) -> dict[str, Any]:
    """A Config's settings without what is of this machine alone: its device, and the folders above what it names."""
    values = config.to_dict() | {"device": "auto"}
    paths = {name: Path(values[name]) for name in ("data", "start_from") if values[name]}
    return values | {name: path.name for name, path in paths.items() if path.expanduser().is_absolute()}


def _check_own(folder: Path) -> None:
    """Raise `FileExistsError` where a folder's files are not those of an earlier `write`, which may be replaced."""
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file: choose a folder")
    if not any(folder.glob("*")):
        return
    try:
        ours = json.loads((folder / CONFIG).read_bytes())["library"] == LIBRARY
    except (OSError, ValueError, LookupError, TypeError):
        ours = False
    if not ours:
        raise FileExistsError(f"{folder} holds other files than a pretrained generator's: choose another folder")


def _read_pretrained(folder: Path) -> dict[str, Any]:
    """A pretrained folder, checked: its weights are those of the network that its config.json describes."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from dcgan_lib.models.build import make_networks

    about = None
    try:
        about = json.loads((folder / CONFIG).read_bytes())
        config, step = Config.from_dict(known_settings(about["config"])), int(about["step"])
        if step < 0:
            raise ValueError(f"step is {step}")
        content = (folder / WEIGHTS).read_bytes()
        weights = load(content)
        with torch.device("meta"):  # shapes without memory
            expected = make_networks(config)[0].state_dict()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{folder} has no {CONFIG}: it is not a whole pretrained folder") from error
    except SafetensorError as error:
        raise checkpoint.CheckpointError(
            f"{folder / WEIGHTS} is not a safetensors file, or damaged: {error}"
        ) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        wrong = f"it lacks {error}" if isinstance(error, KeyError) else error
        told = _of_later_version(about) or "is not of save_pretrained"
        raise checkpoint.CheckpointError(f"{folder / CONFIG} {told}: {wrong}") from error
    if about.get("sha256", digest := hashlib.sha256(content).hexdigest()) != digest:
        raise checkpoint.CheckpointError(f"{folder / WEIGHTS} is damaged, or of another model: get the folder again")
    for name in sorted({*expected, *weights}):
        shapes = [tuple(each[name].shape) if name in each else "missing" for each in (weights, expected)]
        if shapes[0] != shapes[1]:
            told = f"{name} is {shapes[0]}, by {CONFIG} {shapes[1]}"
            raise checkpoint.CheckpointError(f"{folder / WEIGHTS} is of another network than {CONFIG} says: {told}")
    if not all(value.isfinite().all() for value in weights.values()):
        raise checkpoint.CheckpointError(f"{folder / WEIGHTS} holds weights that are not finite: get it again")
    return {"config": config.to_dict(), "gan": {"step": step, "generator": weights}}


def _of_later_version(about: Any) -> str:
    """Where a config.json is of a later version than this library: that it is, and what to do; else empty."""
    from dcgan_lib import __version__

    try:
        theirs, ours = ([*map(int, re.findall(r"\d+", each)[:2])] for each in (about["version"], __version__))
    except (LookupError, TypeError):
        return ""
    return f"is of dcgan_lib {about['version']}, and this is {__version__}: install that" if theirs > ours else ""


def _download(name: str) -> Path:
    """A model of the Hugging Face Hub, in its cache on this machine."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        advice = "to get it from the Hugging Face Hub: pip install huggingface_hub"
        raise RuntimeError(f"no folder {name} is here; {advice}") from error
    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS, CARD, DIRECTIONS]))
    except Exception as error:  # of many kinds: no network, no such model, one that is private
        told = f"no folder {name} is here, and the Hugging Face Hub did not give it: {first_line(error)}"
        raise RuntimeError(told) from error
