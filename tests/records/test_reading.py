"""Reading records back: whole, broken off, damaged and hostile ones, each written by the real client."""

import base64
import multiprocessing
import os
import re
import shutil
import signal
import struct
import subprocess
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from helpers.records import GRIDS, LOSS_D, LOSS_G, append, operation, picture, point, write_process, write_run
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.records import writing
from dcgan_lib.records.reading import find_runs, load_run, load_runs


def write_and_be_killed(folder: Path) -> None:
    """Log 1000 steps, the first 500 for sure."""
    run = writing.open_run(Config(), folder)
    for step in range(1, 1001):
        run[LOSS_G].append(step / 2, step=step)
        if step == 500:
            run.wait()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A sound run: a series of ten points, and a text."""
    from neptune.types import File

    folder = tmp_path_factory.mktemp("runs") / "run"
    with writing.open_run(Config(), folder) as run:
        run[LOSS_G].extend([float(step) for step in range(10)], steps=list(range(10)))
        run["note"].upload(File.from_content("hello", extension="txt"))
    return folder


@pytest.fixture
def log(original, tmp_path) -> Path:
    """The operations of a copy of a sound run, to be damaged."""
    shutil.copytree(original, tmp_path / "run")
    return next((tmp_path / "run").glob("neptune/offline/*/data-1.log"))


@pytest.fixture
def folder(log) -> Path:
    return log.parents[3]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no processes are forked here")
def test_a_killed_writer_leaves_a_readable_record_and_the_next_process_goes_on(tmp_path):
    folder = tmp_path / "killed"
    import neptune  # noqa: F401 - so that the writer need not import it

    writer = multiprocessing.get_context("fork").Process(target=write_and_be_killed, args=[folder])
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    record = load_run(folder)
    steps = record.series(LOSS_G)["step"].tolist()
    assert steps == list(range(1, len(steps) + 1))
    assert 500 <= len(steps) <= 1000
    assert record.state == "unfinished"
    assert record.problems == []

    with writing.open_run(Config(), folder) as run:
        run[LOSS_G].extend([float(step) for step in range(400, 1201)], steps=list(range(400, 1201)))
    frame = load_run(folder).series(LOSS_G)
    assert frame["step"].tolist() == list(range(1, 1201))
    assert frame["value"].tolist() == [s / 2 for s in range(1, 400)] + [float(s) for s in range(400, 1201)]


def test_every_kind_of_field_is_read(tmp_path):
    when = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
    with writing.open_run(Config(), tmp_path / "kinds", tags=["a", "b"]) as run:
        run["some"] = {"text": "naïve", "int": 3, "float": 0.5, "bool": True, "deep": {"er": 1}, "when": when}
        run["sys/tags"].remove("a")
        run["gone"] = 1
        del run["gone"]
        run["sentences"].extend(["one", "two"], steps=[1, 2])
        run["cleared"].extend([1.0, 2.0], steps=[1, 2])
        run["cleared"].clear()
        run["cleared"].append(3.0, step=5)
    record = load_run(tmp_path / "kinds")
    expected = {"text": "naïve", "int": 3, "float": 0.5, "bool": True, "deep/er": 1, "when": when}
    assert {name: record.fields[f"some/{name}"] for name in expected} == expected
    assert record.fields["sys/tags"] == {"b"}
    assert "gone" not in record.fields
    assert record.series("sentences")["value"].tolist() == ["one", "two"]
    assert record.series("cleared")["step"].tolist() == [5]
    assert record.problems == []


def test_a_script_that_only_knows_neptune_is_read(tmp_path, monkeypatch, capfd):
    """The articles' own code: no steps, files uploaded by path, the record in the working directory."""
    import neptune
    from neptune.types import File

    monkeypatch.chdir(tmp_path)
    Path("arch.txt").write_text("Generator()")
    run = neptune.init_run(mode="offline", name="articles", git_ref=False, capture_hardware_metrics=False)
    run["config/dataset/path"] = "data/celeba"
    run["config/hyperparameters"] = {"lr": 0.0002, "batch_size": 128, "optimiser": {"beta1": 0.5}}
    for value in (1.5, 2.5, 3.5):
        run[LOSS_G].append(value)
        run[GRIDS].append(File.as_image(np.full((8, 8, 3), value / 7)))
    run["io_files/artifacts/Generator_arch"].upload("arch.txt")
    run["images/last"].upload(File.as_image(np.zeros((8, 8, 3))))
    run["sys/tags"].add(["dcgan", "celeba"])
    run.stop()

    for folder in (".", ".neptune", tmp_path / ".neptune"):
        [record] = load_runs(folder)
        assert re.fullmatch(r"[0-9a-f-]{36}", record.run_id)
        assert record.name == "articles"
        assert record.tags == {"dcgan", "celeba"}
        assert record.fields["config/dataset/path"] == "data/celeba"
        assert record.settings == {"lr": 0.0002, "batch_size": 128, "optimiser/beta1": 0.5}
        frame = record.series(LOSS_G)
        assert list(frame.columns) == ["step", "value", "time", "seconds"]
        assert frame[["step", "value"]].to_numpy().tolist() == [[0, 1.5], [1, 2.5], [2, 3.5]]
        assert abs(frame["time"].iloc[0].timestamp() - time.time()) < 60
        assert (record.last(LOSS_G), record.steps) == ((2, 3.5), 2)
        assert record.image_steps(GRIDS) == [0, 1, 2]
        assert record.image(GRIDS, 2).getpixel((0, 0)) == (127, 127, 127)
        assert record.file("images/last").suffix == ".png"
        with pytest.raises(KeyError, match="Generator_arch"):  # its content is no part of the record
            record.file("io_files/artifacts/Generator_arch")
        [problem] = record.problems
        assert "arch.txt lies outside" in problem


