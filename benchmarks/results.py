"""RESULTS.md: each script that measures rewrites its own part, and leaves the others as they are."""

import os
import platform
import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def replace_part(name: str, text: str, path: Path = RESULTS) -> None:
    """Put the text between the part's marks; `ValueError` where the file has none of that name."""
    before = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(before):
        raise ValueError(f"{path} has no part {name!r}: put <!-- {name} --> and <!-- end --> around where it goes")
    after = pattern.sub(lambda found: f"{found[1]}{text.strip()}\n{found[2]}", before)
    path.write_text(after, encoding="utf-8")


def machine() -> str:
    """The processor or GPU, cores, and versions, in one line."""
    import torch

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    else:
        lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        name = f"{os.cpu_count()} cores of {names[0] if names else platform.processor() or platform.machine()}"
    return f"{name}, Python {platform.python_version()}, torch {torch.__version__}"
