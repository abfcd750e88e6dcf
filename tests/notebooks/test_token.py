"""A token in the environment stays there: in no record, checkpoint, notebook or output, however a training ends."""

import json

import pytest
import test_training_notebook as training
from server import closed_address, make_token

from dcgan_lib.runs import load_run

MARK = "token-that-must-not-be-written-4b8d"

quick = training.quick


@pytest.fixture
def forms(monkeypatch):
    """Puts a marked token into the environment; gives the forms in which it could be found."""
    token = make_token(closed_address(), api_key=MARK)
    monkeypatch.setenv("NEPTUNE_API_TOKEN", token)
    monkeypatch.setenv("NEPTUNE_PROJECT", "some/one")
    return [MARK.encode(), token[:40].encode(), token[-40:].encode()]


def places(forms, runs, *outputs):
    """Where one of the forms is: files in the folder of runs, by name or content, and outputs."""
    files = [path for path in runs.rglob("*") if path.is_file()]
    texts = {path: str(path).encode() + path.read_bytes() for path in files}
    texts |= {f"output {i}": output.encode() for i, output in enumerate(outputs)}
    return [place for place, text in texts.items() if any(form in text for form in forms)]


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
