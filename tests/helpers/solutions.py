"""The notebooks' exercises, answered with the solutions that are folded away below them.

`python -m helpers.solutions FOLDER` fills them in, in the notebooks of a folder; each check must then be content.
"""

import ast
import json
import re
import sys
from pathlib import Path

FOLDED = re.compile(r"<details>\s*<summary>Solution</summary>\s*```python\n(.*?)```\s*.*?</details>", re.DOTALL)


def exercises(notebook):
    """Pairs of a cell for an answer and the cell with the solution right below it."""
    cells = notebook["cells"]
    below = [*cells[1:], None]
    return [(cell, after) for cell, after in zip(cells, below, strict=True) if "exercise" in tags(cell)]


def tags(cell):
    return cell["metadata"].get("tags", [])


def solved(cell, after):
    """The answer cell's code with the solution in the place of the dots, and a check that raises.

    Where the answer is right only with a trained network (the tag `needs-training`), the check is asked all the same.
    """
    code = "".join(cell["source"])
    check = ast.unparse(ast.parse(code).body[-1])
    demand = "" if "needs-training" in tags(cell) else "assert verdict, verdict\n"
    return f"{solution(after)}\n\nverdict = {check}\nprint(verdict)\n{demand}"


def solution(cell):
    [code] = FOLDED.findall("".join(cell["source"]))
    return code


def main(folder):
    for path in sorted(Path(folder).glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell, after in exercises(notebook):
            cell["source"] = solved(cell, after)
        path.write_text(json.dumps(notebook), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
