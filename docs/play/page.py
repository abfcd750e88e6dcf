"""The page that draws faces in a browser: its files, a generator, and what runs it, in one folder.

`make site` calls `build_page`. Alone, with a generator of yours: `python docs/play/page.py FOLDER SOURCE`, then
`python -m http.server -d FOLDER`.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]

#: What runs the network in the browser: the package's name in npm's registry, its checksum, the two files of it.
PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
OWN = ("index.html", "play.css", "play.js")
PARTS = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")


def build_page(folder: Path, source: Any = None, in_site: bool = False) -> None:
    """Write the page into `folder`, with the generator of `source` as `LatentExplorer` takes it.

    `in_site`: whether it lies in the course's website, and leads to the pages there.
    Raises `RuntimeError` with one line where npm, its registry or a package is missing.
    """
    package = runtime(PROJECT / "build")
    try:
        from dcgan_lib.config import FACES
        from dcgan_lib.sharing.networks import export_onnx
        from dcgan_lib.views import explorer
        from dcgan_lib.views.exploration import FORMAT, fingerprint
    except ImportError as error:
        raise RuntimeError(f"{error}: pip install -e '.[dev]'") from error
    e = explorer.LatentExplorer(source).exploration
    config = e.gan.config
    about = {
        "format": FORMAT,
        "generator": fingerprint(e.gan),
        "in_site": in_site,
        "painted": config.data == FACES,
        "size": config.image_size,
        "latent_dim": config.latent_dim,
        "noise": config.noise,
        "deviation": e.deviation,
        "range": explorer.RANGE,
        "step": explorer.STEP,
        "directions": e.state()["directions"],
        "check": {"z": e.z.tolist(), "pixels": base64.b64encode(e.draw(e.z)).decode()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    view = Path(explorer.__file__).parent
    for file in (*(HERE / name for name in OWN), view / "panel.js", view / "panel.css", HERE.parent / "favicon.svg"):
        shutil.copy(file, folder)
    (folder / "play.json").write_text(json.dumps(about), encoding="utf-8")
    export_onnx(e.gan, folder / "generator.onnx")
    with tarfile.open(package) as archive:
        for name in PARTS:
            (folder / name).write_bytes(archive.extractfile(f"package/dist/{name}").read())


def runtime(cache: Path) -> Path:
    """The package as npm hands it out, kept in `cache`; `RuntimeError` where it can't be had, or is another one."""
    kept = cache / f"{PACKAGE}-{VERSION}.tgz"
    if not kept.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as fresh:  # several builds at a time don't meet
            command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", fresh]
            try:
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
            except FileNotFoundError as error:
                raise RuntimeError("npm is not installed: it fetches what runs the generator in a browser") from error
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                raise RuntimeError(f"npm could not fetch {PACKAGE}: is its registry within reach?") from error
            (Path(fresh) / kept.name).replace(kept)
    if base64.b64encode(hashlib.sha512(kept.read_bytes()).digest()).decode() != SHA512:
        raise RuntimeError(f"{kept} is not the package that was pinned: remove it, and build again")
    return kept


if __name__ == "__main__":
    try:
        build_page(Path(sys.argv[1]), *sys.argv[2:3])
    except (IndexError, OSError, RuntimeError, ValueError) as error:
        sys.exit(f"python docs/play/page.py FOLDER [SOURCE]: {error}")
