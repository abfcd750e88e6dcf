"""A record read on while it is written, taken up again, and in every state of disrepair."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.records import GRIDS, LOSS_G, append, operation, picture, point, write_process

from dcgan_lib.config import Config
from dcgan_lib.records import writing
from dcgan_lib.records.reading import RunRecord, load_run, load_runs


def everything(record: RunRecord) -> dict:
    """All that a record gives, asked for by every one of its names."""
    seen = {name: getattr(record, name) for name in ("fields", "name", "tags", "settings", "state", "steps")}
    seen |= {name: (record.series(name).to_numpy().tolist(), record.last(name)) for name in record.series_names}
    for name in record.image_names:
        seen[name] = (record.image_steps(name), [(step, image.tobytes()) for step, image in record.images(name)])
    return seen | {"problems": sorted(record.problems)}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A sound run by the real client, with something of everything; some points come 3 a line, some have no step."""
    from neptune.types import File

    folder = tmp_path_factory.mktemp("runs") / "run"
    with writing.open_run(Config(), folder, tags=["a"]) as run:
        for step in range(1, 40, 3):
            run[LOSS_G].extend([step / 2] * 3, steps=[step, step + 1, step + 2])
            run["plain"].append(step)
            run["words"].append("naïve", step=step)
            run["training/state"] = "running" if step % 2 else "finished"
        for step in (10, 20):
            writing.log_images(run, np.full((8, 8, 3), step, np.uint8), step)
        run["note"].upload(File.from_content("hello", extension="txt"))
    return folder


def test_refresh_finds_new_files_and_new_processes(tmp_path):
    log = write_process(tmp_path / "neptune", "first", point(1, 1.0, 1))
    record = load_run(tmp_path)
    assert record.last(LOSS_G) == (1, 1.0)
    assert not record.refresh()
    append(log.with_name("data-2.log"), point(2, 2.0, 2))
    assert record.refresh()
    assert record.last(LOSS_G) == (2, 2.0)
    write_process(tmp_path / "neptune", "second", point(1, 3.0, 3), created=10)
    assert record.refresh()
    assert record.series(LOSS_G)["value"].tolist() == [1.0, 2.0, 3.0]
    assert record.problems == []


@pytest.mark.parametrize("change", ["deleted", "replaced"])
def test_what_was_read_of_a_process_that_is_gone_is_forgotten(tmp_path, change):
    write_process(tmp_path / "neptune", "first", point(1, 1.0, 1), point(2, 2.0, 2))
    record = load_run(tmp_path)
    assert record.steps == 2
    shutil.rmtree(tmp_path / "neptune")
    if change == "replaced":
        write_process(tmp_path / "neptune", "another", point(1, 1.0, 1), created=1)
        write_process(tmp_path / "neptune", "first", point(1, 1.0, 1), created=2)
    assert record.refresh()
    assert record.steps == (0 if change == "deleted" else 1)


def test_a_plain_record_is_refreshed_without_its_neighbours(tmp_path):
    log = write_process(tmp_path / ".neptune", "first", point(1, 1.0, 1), uuid="1")
    write_process(tmp_path / ".neptune", "other", point(1, 5.0, 5), created=1, uuid="2")
    record, _ = load_runs(tmp_path)
    assert record.steps == 1
    append(log, point(2, 2.0, 2))
    assert record.refresh()
    assert (record.run_id, record.steps) == ("1", 2)


