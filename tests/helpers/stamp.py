"""Marks a notebook that has just been executed with a hash of its code, so that a test can tell older outputs.

`python -m helpers.stamp NOTEBOOK`
"""

import hashlib
import sys
from pathlib import Path

import nbformat


def code_hash(notebook):
    """Of all its code, as it was executed, and of nothing else."""
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()[:16]


def main(path):
    notebook = nbformat.read(path, 4)
    notebook.metadata["dcgan_lib"] = {"executed": code_hash(notebook)}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
