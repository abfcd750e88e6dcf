"""The training notebook in batch: through papermill and the launcher, finished, resumed, stopped and refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers.trainings import PROJECT, finish, marked_token, places, quick_settings, start, wait_for

from dcgan_lib.config import Config
from dcgan_lib.launch import notebook
from dcgan_lib.records.reading import load_run


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Settings of a training that takes a second, on 96 drawn faces of its own."""
    return quick_settings(tmp_path_factory.mktemp("quick"), epochs=4)


def train(settings, runs, *arguments):
    return start("launch", settings, "--runs", runs, *arguments)


def kernel_of(launcher):
    """The process id of the launcher's kernel, from /proc."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        number, _, rest = stat.read_text().partition(" ")
        if int(rest.rpartition(")")[2].split()[1]) == launcher:
            return int(number)
    raise AssertionError(f"{launcher} has no child")


@pytest.fixture(scope="module")
def token_forms():
    with pytest.MonkeyPatch.context() as patch:
        yield marked_token(patch)


@pytest.fixture(scope="module")
def finished(quick, token_forms, tmp_path_factory):
    """A run that went through in one go: its folder, and what was printed."""
    runs = tmp_path_factory.mktemp("runs")
    code, out, err = finish(train(quick, runs, "--run", "whole", "--tag", "first", "--tag", "quick"))
    assert code == 0, err
    return runs / "whole", out, err


def test_a_run_leaves_its_folder_complete_and_says_what_next(finished):
    folder, out, err = finished
    assert {path.name for path in folder.iterdir()} >= {"config.json", "checkpoint.pt", "samples", "neptune"}
    assert [path.name for path in sorted((folder / "samples").iterdir())] == ["000004.png", "000008.png", "000012.png"]
    for told in (f"{folder}  (12 steps, finished)", "Dloss ", "Gloss ", "000012.png", "python -m dcgan_lib.runs"):
        assert told in out
    assert err.strip() == f"starting {folder}"  # quiet in a log: no bar, not a line an update


def test_a_token_in_the_environment_is_written_nowhere(finished, token_forms):
    folder, out, err = finished
    assert places(token_forms, folder.parent, out, err) == []


def test_its_record_has_every_step_and_the_articles_fields(finished):
    record = load_run(finished[0])
    for name in ("Dloss", "Gloss", "D_x", "D_G_z1", "D_G_z2"):
        assert record.series(f"training/batch/{name}")["step"].tolist() == list(range(1, 13))
    assert [step for step, _ in record.images("images/fixed_noise")] == [0, 4, 8, 12]
    assert record.fields["config/dataset/size"] == 96
    assert record.tags == {"first", "quick"}
    assert "ConvTranspose2d" in record.text("io_files/artifacts/Generator_arch")
    assert "LeakyReLU" in record.text("io_files/artifacts/Discriminator_arch")


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the kernel in /proc")


@needs_proc
def test_killed_and_started_again_it_ends_the_same_and_its_record_joins_on(quick, tmp_path):
    settings = quick.with_name("longer.yaml")
    Config.from_file(quick).replace(epochs=80, sample_every=60, average_half_life=100).save(settings)
    process = train(settings, tmp_path, "--run", "killed")
    folder = tmp_path / "killed"
    wait_for(folder / "checkpoint.pt", process)
    os.kill(kernel_of(process.pid), signal.SIGKILL)  # in the middle of its training
    code, _, err = finish(process)
    assert code == 1
    assert "the kernel died" in err
    assert "Traceback" not in err
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["gan"]["step"] < 240

    whole = tmp_path / "whole"
    for name in ("killed", "whole"):
        code, _, err = finish(train(settings, tmp_path, "--run", name))
        assert code == 0, err
        assert ("going on with" in err) == (name == "killed")
    ours, theirs = (torch.load(f / "checkpoint.pt", weights_only=True)["gan"] for f in (folder, whole))
    for part in ("generator", "discriminator", "averaged"):
        assert all(torch.equal(value, theirs[part][name]) for name, value in ours[part].items())
    for part in ("optimizer_g", "optimizer_d"):
        for index, state in ours[part]["state"].items():
            assert torch.equal(state["exp_avg_sq"], theirs[part]["state"][index]["exp_avg_sq"])
    record, expected = load_run(folder), load_run(whole)
    assert record.series("training/batch/Dloss")["step"].tolist() == list(range(1, 241))
    for name in ("training/batch/Dloss", "training/batch/D_G_z2"):
        assert record.series(name)[["step", "value"]].equals(expected.series(name)[["step", "value"]])
    assert [step for step, _ in record.images("images/fixed_noise")] == [0, 60, 120, 180, 240]


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_closes_the_run_and_says_how_to_go_on(quick, tmp_path, number):
    settings = quick.with_name("long.yaml")
    Config.from_file(quick).replace(epochs=4000).save(settings)
    process = train(settings, tmp_path, "--run", "stopped")
    wait_for(tmp_path / "stopped/checkpoint.pt", process)
    kernel = kernel_of(process.pid)
    os.kill(kernel, signal.SIGSTOP)  # as long a step as a slow machine has
    process.send_signal(number)
    time.sleep(4)
    os.kill(kernel, signal.SIGCONT)
    code, _, err = finish(process)
    assert code == 130
    record = load_run(tmp_path / "stopped")
    assert record.state == "interrupted"
    step = torch.load(tmp_path / "stopped/checkpoint.pt", weights_only=True)["gan"]["step"]
    assert record.series("training/batch/Dloss")["step"].iloc[-1] == step
    assert f"stopped, and saved after step {step:,} in" in err
    assert "the same command goes on from there" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "lerning_rate_d", "1e-4"], r"unknown setting 'lerning_rate_d': did you mean 'learning_rate_d'\?"),
        (["--set", "image_size", "48"], r"image_size is 48: choose one of"),
        (["--set", "epochs", "five"], r"epochs is 'five': it must be of type int"),
        (["--set", "data", "no/where"], r"no data at no/where"),
        (["--set", "data", "["], r"^--set data, line 1, column 2: expected"),
    ],
)
def test_bad_settings_are_refused_before_anything_starts(quick, tmp_path, arguments, message):
    code, _, err = finish(train(quick, tmp_path / "runs", *arguments))
    assert code == 1
    assert re.search(message, err)
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_failure_in_the_notebook_is_one_line_and_the_way_to_the_traceback(quick, tmp_path):
    code, _, err = finish(train(quick, tmp_path, "--run", "bad", "--set", "batch_size", "97"))
    assert code == 1
    assert re.search(r"ValueError: batch_size is 97, but there are 96 images: lower it", err)
    assert "Traceback" not in err
    assert re.search(r"in cell \[\d+\], 'folder = .*'; the notebook with the traceback: .*bad/notebook.ipynb", err)


def test_a_kernel_that_trains_has_time_to_save_and_an_idle_one_is_not_waited_for(tmp_path):
    manager = notebook._kernel_manager(tmp_path)()
    assert manager.shutdown_wait_time == notebook.IDLE_SECONDS
    with notebook.claim(tmp_path):
        assert manager.shutdown_wait_time == notebook.STOP_SECONDS
    assert manager.shutdown_wait_time == notebook.IDLE_SECONDS


def test_plain_papermill_refuses_a_parameter_that_does_not_exist(quick, tmp_path):
    command = ["-m", "papermill", "notebooks/03_training.ipynb", tmp_path / "out.ipynb", "--no-progress-bar"]
    command += ["-f", quick, "-p", "epoch", "9", "-p", "runs", tmp_path / "runs"]
    done = subprocess.run([sys.executable, *command], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "papermill passed 'epoch', no parameter here: did you mean 'epochs'?" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_run_in_progress_is_not_trained_by_a_second_process(quick, tmp_path):
    with notebook.claim(tmp_path / "mine"):
        code = f"""