def test_what_a_resumed_training_gave_up_is_left_out(tmp_path):
    record = tmp_path / "neptune"
    words = operation(90, type="LogStrings", path=["words"], values=[{"value": "x", "step": 9, "ts": 0.0}])
    write_process(record, "1", *[point(s, float(s), s) for s in range(1, 10)], picture(4, 20), picture(8, 21), words)
    resumed = operation(1, type="AssignInt", path=["training", "resumed_at"], value=6)
    log = write_process(record, "2", resumed, created=10)
    run = load_run(tmp_path)
    assert (run.steps, run.last(LOSS_G)) == (6, (6, 6.0))
    assert run.series(LOSS_G)["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert run.image_steps(GRIDS) == [4]
    assert run.series_names == [LOSS_G]

    append(log, point(2, 70.0, 7), point(3, 80.0, 8))
    assert run.refresh()
    assert run.series(LOSS_G)["value"].tolist() == [1, 2, 3, 4, 5, 6, 70, 80]
    assert (run.steps, run.last(LOSS_G)) == (8, (8, 80.0))
    write_process(record, "3", resumed.replace("6", "2"), point(2, 300.0, 3), created=20)
    for again in (load_run(tmp_path), run):
        again.refresh()
        assert again.series(LOSS_G)["value"].tolist() == [1, 2, 300]
        assert again.steps == 3


def test_seconds_leave_out_the_pauses_between_processes(tmp_path):
    record = tmp_path / "neptune"
    write_process(record, "1", point(1, 1.0, 1, at=1010.0), point(2, 1.0, 2, at=1030.0), created=1000)
    write_process(record, "2", point(1, 1.0, 3, at=5005.0), created=5000)
    write_process(record, "side by side", point(1, 1.0, 4, at=5009.0), created=5002)
    write_process(record, "3", point(1, 1.0, 5, at=9001.0), created=9000)
    frame = load_run(tmp_path).series(LOSS_G)
    assert frame["seconds"].tolist() == [10, 30, 35, 39, 40]
    assert frame["time"].iloc[0].timestamp() == 1010.0


def test_a_point_without_a_time_of_its_own_has_no_seconds_either(tmp_path):
    write_process(tmp_path / "neptune", "1", point(1, 1.0, 1, at=float("nan")), point(2, 1.0, 2, at=1e300))
    frame = load_run(tmp_path).series(LOSS_G)
    assert frame["time"].isna().all()
    assert len(frame) == 2


@pytest.mark.parametrize("half", [b"\\ud800", b"\xed\xa0\x80"], ids=["written out", "as bytes"])
def test_half_a_character_becomes_question_marks_wherever_it_stands(tmp_path, half):
    lines = [
        operation(1, type="AssignString", path=["aHALFb"], value="aHALFb"),
        operation(2, type="AssignString", path=["whole"], value="a😀한b"),
        point(3, 1.0, 1, path="aHALFb2"),
    ]
    write_process(tmp_path / "neptune", "1", *(line.encode().replace(b"HALF", half) for line in lines))
    record = load_run(tmp_path)
    assert record.fields == {"a?b": "a?b", "whole": "a😀한b"}
    assert record.series_names == ["a?b2"]
    assert record.last("a?b2") == (1, 1.0)


def test_half_a_character_in_a_logged_text_too(tmp_path):
    said = operation(1, type="LogStrings", path=["said"], values=[{"value": "aHALFb", "step": 1, "ts": 0.0}])
    write_process(tmp_path / "neptune", "1", said.replace("HALF", "\\ud800"))
    assert load_run(tmp_path).last("said") == (1, "a?b")


def test_a_record_kept_for_a_server_is_read_like_any_other(tmp_path):
    write_process(tmp_path / "neptune", "1", point(1, 1.0, 1))
    (tmp_path / "neptune/offline").rename(tmp_path / "neptune/async")
    assert load_run(tmp_path).steps == 1


@pytest.mark.parametrize("linked", ["data-1.log", "metadata.json", "."])
def test_nothing_outside_the_run_is_opened(tmp_path, linked):
    secret = write_process(tmp_path / "elsewhere", "1", point(1, 1.0, 99)).parent
    log = write_process(tmp_path / "run/neptune", "1", point(1, 1.0, 1))
    if linked == ".":
        shutil.rmtree(log.parent)
        log.parent.symlink_to(secret)
    else:
        log.with_name(linked).unlink()
        log.with_name(linked).symlink_to(secret / linked)
    record = load_run(tmp_path / "run")
    assert record.steps == 0
    assert "lies outside the run's record" in record.problems[0]


def hinder(path: Path, how: str) -> None:
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "pipe":  # opening it would wait for a writer
        os.mkfifo(path)
    elif how != "missing":
        path.write_text(how)


@pytest.mark.parametrize("name", ["data-1.log", "metadata.json"])
@pytest.mark.parametrize("how", ["folder", "pipe", "missing", '{"createdAt": 5}', "\0\n"])
def test_a_file_that_is_none_is_passed_over(tmp_path, name, how):
    hinder(write_process(tmp_path / "neptune", "1", point(1, 1.0, 1)).with_name(name), how)
    write_process(tmp_path / "neptune", "2", point(1, 2.0, 2), created=1)
    record = load_run(tmp_path)
    assert record.last(LOSS_G) == (2, 2.0)
    expected = name == "metadata.json" or how not in ("missing", '{"createdAt": 5}')
    assert bool(record.problems) == expected  # a log without a whole line is one that is being written
    assert not record.refresh()


def damage(whole: bytes, chance: random.Random) -> bytes:
    """The same with lines shuffled and lost, bytes overwritten, and values put in others' places."""
    odd = [b"null", b"NaN", b"-1", b"1e400", b'"\\ud800"', b"[]", b"{}", b"true", b"9" * 400, b'"sys/name"']
    lines = whole.splitlines(keepends=True)
    content = b"".join(chance.sample(lines, 12)) if chance.random() < 0.5 else whole
    for _ in range(chance.randint(1, 4)):
        begin = chance.randrange(len(content))
        if chance.random() < 0.5:  # a value
            begin = content.rfind(b": ", 0, begin) + 2
            end = content.find(b",", begin)
            new = chance.choice(odd)
        else:
            end = begin + chance.choice([0, 1, 1, 5, 200])
            new = chance.choice([b"", b"\n", b'"', chance.randbytes(1)])
        content = content[:begin] + new + content[end:]
    return content


def test_a_record_is_read_whatever_its_bytes_are_and_read_on_at_whatever_byte(original, tmp_path):
    chance = random.Random(0)
    folder = tmp_path / "run"
    shutil.copytree(original, folder)
    log = next(folder.glob("neptune/offline/*/data-1.log"))
    whole = log.read_bytes()
    for content in [whole] * 10 + [damage(whole, chance) for _ in range(30)]:
        half = chance.randrange(len(content))
        log.write_bytes(content[:half])
        record = load_run(folder)
        everything(record)
        append(log, content[half:])
        record.refresh()
        assert str(everything(record)) == str(everything(load_run(folder)))
        if content is whole:
            assert everything(record) == everything(load_run(original))
