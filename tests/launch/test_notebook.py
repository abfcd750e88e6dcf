"""One run through papermill, without running it: what is passed on, what is refused, what is said."""

import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings

import nbformat
import papermill
import psutil
import pytest
from helpers.records import add_points, write_run
from PIL import Image

from dcgan_lib.__main__ import main
from dcgan_lib.gan import GAN
from dcgan_lib.launch import notebook
from dcgan_lib.launch.folders import LAUNCHER, FolderTaken, claim
from dcgan_lib.records import writing


@pytest.fixture
def executed(monkeypatch, images, tmp_path):
    """Replaces papermill: what it was given, run by run. The settings `tiny.yaml` are where the test works."""
    given = []
    monkeypatch.setattr(papermill, "execute_notebook", lambda *places, **options: given.append((*places, options)))
    monkeypatch.setattr(notebook, "load_images", lambda config: images)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)  # the tests keep their own
    monkeypatch.chdir(tmp_path)
    return given


def test_the_notebook_gets_all_settings_and_the_runs_folder_as_an_absolute_path(executed, tiny, tmp_path, capsys):
    notebook.run_notebook(tiny, "runs/mine", ["two", "words"])
    [(source, target, options)] = executed
    assert source == notebook.find_notebook()
    assert target.as_posix() == "runs/mine/notebook.ipynb"
    of_the_run = {"runs": (tmp_path / "runs").as_posix(), "run_id": "mine", "tags": "two words"}
    assert options["parameters"] == tiny.to_dict() | of_the_run
    assert capsys.readouterr().err == "starting runs/mine\n"


def test_where_there_is_no_notebook_one_line_says_so(executed, tiny, tmp_path, monkeypatch, capsys):
    tiny.save("tiny.yaml")
    monkeypatch.setattr(notebook, "__file__", str(tmp_path / "lib/site-packages/dcgan_lib/launch/notebook.py"))
    assert main(["train", "tiny.yaml"]) == 1
    assert re.fullmatch(r"the notebooks are not here: clone the course, or cd .*\n", capsys.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/03_training.ipynb").touch()
    assert notebook.find_notebook().as_posix() == "notebooks/03_training.ipynb"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "lerning_rate_d", "1e-4"], r"unknown setting 'lerning_rate_d': did you mean 'learning_rate_d'\?"),
        (["--set", "image_size", "48"], r"image_size is 48: choose one of"),
        (["--set", "epochs", "five"], r"epochs is 'five': it must be of type int"),
        (["--set", "data", "["], r"^--set data, line 1, column 2: expected"),
        (["--set", "batch_size", "21"], r"^batch_size is 21, but there are 20 images: lower it"),
        (["--set", "device", "cuda:9"], r"^device is 'cuda:9'"),
        (
            ["--set", "beta1", "0.9"],
            r"^runs/mine is a run of other settings: beta1 was 0.5 and is now 0.9; set it back",
        ),
    ],
)
def test_what_cannot_be_trained_is_told_in_a_line_and_nothing_in_the_folder_changes(
    executed, tiny, tmp_path, capsys, arguments, message
):
    tiny.save("tiny.yaml")
    (tmp_path / "runs/mine").mkdir(parents=True)
    tiny.save("runs/mine/config.json")
    assert main(["train", "tiny.yaml", "--run", "mine", *arguments]) == 1
    err = capsys.readouterr().err
    assert re.search(message, err)
    assert len(err.splitlines()) == 1
    assert [path.name for path in (tmp_path / "runs/mine").iterdir()] == ["config.json"]
    assert executed == []


def test_a_warning_is_one_line(executed, tiny, monkeypatch, capsys):
    tiny.save("tiny.yaml")
    with monkeypatch.context() as patch:
        patch.setattr("warnings.formatwarning", warnings.formatwarning)  # puts back what the command sets
        main(["train", "tiny.yaml", "--run", "a*"])
        assert warnings.formatwarning("20 .heic are not taken", UserWarning, "data.py", 1) == "20 .heic are not taken\n"


def test_a_folder_that_another_process_holds_is_left_alone(executed, tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebook, "claim", lambda folder, name: claim(folder, wait=0.1, name=name))
    tiny.save("tiny.yaml")
    with claim(tmp_path / "runs/mine", name=LAUNCHER):
        assert main(["train", "tiny.yaml", "--run", "mine"]) == notebook.TAKEN
        with pytest.raises(FolderTaken):
            notebook.run_notebook(tiny, "runs/mine")
    assert "runs/mine is being trained by another process" in capsys.readouterr().err
    assert executed == []


def test_a_run_that_is_done_is_summed_up(executed, tiny, tmp_path, capsys):
    tiny.save("tiny.yaml")
    write_run(tmp_path / "runs/mine")
    assert main(["train", "tiny.yaml", "--run", "mine"]) == 0
    out, err = capsys.readouterr()
    assert err == "going on with runs/mine\n"
    for told in ("mine", " 10 ", "110", "finished", "faces  none yet", "dcgan runs runs"):
        assert told in out


def test_a_run_that_lacks_steps_is_summed_up_and_not_done(executed, tiny, images, tmp_path, capsys):
    tiny.save("tiny.yaml")
    with writing.open_run(tiny, tmp_path / "runs/mine", images=images) as run:
        add_points(run, range(15, 25))
        run["training/state"] = "finished"
    assert main(["train", "tiny.yaml", "--run", "mine"]) == 1
    out, err = capsys.readouterr()
    assert "incomplete" in out
    assert err.splitlines()[-1].startswith("runs/mine is not whole: its record lacks steps 1 to 14")


