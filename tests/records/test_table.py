"""Runs as a table: what is in it, how it is filtered and printed, and names cut as far as they can be told apart."""

from pathlib import Path

import pytest
from helpers.records import LOSS_D, LOSS_G, operation, write_process, write_run

from dcgan_lib.__main__ import main
from dcgan_lib.config import Config
from dcgan_lib.records import table, writing
from dcgan_lib.records.reading import load_run, load_runs
from dcgan_lib.records.table import runs_as_text, shortened


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two runs of other settings and tags, and one of a plain record, with texts beside its numbers."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "short", 9, grids=[3], tags=["one", "width"], epochs=3)
    write_run(folder / "long", 30, tags=["two"], state="diverged", epochs=10, seed=1, d_updates=2)
    with writing.open_run(Config(epochs=10, batch_size=8), folder / "bare") as run:
        run["train/loss"].append(0.5, step=1)
        run["notes"].append("begun", step=1)
    return folder


@pytest.fixture(scope="module")
def records(folder):
    return load_runs(folder)


def test_the_table_has_what_runs_are_picked_by(records):
    frame = table.runs_table(records)
    assert frame.index.tolist() == frame["name"].tolist() == ["short", "long", "bare"]
    assert frame["state"].tolist() == ["finished", "diverged", "unfinished"]
    assert frame["steps"].tolist() == [9, 30, 1]
    assert frame["tags"].tolist() == ["one width", "two", ""]
    assert frame["epochs"].tolist() == [3, 10, 10]
    assert frame[LOSS_G].tolist()[:2] == [109, 130]
    assert frame[LOSS_G].isna().tolist() == [False, False, True]
    assert "notes" not in frame
    assert not [name for name in table.settings_of(records) if name.startswith(("sys/", "training/"))]
    assert table.number_series(records) == ["train/loss", LOSS_D, LOSS_G]
    assert table.image_series(records) == ["images/fixed_noise"]


def test_what_differs_leaves_out_what_is_alike_or_said_twice(records):
    frame = table.differing(records[:2])
    assert list(frame) == ["epochs", "d_updates", "seed"]  # and environment/seed is no second column
    assert frame.loc["long"].tolist() == [10, 2, 1]
    assert "config/dataset/size" in table.differing(records)  # which one doesn't have
    assert table.differing(records[:1]).empty


def test_settings_of_other_code_called_like_columns_take_no_columns_place(tmp_path):
    for name, steps in (("one", 3), ("two", 4)):
        with writing.open_run(Config(batch_size=8), tmp_path / name) as run:
            run["config/hyperparameters/steps"] = 1000 * steps
            run["config/hyperparameters/loss_d"] = f"of {name}"
            run[LOSS_D].append(0.5, step=steps)
    lines = runs_as_text(load_runs(tmp_path)).splitlines()
    assert [line.split()[3:5] for line in lines[1:]] == [["3", "0.5"], ["4", "0.5"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["short", "long", "bare"]),
        ('epochs > 5 and state == "diverged"', ["long"]),
        ('tags.str.contains("width")', ["short"]),
        ('name in ["bare", "long"]', ["long", "bare"]),
        (f"`{LOSS_D}` < 20", ["short"]),  # the run without is left out
        ("epochs == 99", []),
    ],
)
def test_a_condition_picks_runs(records, query, names):
    assert [record.name for record in table.select(records, query)] == names


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("epocs > 5", "name 'epocs' is not defined: did you mean 'epochs'"),
        ("`training/batch/Dlos` > 5", "name 'training/batch/Dlos' is not defined: did you mean 'training/batch/Dloss'"),
        ("epochs >", "for example: epochs > 5 and state =="),
        ("epochs", "for example"),
        ("@open", "for example"),
    ],
)
def test_a_condition_that_is_none_is_told_in_one_line(records, query, message):
    with pytest.raises(ValueError, match=message) as error:
        table.select(records, query)
    assert str(error.value).startswith(f"the filter {query!r} can't be evaluated: ")
    assert "\n" not in str(error.value)


