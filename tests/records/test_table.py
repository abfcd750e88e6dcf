"""Runs as a table of text, and names cut as far as they can still be told apart."""

import pytest
from helpers.records import write_run

from dcgan_lib.config import Config
from dcgan_lib.records.reading import load_runs
from dcgan_lib.records.table import runs_as_text, shortened


def test_the_table_fits_120_columns_however_much_differs(tmp_path):
    write_run(tmp_path / "first-with-a-very-long-name-of-its-own-indeed")
    other = {
        name: value * 2
        for name, value in Config().to_dict().items()
        if value and name.endswith(("_every", "size", "width"))
    }
    write_run(tmp_path / "second", **other, data="x\n\x1b[31m" + "y" * 100, epochs=9)
    text = runs_as_text(load_runs(tmp_path))
    assert max(map(len, text.splitlines())) <= 120
    assert all(name in text for name in other)
    assert "\x1b" not in text


def test_what_differs_only_where_it_is_cut_can_still_be_told_apart(tmp_path):
    rates = [f"learning_rate_d={d}-learning_rate_g={g}" for d in (0.0002, 0.0004) for g in (0.0002, 0.0004)]
    for rate in rates:
        write_run(tmp_path / f"learning-rates-{rate}", data=f"/data/{'a/' * 20}{rate}/{'b/' * 40}")
    text = runs_as_text(load_runs(tmp_path))
    assert [line.split()[0] for line in text.splitlines()[1:5]] == [f"…{rate}" for rate in rates]
    assert all(f"…{rate}…" in text for rate in rates)  # of `data`


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
