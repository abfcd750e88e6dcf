"""The command: what it offers, and that whatever is wrong is one line."""

import pytest

from dcgan_lib.__main__ import COMMANDS, main


def test_alone_it_lists_its_commands(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_takes(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: dcgan {command}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "no/where.yaml"],
        ["sweep", "no/where.yaml"],
        ["runs", "no/where"],
        ["evaluate", "no/where"],
        ["diagnose", "no/where"],
        ["export", "no/where", "--to", "csv"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_is_not_there_is_one_line_and_exit_code_1(arguments, capsys):
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert "no/where" in said.err


def test_what_the_system_refuses_is_told_in_words(tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    for path, said in (
        (tmp_path / "file" / "faces", "not a directory"),
        (tmp_path / ("a" * 300), "file name too long"),
    ):
        assert main(["sample", "--count", "1", "--to", str(path)]) == 1
        assert capsys.readouterr().err == f"{path}: {said}; give another path\n"


@pytest.mark.parametrize(("said", "told"), [((), "stopped"), (("stopped after step 3",), "stopped after step 3")])
def test_ctrl_c_is_a_line(monkeypatch, capsys, said, told):
    def stopped(given):
        raise KeyboardInterrupt(*said)

    monkeypatch.setattr("dcgan_lib.records.table.main", stopped)
    assert main(["runs"]) == 130
    assert capsys.readouterr().err == f"{told}\n"


def test_foreign_text_in_an_error_is_cut_and_steers_no_terminal(tmp_path, capsys):
    (tmp_path / "settings.yaml").write_text('data: "\\e[31mred/\\e]0;' + "x/" * 700 + '"')
    assert main(["train", str(tmp_path / "settings.yaml"), "--runs", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "no data at  [31mred/ ]0;x/x/" in said
    assert "\x1b" not in said
    assert len(said) < 1100


def test_an_unknown_command_is_answered_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["trian"])
    assert ended.value.code == 2
    assert "choose from" in capsys.readouterr().err