def test_an_epoch_is_as_many_steps_as_show_each_image_once(records):
    short, long, bare = records
    assert (table.steps_per_epoch(short), table.steps_per_epoch(long)) == (3, 2)  # 20 images, 8 or 16 a step
    with pytest.raises(ValueError, match="run bare has no epochs: its config/dataset/size is None"):
        table.steps_per_epoch(bare)


def test_runs_of_one_name_are_told_apart_by_their_ids(tmp_path):
    name = operation(1, type="AssignString", path=["sys", "name"], value="same")
    for uuid in ("1", "2"):
        write_process(tmp_path / ".neptune", uuid, name, uuid=uuid)
    assert table.run_labels(load_runs(tmp_path)) == ["same (1)", "same (2)"]


def test_the_text_fits_120_columns_however_much_differs(tmp_path):
    write_run(tmp_path / "first-with-a-very-long-name-of-its-own-indeed")
    names = [name for name, value in Config().to_dict().items() if value and name.endswith(("_every", "size", "width"))]
    other = {name: getattr(Config(), name) * 2 for name in names}
    write_run(tmp_path / "second", **other, data="x\n\x1b[31m" + "y" * 100, epochs=9)
    text = runs_as_text(load_runs(tmp_path))
    assert max(map(len, text.splitlines())) <= 120
    assert all(name in text for name in other)
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ([], []),
        (["a" * 12], ["aaaa…aaaa"]),
        (["run-one", "run-two"], ["run-one", "run-two"]),
        (["a-sweep-one", "a-sweep-two"], ["…one", "…two"]),
        (["a-sweep-one", "a-sweep-one"], ["a-sw…-one"] * 2),
        (["a-sweep-", "a-sweep-two"], ["…sweep-", "…sweep-two"]),
        (["a-rate=1e-4", "a-rate=1e-5"], ["…rate=1e-4", "…rate=1e-5"]),  # the number stays whole
        (["abcdefXghijklm", "abcdefYghijklm"], ["abcdefXghijklm", "abcdefYghijklm"]),
    ],
)
def test_texts_are_cut_only_as_far_as_they_differ(texts, shown):
    assert shortened(texts, 10) == shown


def test_the_command_shows_the_runs_and_only_the_settings_that_differ(folder, capsys):
    assert main(["runs", str(folder), "--query", "steps > 1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["created", "(UTC)", "steps", "loss_d", "loss_g", "state", "epochs", "d_updates", "seed"]
    assert [line.split()[0] for line in lines[1:]] == ["short", "long"]
    assert lines[2].split()[3:] == ["30", "30", "130", "diverged", "10", "2", "1"]
    assert main(["runs", str(folder), "--query", "steps > 99"]) == 0
    assert capsys.readouterr().out == f"no runs in {folder} with steps > 99\n"


def test_the_command_lists_runs_without_a_record_and_the_first_problems(tmp_path, capsys):
    for name, file in (("early", "notebook.ipynb"), ("earlier", "config.json"), ("early", "config.json")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).write_text("{}")
    write_process(tmp_path / "spoilt/neptune", "1", *["{broken\n"] * 7)
    assert main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert lines[:2] == [
        f"{name}: failed, or only just begun: no neptune/, see {tmp_path / name / file}"
        for name, file in (("earlier", "config.json"), ("early", "notebook.ipynb"))
    ]
    assert len(lines) == 2 + 6
    assert lines[-1] == "spoilt: and 2 more"
    assert load_run(tmp_path / "spoilt").fields == {}


@pytest.mark.parametrize("wrong", ["nowhere", "file"])
def test_the_command_tells_a_wrong_folder_in_one_line(tmp_path, capsys, wrong):
    (tmp_path / "file").write_text("")
    assert main(["runs", str(tmp_path / wrong)]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert ("does not exist: train first" if wrong == "nowhere" else "is a file: give the folder") in err