def test_an_unfinished_last_line_is_left_out(folder, log):
    append(log, point(900, 1.0, 99)[:60])
    record = load_run(folder)
    assert len(record.series(LOSS_G)) == 10
    assert record.problems == []


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\x00 no text\n",
        b"[" * 100_000 + b"\n",
        b"[]\n",
        b'{"obj": {"type": "LogFl{"obj": {"type": "LogFloats"}}\n',
        operation(900, type="Unheard", path=["a"]),
        point(900, "x", 50),
        point(900, 1, "x"),
        point(900, 1, float("nan")),
        operation(900, type="LogStrings", path=LOSS_G.split("/"), values=[{"value": "1", "step": 50, "ts": 0}]),
        point(900, 1, 50).split(', "version"')[0] + point(900, 1, 51),
        operation(900, type="LogOther", path=["a"], values=[]),
        operation(900, type="AssignInt", path=["a"], value="x"),
        operation(900, type="AddStrings", path=["sys", "name"], values=["x"]),
        operation([], type="AssignInt", path=["a"], value=1),
    ],
)
def test_a_broken_line_is_passed_over_and_named(folder, log, line):
    append(log, line, operation(901, type="AssignInt", path=["after"], value=1))
    record = load_run(folder)
    assert record.fields["after"] == 1
    assert len(record.series(LOSS_G)) == 10
    [problem] = record.problems
    assert problem.startswith(f"{log.relative_to(folder)}, byte ")


def test_operations_written_again_by_a_forked_worker_count_once(folder, log):
    lines = log.read_bytes().splitlines(keepends=True)
    append(log, *[line for line in lines if b"LogFloats" in line], point(902, 1, None), point(902, 1, None))
    frame = load_run(folder).series(LOSS_G)
    assert frame["step"].tolist() == list(range(11))


def test_files_follow_each_other_by_number(folder, log):
    for number in (1000, 200):
        append(log.with_name(f"data-{number}.log"), point(number, float(number), 3))
    assert load_run(folder).series(LOSS_G)["value"].tolist()[3] == 1000.0


