"""Faces that a person looks for among all that a generator can draw: changed, mixed, kept, undone, saved."""

import hashlib
import json
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from dcgan_lib import checkpoint
from dcgan_lib.gan import GAN
from dcgan_lib.images.grid import to_grid
from dcgan_lib.latent.directions import Direction
from dcgan_lib.latent.walks import noise_deviation, slerp

FORMAT = "dcgan_lib faces, 1"


@dataclass(frozen=True)
class Place:
    """Where someone is: z without what the sliders add, how far each slider is, and the kept z's by their numbers."""

    base: Tensor
    amounts: tuple[float, ...]
    kept: dict[int, Tensor]


class Exploration:
    """One face at a time, and the kept ones, with a way back; it knows nothing of widgets.

    `directions` are what the sliders move along, `place` is what is changed, one new `Place` a step. The same `seed`
    gives the same faces in the same order; None gives others each time. `ValueError` for a direction of another length.
    """

    def __init__(self, gan: GAN, directions: Sequence[Direction], seed: int | None = 0) -> None:
        size = gan.config.latent_dim
        for each in directions:
            if each.vector.shape != (size,):
                found = "×".join(map(str, each.vector.shape))
                raise ValueError(f"the direction {each.name!r} has {found} numbers: this generator's z has {size}")
        self.gan, self.directions = gan, list(directions)
        self.deviation = noise_deviation(gan.config)
        self.random = torch.Generator()
        self.random.manual_seed(seed) if seed is not None else self.random.seed()
        self.level = (0.0,) * len(self.directions)
        self.place = Place(gan.noise(1, self.random)[0], self.level, {})
        self.past: list[Place] = []
        self._gesture: Hashable = None

    @property
    def z(self) -> Tensor:
        """The face that is shown, as z (latent_dim,)."""
        return self.along(self.place.amounts)

    def along(self, amounts: Sequence[float]) -> Tensor:
        """The z (latent_dim,) so many deviations of the noise along each direction from the base of the face shown."""
        pairs = zip(amounts, self.directions, strict=True)
        return sum((amount * self.deviation * each.vector for amount, each in pairs if amount), self.place.base)

    def draw(self, z: Tensor) -> np.ndarray:
        """The pixels (S, S, 3) uint8 of one z (latent_dim,); grey comes as three equal channels."""
        return to_grid(self.gan.sample(z[None]))

    def another(self) -> None:
        """Draw a new z; the sliders go to 0."""
        self._go(base=self.gan.noise(1, self.random)[0], amounts=self.level)

    def slide(self, amounts: Sequence[float]) -> None:
        """Put the sliders there; moves of the same slider one after the other are undone as one."""
        amounts = tuple(map(float, amounts))
        moved = tuple(i for i, (a, b) in enumerate(zip(self.place.amounts, amounts, strict=True)) if a != b)
        if moved:
            self._go(("slide", moved), amounts=amounts)

    def keep(self) -> int:
        """Keep the face that is shown; returns its number, the one it has where it is kept already."""
        z, kept = self.z, self.place.kept
        number = next((n for n, other in kept.items() if torch.equal(other, z)), None)
        if number is None:
            number = max(kept, default=0) + 1
            self._go(kept=kept | {number: z})
        return number

    def show(self, number: int) -> None:
        """Go to a kept face; the sliders go to 0."""
        self._go(base=self.place.kept[number], amounts=self.level)

    def mix(self, first: int, second: int, share: float = 0.5) -> None:
        """Go to a mixture of two kept faces, from the first at share 0 to the second at 1; the sliders go to 0."""
        kept = self.place.kept
        self._go(("mix", first, second), base=slerp(kept[first], kept[second], share), amounts=self.level)

    def drop(self, numbers: Sequence[int]) -> None:
        """Let go of kept faces; their numbers are not given to others before the last of all has gone."""
        self._go(kept={number: z for number, z in self.place.kept.items() if number not in numbers})

    def undo(self) -> bool:
        """Go back by one step; returns whether there was one."""
        if not self.past:
            return False
        self.place, self._gesture = self.past.pop(), None
        return True

    def _go(self, gesture: Hashable = None, **changes: Any) -> None:
        """Change the place; what goes on with a gesture is one step with its beginning."""
        if gesture is None or gesture != self._gesture:
            self.past.append(self.place)
        self._gesture = gesture
        self.place = replace(self.place, **changes)

    def state(self) -> dict[str, Any]:
        """All but the past, as plain values: every number comes back from JSON exactly as it was."""
        return {
            "format": FORMAT,
            "generator": fingerprint(self.gan),
            "base": self.place.base.tolist(),
            "amounts": list(self.place.amounts),
            "directions": [{"name": d.name, "vector": d.vector.tolist()} for d in self.directions],
            "kept": [{"number": number, "z": z.tolist()} for number, z in self.place.kept.items()],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], gan: GAN, where: str | Path = "this state") -> Self:
        """Where `state` was; `ValueError` in one line for what is no such state, or was made with other weights."""
        try:
            made_by, size = state["generator"], gan.config.latent_dim
            if made_by == fingerprint(gan):
                directions = [Direction(str(d["name"]), _numbers(d["vector"], size)) for d in state["directions"]]
                kept = {int(face["number"]): _numbers(face["z"], size) for face in state["kept"]}
                amounts = tuple(_numbers(state["amounts"], len(directions), torch.float64).tolist())
                exploration = cls(gan, directions, seed=None)
                exploration.place = Place(_numbers(state["base"], size), amounts, kept)
                return exploration
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            raise damaged(where) from error
        raise ValueError(f"{where} has faces of another generator: give the source that they were made with")


def write_state(path: str | Path, state: dict[str, Any]) -> None:
    """Write a state as a JSON file, replacing what is there once it is whole; folders on the way are made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_whole(Path(path), json.dumps(state))


def read_state(path: str | Path) -> dict[str, Any]:
    """What `write_state` wrote; `FileNotFoundError`, or `ValueError` in one line for a file of anything else."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no kept faces at {path}: give the path of a file that LatentExplorer.write made")
    try:
        state = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(path) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT or not isinstance(state.get("source"), str | None):
        raise damaged(path)
    return state


def damaged(where: str | Path) -> ValueError:
    """The error of a file that cannot be read as kept faces."""
    advice = "put back a copy, or begin again with LatentExplorer(source)"
    return ValueError(f"{where} is damaged, or holds no kept faces: {advice}")


def fingerprint(gan: GAN) -> str:
    """Sixteen hexadecimal digits of the weights that draw: the same z's give the same faces where they agree."""
    weights = hashlib.sha256()
    for weight in gan.sampler().parameters():
        weights.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return weights.hexdigest()[:16]


def _numbers(values: Any, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """So many finite numbers as a tensor (count,); `ValueError` for anything else."""
    numbers = torch.tensor([float(value) for value in values], dtype=dtype)
    if len(numbers) != count or not all(map(math.isfinite, numbers.tolist())):
        raise ValueError(f"not {count} numbers")
    return numbers
