"""A model's card, the README.md of a pretrained folder: what it draws, from what it was made, what it is not for."""

from collections.abc import Mapping, Sequence
from typing import Any

from dcgan_lib.config import FACES, REPORTING, Config
from dcgan_lib.sharing.folder import public

COURSE = "the DCGAN course"
PAINTED = "The images that it learnt from are painted by the course's own code (`draw_faces`): nobody is depicted."
OTHERS = "Whoever shares it says here what the images are, who is in them, and whether they may be used so."


def model_card(
    config: Config,
    step: int,
    name: str = "PRETRAINED_FOLDER",
    scores: Sequence[tuple[str, float, float | None, str]] = (),
    scored: str = "",
    licence: str = "",
    source: Mapping[str, Any] | None = None,
) -> str:
    """The card as Markdown, with the Hub's YAML front matter.

    name: what `from_pretrained` is given. scores: name, value, that of real images or None, and meaning; `scored` says
    of how many images. licence: of the weights, as the Hub abbreviates it; by default "mit" for the painted portraits,
    and "other" for all else. source: further facts, such as the commit of the code.
    """
    values, painted = public(config), config.data == FACES
    licence = licence or ("mit" if painted else "other")
    size, shape = f"{config.image_size} × {config.image_size}", (16, config.channels, *2 * (config.image_size,))
    defaults = {key: value for key, value in Config().to_dict().items() if key == "epochs" or key not in REPORTING}
    rows = [f"| `{key}` | {values[key]} | {value} |" for key, value in defaults.items() if values[key] != value]
    split = "all but the test split" if config.hold_out else "all images"
    facts = {"data": f"`{values['data']}`, {split}", "step": f"{step:,}", **(source or {})}
    parts = [
        "---",
        "library_name: dcgan_lib",
        "pipeline_tag: unconditional-image-generation",
        f"license: {licence}",
        "tags: [dcgan, gan, pytorch, safetensors, unconditional-image-generation]",
        "---",
        f"\n# A DCGAN that draws {'painted portraits' if painted else values['data']}\n",
        f"It makes {size} pixels of {config.latent_dim} random numbers. It was trained with {COURSE}'s library, "
        "`dcgan_lib`.",
        "\n## Draw with it\n",
        "```python",
        "from dcgan_lib import GAN\n",
        f'gan = GAN.from_pretrained("{name}")',
        f"images = gan.sample(gan.noise(16))  # {shape}, in [-1, 1]",
        "```",
        f"\nOn the command line: `dcgan sample {name} --count 16 --grid faces.png`.",
        "\n## What it was made from\n",
        *(f"- {key}: {value}" for key, value in facts.items()),
        "\nThe settings that differ from the defaults of `Config`; all of them are in `config.json`:\n",
        "| setting | here | default |",
        "| --- | --- | --- |",
        *rows,
        f"\nThe command that makes it again, in the course's folder: `dcgan train config.json`, up to step {step:,}. "
        "Other devices round otherwise, and end at other weights that are as good.",
        "\n## How good it is\n",
        *(_scores(scores, scored) or ["It was not measured."]),
        "\n## What it is not for\n",
        f"{PAINTED if painted else OTHERS} It draws no particular person, and its images are small and often wrong. "
        "Don't pass them off as photographs, and decide nothing about people by them: what is rare in the images that "
        "it learnt from is rarer, or missing, in what it draws.",
        f"\n## Licence\n\n{_licence(licence, painted)}",
    ]
    return "\n".join(parts) + "\n"


def _scores(scores: Sequence[tuple[str, float, float | None, str]], scored: str) -> list[str]:
    if not scores:
        return []
    if all(floor is None for _, _, floor, _ in scores):
        rows = [f"| {name} | {value:.4g} | {meaning} |" for name, value, _, meaning in scores]
        told = f"{scored} What real images would have was not measured then: the noise floor."
        return [told.strip(), "", "| score | this generator | meaning |", "| --- | ---: | --- |", *rows]
    rows = [
        f"| {name} | {value:.4g} | {'' if floor is None else f'{floor:.4g}'} | {meaning} |"
        for name, value, floor, meaning in scores
    ]
    told = f"{scored} The column of real images is the noise floor: training images in the generator's place."
    head = ["| score | this generator | real images | meaning |", "| --- | ---: | ---: | --- |"]
    return [told.strip(), "", *head, *rows]


def _licence(licence: str, painted: bool) -> str:
    if licence == "other" and not painted:
        return "It is for whoever shares the weights to say; the licence of the images may forbid some uses."
    return f"`{licence}`"
