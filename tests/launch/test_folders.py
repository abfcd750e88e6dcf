"""A run's folder: held by one process, and a run of the settings and images that it began with."""

import json

import pytest
import torch
from helpers.records import add_points, write_run

from dcgan_lib import checkpoint
from dcgan_lib.launch import folders
from dcgan_lib.launch.folders import (
    LAUNCHER,
    TRAINER,
    check_folder,
    choose_run,
    claim,
    is_finished,
    is_taken,
    run_folder,
)
from dcgan_lib.records import writing


def put(folder, config, state="finished"):
    """A run in the folder, its record and settings, as a training leaves it."""
    write_run(folder, state=state)
    config.save(folder / "config.json")


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path):
    folder = tmp_path / "mine"
    assert not is_taken(folder, TRAINER)
    assert not folder.exists()
    with claim(folder):
        assert is_taken(folder, LAUNCHER, TRAINER)
        assert not is_taken(folder, LAUNCHER)
        with pytest.raises(folders.FolderTaken, match=r"mine is being trained by another process: wait for it, or"):
            claim(folder, wait=0.1).__enter__()
    assert not is_taken(folder, LAUNCHER, TRAINER)


def test_a_run_is_finished_when_its_notebook_is_as_well(tiny, tmp_path):
    assert not is_finished(tmp_path / "nothing", tiny)
    put(tmp_path, tiny)
    assert is_finished(tmp_path, tiny)  # trained without papermill
    notebook = tmp_path / "notebook.ipynb"
    for about, finished in (
        ({"end_time": "2026-01-01", "exception": None}, True),
        ({"end_time": "2026-01-01", "exception": True}, False),
        ({"end_time": None}, False),
    ):
        notebook.write_text(json.dumps({"metadata": {"papermill": about}}))
        assert is_finished(tmp_path, tiny) == finished
    notebook.write_text('{"metadata": ')
    assert not is_finished(tmp_path, tiny)


def test_a_finished_run_of_other_settings_or_fewer_epochs_is_not_this_one(tiny, tmp_path):
    put(tmp_path, tiny)
    assert is_finished(tmp_path, tiny.replace(log_every=7, device="cuda"))
    assert not is_finished(tmp_path, tiny.replace(epochs=5))
    assert not is_finished(tmp_path, tiny.replace(beta1=0.9))


def test_the_newest_unfinished_run_of_the_same_settings_is_gone_on_with(tiny, tmp_path):
    for number, state in enumerate(("interrupted", "interrupted", "finished"), start=1):
        put(tmp_path / f"cpu-{number}", tiny, state)
    (tmp_path / "cpu-4").mkdir()
    assert choose_run(tmp_path, tiny, "cpu") == "cpu-2"
    new = {choose_run(tmp_path, tiny.replace(epochs=9), "cpu") for _ in range(9)}
    assert len(new) == 9
    assert not any((tmp_path / name).exists() for name in new)


def test_a_folder_with_a_run_of_other_settings_or_images_is_refused(tiny, images, tmp_path):
    def refusal(config):
        with pytest.raises(ValueError, match=r"images|settings?") as error:
            check_folder(tmp_path, config, images)
        return str(error.value).replace(str(tmp_path), "mine")

    check_folder(tmp_path / "new", tiny, images)
    put(tmp_path, tiny)
    check_folder(tmp_path, tiny.replace(epochs=9, log_every=7, device="cuda"), images)  # the same run goes on
    advice = "set it back, or choose another folder"
    lowered = "mine is a run of other settings: epochs was 4 and is now 2"
    assert refusal(tiny.replace(epochs=2)) == f"{lowered}; {advice}"
    assert "batch_size was 8 and is now 16, beta1 was 0.5 and is now 0.9" in refusal(
        tiny.replace(batch_size=16, beta1=0.9)
    )
    assert refusal(tiny.replace(batch_size=21)) == "batch_size is 21, but there are 20 images: lower it"
    images.__dict__["fingerprint"] = "of others"
    check_folder(tmp_path, tiny, images)  # nothing was saved, so that it begins again
    (tmp_path / "checkpoint.pt").touch()
    assert refusal(tiny) == "mine was trained on other images than memory holds: bring them back"
    (tmp_path / "config.json").write_text('{"config": {"bata1": 1}}')
    assert refusal(tiny) == f"mine/config.json: unknown setting 'bata1': did you mean 'beta1'?; {advice}"


def test_a_record_without_its_beginning_is_neither_finished_nor_gone_on_with(tiny, images, tmp_path):
    with writing.open_run(tiny, tmp_path / "mine", images=images) as run:
        add_points(run, range(15, 25))
        run["training/state"] = "finished"
    tiny.save(tmp_path / "mine/config.json")
    assert not is_finished(tmp_path / "mine", tiny)
    lacks = "mine is not whole, its record lacks steps 1 to 14: files were taken out of it; move the folder away, and"
    with pytest.raises(ValueError, match=lacks):
        check_folder(tmp_path / "mine", tiny, images)
    [log] = tmp_path.glob("mine/neptune/*/*/data-1.log")
    log.unlink()
    check_folder(tmp_path / "mine", tiny, images)  # nothing was trained yet, as far as one sees
    checkpoint.save(tmp_path / "mine/checkpoint.pt", step=14)
    with pytest.raises(ValueError, match="mine is not whole, its record lacks the steps before its checkpoint: files"):
        check_folder(tmp_path / "mine", tiny, images)


def test_a_damaged_checkpoint_is_told_before_anything_of_the_run_is_written(tiny, images, tmp_path):
    put(tmp_path / "mine", tiny, state="interrupted")
    checkpoint.save(tmp_path / "mine/checkpoint.pt", weight=torch.ones(1000))
    damaged = bytearray((tmp_path / "mine/checkpoint.pt").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "mine/checkpoint.pt").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged or cut short: put back a copy"):
        check_folder(tmp_path / "mine", tiny, images)


@pytest.mark.parametrize("name", ["mine", "2024-run 5", "a=1,b=2", "faces.v2", "größer", "1e5", "[a]"])
def test_a_name_is_that_of_a_folder_in_the_folder_of_runs(tmp_path, name):
    assert run_folder(tmp_path, name) == tmp_path / name


def test_a_folder_that_can_be_none_is_told_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/mine", tmp_path / ("x" * 300)):
        with pytest.raises(OSError, match=r"^\S+ can't be a run's folder: [A-Z][\w ]+; choose another$"):
            claim(folder).__enter__()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "a\\b", "C:", "/etc", " a", "a.", ".hidden", "a*", "-n", "a\nb", "x" * 201]
)
def test_what_is_no_name_on_some_system_is_told(tmp_path, name):
    with pytest.raises(ValueError, match=r"can't be the name of a run: up to 200 letters, digits"):
        run_folder(tmp_path, name)
