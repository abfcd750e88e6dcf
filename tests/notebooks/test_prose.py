"""What the notebooks say in words: a number that is said is a number that is shown."""

import json
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
#: Measured elsewhere: a cell that links one of these may quote it.
MEASURED = ("benchmarks/RESULTS.md", "docs/figures.md")
#: Facts that no cell of ours measures.
FACTS = {
    "202599": "images in CelebA",
    "10000": "portraits that the course paints",
    "0.9": "what smoothed labels tell D of real images",
}
NOT_PROSE = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"<details>.*?</details>",
        r"```.*?```",
        r"`[^`]*`",
        r"\$\$.*?\$\$",
        r"\$[^$]*\$",
        r"\]\([^)]*\)",  # a link's address
        r"(?:(?:1[89]|20)\d\d)(?!\d)",  # a year
        r"(?:[Aa]lgorithm|[Tt]heorem|[Ss]ections?|[Ff]igure|eq\.|[Vv]ersion) \d[\d.–]*",
        r"\d+(?:,\d+)? ?[×x] ?\d+(?: ?[×x] ?\d+)*",  # a size
    )
]
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*\d\d(?:\.\d+)?(?![\w])|(?<![\w.])\d+\.\d+(?![\w])")


def prose_numbers(text):
    """Numbers of three digits or more, and those with a decimal point, that are neither years, sizes nor code."""
    for pattern in NOT_PROSE:
        text = pattern.sub(" ", text)
    return [number for found in NUMBER.findall(text) if (number := found.replace(",", "")) not in FACTS]


def shown_by(cell):
    """All text that a reader sees in a code cell: the code, and what it printed or returned."""
    outputs = [o.get("text", o.get("data", {}).get("text/plain", "")) for o in cell.get("outputs", [])]
    return "".join(cell["source"]) + "\n" + "\n".join("".join(text) for text in outputs)


def is_shown(number, text):
    """Whether a number stands in the text, as it is or with more digits behind its point."""
    for found in re.findall(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", text):
        value = float(found.replace(",", "").rstrip("."))
        decimals = len(number.partition(".")[2])
        if abs(value - float(number)) <= (0.5 * 10**-decimals if decimals else 0) * (1 + 1e-9):
            return True
    return False


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_number_in_the_prose_is_one_that_a_reader_has_seen(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join(shown_by(cell) for cell in cells if cell["cell_type"] == "code")
    unseen = []
    for index, cell in enumerate(cells):
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            quoted = "\n".join((PROJECT / name).read_text(encoding="utf-8") for name in MEASURED if name in text)
            numbers = prose_numbers(text)
            unseen += [f"cell {index}: {number}" for number in numbers if not is_shown(number, code + quoted)]
    assert unseen == []