from pathlib import Path
from dcgan_lib.launch.notebook import claim
with claim(Path({str(tmp_path)!r}) / "mine", wait=0.1):
    pass
"""
        done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert re.search(r"FolderTaken: .*mine is being trained by another process: wait for it, or", done.stderr)
    with notebook.claim(tmp_path / "mine", wait=0.1):
        pass


def test_a_run_in_progress_keeps_its_notebook(quick, tmp_path, monkeypatch):
    with notebook.claim(tmp_path / "mine", name=notebook.LAUNCHER), pytest.raises(notebook.FolderTaken):
        notebook.launch(Config.from_file(quick), tmp_path / "mine")
    assert not (tmp_path / "mine/notebook.ipynb").exists()


def test_the_newest_unfinished_run_of_the_same_settings_is_gone_on_with(finished, tmp_path):
    config = Config.from_file(finished[0] / "config.json")
    assert notebook.is_finished(finished[0])
    (tmp_path / "cpu-1").mkdir()
    (tmp_path / "cpu-1/config.json").write_text(json.dumps({"config": config.to_dict()}))
    assert notebook.choose_run(tmp_path, config, "cpu") == "cpu-1"
    assert notebook.choose_run(tmp_path, config.replace(epochs=9), "cpu") != "cpu-1"
    assert notebook.choose_run(tmp_path, config, "gpu").startswith("gpu-2")


@pytest.mark.parametrize("terminal", [True, False])
def test_the_status_is_one_line_in_a_terminal_and_quiet_in_a_log(terminal, monkeypatch):
    written = []

    class Stream:
        def isatty(self):
            return terminal

        def write(self, text):
            written.append(text)

        def flush(self):
            pass

    monkeypatch.setenv("COLUMNS", "40")
    status = notebook.StatusLine(Stream())
    status.write("first line\nsecond line that is much longer than the terminal is wide\n")
    status.write("third\n")
    status.end()
    text = "".join(written)
    assert "\n" not in text
    if terminal:
        assert all(len(piece) <= 39 for piece in text.split("\r"))
        assert "third" in text
    else:
        assert text == ""