def test_an_error_of_many_lines_is_told_by_its_first(executed, tiny, tmp_path, monkeypatch, capsys):
    def execute(*places, **options):
        said = "CUDA error: out of memory\nCUDA kernel errors might be\nCompile with `TORCH_USE_CUDA_DSA`"
        raise papermill.PapermillExecutionError(29, 17, "fit(gan, images)", "AcceleratorError", said, [])

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    tiny.save("tiny.yaml")
    assert main(["train", "tiny.yaml", "--run", "mine"]) == 1
    _, told, where = capsys.readouterr().err.splitlines()
    assert told == "AcceleratorError: CUDA error: out of memory"
    assert where.startswith("  in cell [17], 'fit(gan, images)'; the notebook with the traceback: ")


@pytest.mark.parametrize("found_by", ["papermill", "the training"])
def test_a_folder_deleted_meanwhile_is_told_in_one_line(executed, tiny, tmp_path, monkeypatch, capsys, found_by):
    def execute(*places, **options):
        if found_by == "papermill":
            shutil.rmtree(tmp_path / "runs/mine")
            raise FileNotFoundError("output folder runs/mine doesn't exist.")
        raise papermill.PapermillExecutionError(29, 17, "with claim(folder):", "FolderGone", "…", [])

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    tiny.save("tiny.yaml")
    assert main(["train", "tiny.yaml", "--run", "mine"]) == 1
    _, told = capsys.readouterr().err.splitlines()
    assert told.startswith("runs/mine was deleted or moved while the run trained")


def test_what_was_saved_is_told_without_torch(tiny, tmp_path):
    assert notebook._saved(tmp_path) == f"and nothing was saved yet in {tmp_path}"
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    assert notebook._saved(tmp_path) == f"and nothing was saved yet in {tmp_path}"
    gan = GAN(tiny)
    gan.step = 1234
    gan.save(tmp_path / "checkpoint.pt")
    code = "import sys\nfrom pathlib import Path\nfrom dcgan_lib.launch.notebook import _saved\n"
    code += "print(_saved(Path(sys.argv[1])), 'torch' in sys.modules)"
    given = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(given, capture_output=True, text=True, check=True)
    assert done.stdout == f"and saved after step 1,234 in {tmp_path} False\n"


BUSY = """
import time
open({path!r}, "w").close()
while True:  # whatever it is told, as a kernel that never ends
    try:
        time.sleep(0.1)
    except KeyboardInterrupt:
        pass
"""


@pytest.mark.skipif(os.name != "posix", reason="stops by signals")
@pytest.mark.parametrize("released_after", [1, None])
def test_a_kernel_has_time_to_save_and_then_little_to_end(tmp_path, monkeypatch, capfd, released_after):
    """A launcher's bound: the kernel here never ends by itself, and saves within the time that it has, or never."""
    monkeypatch.setattr(notebook, "STOP_SECONDS", 4.0)
    monkeypatch.setattr(notebook, "IDLE_SECONDS", 1.0)
    cells = [nbformat.v4.new_code_cell(BUSY.format(path=str(tmp_path / "busy")))]
    kernelspec = {"name": "python3", "display_name": "Python", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec}), tmp_path / "in.ipynb")
    times = {}

    def stop():
        with claim(tmp_path):  # as the kernel would
            for _ in range(600):
                if (tmp_path / "busy").exists() or done.is_set():
                    break
                time.sleep(0.1)
            times["told"] = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)
            done.wait(released_after)

    done = threading.Event()
    thread = threading.Thread(target=stop)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # where it is ignored, for instance by `&`
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            papermill.execute_notebook(
                tmp_path / "in.ipynb",
                tmp_path / "out.ipynb",
                progress_bar=False,
                kernel_manager_class=notebook._kernel_manager(tmp_path),
                extra_arguments=["--log-level=CRITICAL"],
            )
    finally:
        done.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "out.ipynb").exists()
    assert not any("ipykernel_launcher" in child.cmdline() for child in psutil.Process().children())
    gc.collect()  # asyncio tells of errors that nobody asked for when it forgets them
    assert "Traceback" not in capfd.readouterr().err
    took = time.monotonic() - times["told"]
    assert took > (released_after or notebook.STOP_SECONDS)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_status_is_one_line_in_a_terminal_and_quiet_in_a_log(terminal, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    status = notebook.StatusLine()
    status.write("first line\nsecond line that is much longer than the terminal is wide\n")
    status.write("third\n")
    status.write("\n")
    status.bar.close()
    err = capsys.readouterr().err
    assert "\n" not in err
    assert max(map(len, err.split("\r"))) <= 39
    assert ("third" in err) == ("second line" in err) == terminal
    assert err.endswith("\r") or not terminal  # what is printed next begins on a line of its own


@pytest.mark.parametrize("terminal", [True, False])
def test_a_warning_stays_in_a_terminal_and_in_a_log(terminal, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    status = notebook.StatusLine()
    status.write("step 50\n! mode collapse, since step 12\n")
    status.write("step 100\n")
    status.bar.close()
    err = capsys.readouterr().err
    assert "! mode collapse, since step 12\n" in err
    assert ("step 100" in err) == terminal


WITHOUT_TORCH = """
import sys
import papermill
from dcgan_lib.config import Config
from dcgan_lib.launch import notebook
papermill.execute_notebook = lambda *given, **options: print("torch" in sys.modules)
notebook.run_notebook(Config(data="images", image_size=16, batch_size=2), "runs/mine")
"""


def test_the_launcher_prepares_the_images_and_begins_without_torch(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(2):
        Image.new("RGB", (16, 16)).save(tmp_path / f"images/{number}.png")
    given = [sys.executable, "-c", WITHOUT_TORCH]
    done = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert (tmp_path / "data/cache").is_dir()