def test_an_upload_that_climbs_out_of_the_record_is_refused(folder, log, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (folder / "samples.txt").write_text("inside")
    (log.parent / "upload_path/link.txt").symlink_to(secret)
    stored = {"up": "../" * 5 + "secret.txt", "absolute": str(secret), "linked": "link.txt", "missing": "none.txt"}
    by_path = {"by_path": str(secret), "inside": str(folder / "samples.txt")}
    for i, name in enumerate(stored | by_path):
        lies = {"file_path": by_path.get(name), "tmp_file_name": stored.get(name)}
        append(log, operation(900 + i, type="UploadFile", path=[name], ext="txt", **lies))
    record = load_run(folder)
    assert (record.text("note"), record.text("inside")) == ("hello", "inside")
    for name in (*stored, "by_path"):
        with pytest.raises(KeyError, match=name):
            record.file(name)
    whys = [re.search("lies outside|is missing", problem)[0] for problem in record.problems]
    assert whys == ["lies outside"] * 3 + ["is missing", "lies outside"]


def eps(tmp_path):
    """A picture that Pillow would hand to Ghostscript, a program."""
    Image.new("RGB", (9, 9)).save(tmp_path / "picture.eps")
    return (tmp_path / "picture.eps").read_bytes()


def huge(tmp_path):
    """41 bytes that promise 50,000 × 50,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    size, checksum = struct.pack(">I", 13), struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + size + header + checksum + bytes(4) + b"IDAT"


@pytest.mark.parametrize("content", [eps, huge])
def test_a_picture_starts_no_program_and_fills_no_memory(folder, log, tmp_path, monkeypatch, content):
    monkeypatch.setattr(subprocess, "check_call", lambda *command: pytest.fail(f"{command} was started"))
    data = base64.b64encode(content(tmp_path)).decode()
    values = [{"value": {"data": data, "name": None, "description": None}, "step": 1, "ts": 0.0}]
    append(log, operation(900, type="LogImages", path=GRIDS.split("/"), values=values))
    run = load_run(folder)
    with pytest.raises(ValueError, match="step 1: not an image"):
        run.image(GRIDS, 1)


def test_a_picture_that_is_none_is_passed_over_and_named(folder, log):
    append(log, picture(step=1, version=900))
    record = load_run(folder)
    assert record.images(GRIDS) == []
    assert f"{GRIDS}, step 1" in record.problems[0]


def test_foreign_folders_are_passed_over_and_named(folder):
    (folder / "neptune/offline/notes").mkdir()
    (folder / "neptune/offline/.DS_Store").write_text("")
    (folder.parent / "no-run").mkdir()
    (folder.parent / "file.txt").write_text("")
    [record] = load_runs(folder.parent)
    assert len(record.series(LOSS_G)) == 10
    assert len(record.problems) == 2


def test_a_run_without_a_readable_record_is_still_listed(tmp_path):
    (tmp_path / "empty/neptune").mkdir(parents=True)
    [record] = load_runs(tmp_path)
    assert (record.fields, record.series_names, record.state) == ({}, [], "unfinished")


def test_runs_come_newest_last_and_none_is_told_in_one_line(tmp_path):
    assert load_runs(tmp_path / "nowhere") == []
    with pytest.raises(FileNotFoundError, match=r"no runs in .*: train first"):
        find_runs(tmp_path)
    with pytest.raises(FileNotFoundError, match="no run in"):
        load_run(tmp_path)
    for name in ("b", "a"):
        write_run(tmp_path / name)
    assert [record.run_id for record in find_runs(tmp_path)] == ["b", "a"]
    with pytest.raises(KeyError, match=f"no series 'typo'; it has {LOSS_D}, {LOSS_G}"):
        load_runs(tmp_path)[-1].series("typo")


def test_a_run_is_listed_without_its_points_being_read(folder, log):
    append(log, point(900, "no number", 50), point(901, 2.5, 60))
    record = load_run(folder)
    assert (record.fields["sys/name"], record.steps, record.last(LOSS_G)) == ("run", 60, (60, 2.5))
    assert record.problems_so_far == []
    assert "byte" in record.problems[0]


@pytest.mark.parametrize("read_before", [False, True])
def test_a_record_without_its_beginning_is_listed_as_incomplete(tmp_path, read_before):
    write_run(tmp_path / "whole")
    record = load_run(tmp_path / "whole")
    assert (record.state, record.lacking) == ("finished", "")
    [log] = (tmp_path / "whole").glob("neptune/*/*/data-1.log")
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(line for line in lines if b'"LogFloats"' not in line))
    append(log, *(point(900 + step, 1.0, step) for step in (7, 8, 9)))
    record = load_run(tmp_path / "whole")
    if read_before:
        assert len(record.series(LOSS_G)) == 3
    assert (record.state, record.steps) == ("incomplete", 9)
    assert record.problems_so_far == ["its record lacks steps 1 to 6: files were taken out of it"]


def test_a_record_of_other_code_may_begin_where_it_will(tmp_path):
    write_process(tmp_path / "other/neptune", "run__a", point(1, 2.5, 50), point(2, 2.5, 100))
    assert load_run(tmp_path / "other").lacking == ""


def test_a_runs_own_folder_gives_that_run_and_a_file_is_refused(folder, original):
    assert [record.run_id for record in load_runs(folder)] == ["run"]
    folder.rename(folder.with_name("neptune"))
    shutil.copytree(original, folder)
    assert {record.run_id for record in load_runs(folder.parent)} == {"run", "neptune"}
    with pytest.raises(NotADirectoryError, match=r"test_reading\.py is a file: give the folder that holds the runs"):
        load_runs(__file__)
