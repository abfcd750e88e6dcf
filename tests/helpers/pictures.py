"""Pictures for the tests to prepare: small, in folders and in zips."""

import zipfile

import numpy as np
from PIL import Image


def picture(width, height, channels=3, seed=0):
    """Smooth gradients with some noise: (height, width, channels) uint8."""
    rng = np.random.default_rng((seed, width, height))
    x, y = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 200, height))
    planes = [np.roll(x, seed * 7) if c % 2 else y * (c + 1) / 3 for c in range(channels)]
    return (np.stack(planes, -1) + rng.integers(0, 55, (height, width, channels))).clip(0, 255).astype(np.uint8)


def save_images(folder, count, size=(12, 14), names="{:06d}.png"):
    for i in range(count):
        path = folder / names.format(i + 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(*size, seed=i)).save(path)
    return folder


def zip_folder(folder, path, prefix="", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path
