"""Picking runs by words: what each kind of word means, and that a slip is answered with the nearest known setting."""

import re

import pytest
from example_runs import write_run

from dcgan_lib.query import select
from dcgan_lib.runs import load_runs

STATE = "state= or state!= and one of finished, diverged, interrupted, failed, unfinished"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "epochs-5", tags=["epochs"], epochs=5, data="my photos")
    write_run(folder / "epochs-10", 20, tags=["epochs", "long"], epochs=10, learning_rate_d=1e-4)
    write_run(folder / "width=16", 30, tags=["width"], state="running", generator_width=16, flip=True)
    return load_runs(folder)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["epochs-5", "epochs-10", "width=16"]),
        ("epochs", ["epochs-5", "epochs-10"]),
        ("EPOCHS-1", ["epochs-10"]),
        ("epochs-?", ["epochs-5"]),
        ("poch?", []),  # a pattern is for the whole name
        ("tag:epochs", ["epochs-5", "epochs-10"]),
        ("tag:epochs tag:long", ["epochs-10"]),
        ("tag:l*", ["epochs-10"]),
        ("epochs=10", ["epochs-10"]),
        ("epochs==10", ["epochs-10"]),
        ("epochs!=10", ["epochs-5", "width=16"]),
        ("epochs>5", ["epochs-10"]),
        ("epochs>=5 epochs<=5", ["epochs-5", "width=16"]),
        ("learning_rate_d=1e-4", ["epochs-10"]),  # a number is itself, however it is written
        ("learning_rate_d<0.0002", ["epochs-10"]),
        ("flip=true", ["width=16"]),
        ("data='my photos'", ["epochs-5"]),
        ("data=*photos", ["epochs-5"]),
        ("data>3", []),  # a text is neither more nor less
        ("state=finished", ["epochs-5", "epochs-10"]),
        ("state!=finished", ["width=16"]),
        ("steps>=20", ["epochs-10", "width=16"]),
        ("config/dataset/size=20 tag:long", ["epochs-10"]),
        ("width=16", ["width=16"]),  # in a name, and no setting
        ("width=*", ["width=16"]),
        ("=16", ["width=16"]),
        ("state=f*", ["epochs-5", "epochs-10"]),
        ("tag:nope", []),
    ],
)
def test_every_word_must_hold(records, query, names):
    assert [record.name for record in select(records, query)] == names


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("epocs=5", "no run has the setting 'epocs': did you mean 'epochs'?"),
        ("xyzzy=5", "no run has the setting 'xyzzy': an example: epochs=5"),
        ("epochs=", "'epochs=' lacks its value: write epochs=VALUE"),
        ("epochs>many", "'epochs>many': > compares numbers, and 'many' is none"),
        ("epochs = 5", "'=' stands alone: write epochs=2, without spaces"),
        ("epochs >=5", "'>=5' stands alone: write epochs=2, without spaces"),
        ("epochs=>5", "'=>' is no sign: write >="),
        ("epochs=<5", "'=<' is no sign: write <="),
        ("epochs<>5", "'<>' is no sign: write one of = == != < <= > >="),
        ("state=finish", f"'state=finish': write {STATE}"),
        ("state!=done", f"'state!=done': write {STATE}"),
        ("state>1", f"'state>1': write {STATE}"),
        ("tag:", "'tag:' lacks its word: write tag:WORD"),
        ("tags:epochs", "'tags:epochs' is in no name: a tag is written tag:epochs"),
        ("data='my photos", "\"data='my photos\" can't be read: no closing quotation; close the quotation mark"),
    ],
)
def test_a_word_that_cannot_be_understood_is_told_in_one_line(records, query, message):
    with pytest.raises(ValueError) as told:  # noqa: PT011 — the whole message is compared
        select(records, query)
    assert str(told.value) == message


def test_a_run_without_the_setting_never_matches(tmp_path, records):
    from dcgan_lib import tracking
    from dcgan_lib.config import Config

    with tracking.open_run(Config(), tmp_path / "own") as run:
        run["depth"] = 3
    both = [*records, *load_runs(tmp_path)]
    assert [record.name for record in select(both, "depth=3")] == ["own"]
    assert select(both, "depth!=3") == []


def test_of_no_runs_none_is_picked_and_nothing_is_complained_of():
    assert select([], "epochs=5 tag:x") == []


def test_a_path_in_place_of_the_runs_is_told_in_one_line():
    with pytest.raises(TypeError, match=re.escape('give load_runs("runs2"), not its path')):
        select("runs2", "epochs=5")
