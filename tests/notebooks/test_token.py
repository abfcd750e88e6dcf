"""A token in the environment stays there: in no record, checkpoint, notebook or output, however a training ends.

Beside offline mode `test_training_notebook` has one.
"""

import json

import pytest
import test_training_notebook as training
from trainings import MARK, marked_token, places

from dcgan_lib.runs import load_run

quick = training.quick


@pytest.fixture
def forms(monkeypatch):
    """Puts a marked token into the environment; gives the forms in which it could be found."""
    return marked_token(monkeypatch)


@pytest.mark.parametrize("ending", ["finished", "failed"])
def test_a_token_is_written_nowhere(quick, forms, tmp_path, monkeypatch, ending):
    monkeypatch.setenv("NEPTUNE_MODE", "async")  # the mode that reads the token
    folder = tmp_path / "runs/marked"
    if ending == "failed":
        (folder / "samples/000008.png").mkdir(parents=True)  # a grid can't be saved there: after step 8 of 12
    code, out, err = training.finish(training.train(quick, tmp_path / "runs", "--run", "marked"))

    assert code == (ending == "failed"), err
    record = load_run(folder)
    assert record.state == ending
    assert ("monitoring/traceback" in record.series_names) == (ending == "failed")
    outputs = [
        output.get("text", "")
        for cell in json.loads((folder / "notebook.ipynb").read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    told = [line for text in outputs for line in "".join(text).splitlines() if "recorded offline" in line]
    assert len(told) == 1
    assert places(forms, tmp_path, out, err) == []

    (folder / "note.txt").write_text(f"NEPTUNE_API_TOKEN={forms[1].decode()}")
    assert places(forms, tmp_path, MARK) == [folder / "note.txt", "output 0"], "the search itself"
