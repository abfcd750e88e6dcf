"""A trained generator for others: written into a folder with its scores and its card, sent to the Hugging Face Hub."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dcgan_lib import checkpoint
from dcgan_lib.data import load_images, prepare
from dcgan_lib.gan import GAN
from dcgan_lib.quality.attribute_classifier import load_classifier
from dcgan_lib.quality.evaluate import MEANING, Evaluator
from dcgan_lib.records.paths import DATASET, METRICS
from dcgan_lib.records.reading import load_run
from dcgan_lib.settings import first_line
from dcgan_lib.sharing.card import model_card
from dcgan_lib.sharing.folder import CARD, CONFIG, DIRECTIONS, WEIGHTS, find, is_pretrained

from_pretrained, save_pretrained = GAN.from_pretrained, GAN.save_pretrained


def share(
    source: str | Path,
    folder: str | Path,
    dtype: str = "float32",
    licence: str = "",
    measure: bool = False,
    data: str | Path | None = None,
) -> Path:
    """Write the generator of a run, or of a checkpoint, into a folder, with all that is known of it on its card.

    Its scores are those that the run measured at that step. With `measure` they are measured here, beside those of
    real images: of `data`, or where the run had them. Raises what `save_pretrained` and `Evaluator` raise.
    """
    path, folder = find(source), Path(folder)
    gan = GAN.load(path)
    run = path if path.is_dir() else path.parent
    scores, floor, scored = _measured(run, gan.step), {}, "As the run measured it."
    facts = _facts(run)
    if measure:
        config = gan.config
        images = prepare(data, config.image_size, config.channels, config.max_images) if data else load_images(config)
        evaluator = Evaluator(images, config.hold_out, classifier=load_classifier(images))
        scores, floor = evaluator(gan, overfitting=not is_pretrained(path)), evaluator.floor()
        against = "held-out images" if config.hold_out else "training images"
        scored = f"{evaluator.count:,} fakes against {len(evaluator.real):,} {against}."
    named = {name: name if name in MEANING else "swd_" for name in scores}
    order = sorted(scores, key=lambda name: (list(MEANING).index(named[name]), len(name)))  # as `evaluate` has them
    rows = [(name, scores[name], floor.get(name), MEANING[named[name]]) for name in order]
    card = model_card(gan.config, gan.step, folder.name, rows, scored, licence, facts)
    return gan.save_pretrained(folder, dtype, card)


def push_to_hub(source: GAN | str | Path, name: str, private: bool = False) -> str:
    """Send a pretrained folder, or a GAN, to the Hugging Face Hub as "owner/name"; returns its address there.

    The card's examples give that name there; the folder itself stays as it is, and what else lies in it is not sent.
    Who sends it is the one whom `hf auth login` has logged in. Raises `RuntimeError` without the package, and where the
    Hub doesn't take it, in one line.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise RuntimeError("the Hugging Face Hub needs a package: pip install huggingface_hub") from error
    if "/" not in name:
        raise ValueError(f"{name!r} is no name on the Hub: give owner/name")
    with tempfile.TemporaryDirectory() as temporary:
        made, sent = Path(temporary) / "generator", Path(temporary) / "sent"
        folder = source.save_pretrained(made) if isinstance(source, GAN) else Path(source)
        if not is_pretrained(folder):
            raise ValueError(f"{folder} is no pretrained folder: write one with dcgan export RUN --to pretrained")
        card = (folder / CARD).read_text(encoding="utf-8")
        for told in ('from_pretrained("{}")', "dcgan sample {} "):
            card = card.replace(told.format(folder.name), told.format(name))
        sent.mkdir()
        for file in (CONFIG, WEIGHTS, *([DIRECTIONS] if (folder / DIRECTIONS).exists() else [])):
            shutil.copyfile(folder / file, sent / file)  # not what else lies there
        checkpoint.write_whole(sent / CARD, card)
        try:
            api = HfApi()
            address = api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(folder_path=sent, repo_id=name, commit_message="A generator of dcgan_lib")
        except Exception as error:  # of many kinds: no network, not logged in, not allowed
            raise RuntimeError(f"the Hugging Face Hub did not take {name}: {first_line(error)}") from error
    return str(address)


def _measured(run: Path, step: int) -> dict[str, float]:
    """The scores that a run measured at a step: of its best.json, or of its record; empty for none."""
    try:
        best = json.loads((run / "best.json").read_text(encoding="utf-8"))
        if best["step"] == step:
            return {name: float(value) for name, value in best["scores"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass
    try:
        record = load_run(run)
        series = {path: record.series(path) for path in record.series_names if path.startswith(METRICS)}
    except FileNotFoundError:
        return {}
    at = {path.removeprefix(METRICS): frame.loc[frame["step"] == step, "value"] for path, frame in series.items()}
    return {name: float(values.iloc[-1]) for name, values in at.items() if len(values)}


def _facts(run: Path) -> Mapping[str, str]:
    """What a run's record says of its images and its code."""
    try:
        fields = load_run(run).fields
    except FileNotFoundError:
        return {}
    found = {"images": fields.get(DATASET + "size"), "code": fields.get("environment/git_commit")}
    return {name: str(value) for name, value in found.items() if value}
