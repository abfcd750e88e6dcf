"""YAML: what is right is read as YAML has it, what is wrong is told with its place, and a name by its neighbours."""

import pytest

from dcgan_lib.settings import did_you_mean, parse_yaml, read_yaml


def test_one_yaml_mapping_merged_into_another_is_no_name_written_twice():
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a, x: 2}", "here")["b"] == {"x": 2}


def test_a_name_written_twice_is_told_with_line_and_column():
    with pytest.raises(ValueError, match=r"^here, line 2, column 1: 'x' is written twice$"):
        parse_yaml("x: 1\nx: 2", "here")


def test_a_file_that_is_not_there_is_answered_with_one_that_is(tmp_path):
    (tmp_path / "epochs.yaml").write_text("epochs: 1")
    with pytest.raises(FileNotFoundError, match=r"epoch\.yaml is not a file: did you mean 'epochs\.yaml'\?"):
        read_yaml(tmp_path / "epoch.yaml")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rate", ": did you mean 'rate_d' or 'rate_g'?"),
        ("epcohs", ": did you mean 'epochs'?"),
        ("zzz", "; known are epochs, rate_d, rate_g"),
    ],
)
def test_a_name_is_answered_with_what_it_may_have_meant_or_with_all(name, expected):
    assert did_you_mean(name, ("epochs", "rate_d", "rate_g")) == expected
