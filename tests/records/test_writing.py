"""What is logged, under which names, and that logging leaves no trace elsewhere: with the real client, offline."""

import json
import os
import random
import re
import shutil
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.data import ImageSet
from dcgan_lib.gan import GAN
from dcgan_lib.records import writing
from dcgan_lib.records.reading import load_run
from dcgan_lib.train import Report, TrainingDiverged

MARK = "token-that-must-not-be-written-9f3a"
SMALL = Config(image_size=16, generator_width=4, discriminator_width=4, latent_dim=8, device="cpu", flip=True)
ARTICLE_SERIES = {f"training/batch/{name}" for name in ("Dloss", "Gloss", "D_x", "D_G_z1", "D_G_z2")}


def make_images(count: int = 5) -> ImageSet:
    pixels = np.zeros((count, 3, 16, 16), np.uint8)
    return ImageSet(pixels, [], [], np.zeros((count, 0), np.int8), np.zeros(count, np.int8), [], "f1ngerprint", "faces")


def make_report(first: int, last: int, total: int = 100, **changes) -> Report:
    """Steps first to last; at step s the i-th series has the value s + i / 10."""
    steps = range(first, last + 1)
    series = {name: [step + i / 10 for step in steps] for i, name in enumerate(writing.PATHS)}
    place = {"step": last, "total": total, "epoch": 1, "epochs": 1, "steps": steps, "series": series}
    due = {"sample_due": False, "checkpoint_due": False, "evaluation_due": False}
    flags = due | {"diverged_at": None, "interrupted": False}
    return Report(**(place | {"images_per_second": 1.0} | flags | changes))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> SimpleNamespace:
    """A run logged by every function, in a bare working directory, with a marked token in the environment."""
    from neptune.types import File

    cwd, elsewhere = tmp_path_factory.mktemp("cwd"), tmp_path_factory.mktemp("elsewhere")
    gan = GAN(SMALL)
    grid = np.full((20, 30, 3), 1, np.uint8)  # so dark that Neptune would stretch it
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        hostile = {"API_TOKEN": MARK, "PROJECT": "some/one", "MODE": "async", "CUSTOM_RUN_ID": "other"}
        for name, value in hostile.items():
            patch.setenv(f"NEPTUNE_{name}", value)
        environment = dict(os.environ)
        states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
        with writing.open_run(SMALL, "runs/one", gan=gan, images=make_images(), tags=["faces", "first"]) as run:
            assert dict(os.environ) == environment
            patch.chdir(elsewhere)  # as a notebook may do: the record stays where it was begun
            writing.log_report(run, make_report(1, 150, total=200))
            writing.log_images(run, grid, step=150)
            writing.log_images(run, Image.fromarray(grid), step=200, name="images/other")
            writing.log_report(run, make_report(151, 200, total=200))
            run["note"].upload(File.from_content("added later", extension="txt"))
            run.wait()
        writing.write_config(SMALL, cwd / "runs/one", gan.device)
    after = random.getstate(), np.random.get_state()[1], torch.get_rng_state()  # noqa: NPY002
    record = load_run(cwd / "runs/one")
    return SimpleNamespace(cwd=cwd, elsewhere=elsewhere, record=record, gan=gan, states=states, after=after)


def test_settings_and_data_set_are_logged_under_the_articles_names(workplace):
    fields = workplace.record.fields
    logged = {name: fields[f"config/hyperparameters/{name}"] for name in Config.names()}
    assert logged == SMALL.to_dict()
    assert fields["config/dataset/path"] == "faces"
    assert fields["config/dataset/size"] == 5
    assert fields["config/dataset/fingerprint"] == "f1ngerprint"
    assert "16 x 16" in fields["config/dataset/transforms"]
    assert "mirror" in fields["config/dataset/transforms"]
    assert fields["sys/tags"] == {"faces", "first"}
    assert fields["sys/name"] == workplace.record.run_id == "one"
    assert not {"training/resumed_at", "monitoring/stdout", "monitoring/stderr"} & fields.keys()
    assert not {"monitoring/stdout", "monitoring/stderr"} & set(workplace.record.series_names)


def test_architectures_are_texts_in_the_record_itself(workplace):
    for name in ("Generator", "Discriminator"):
        path = f"io_files/artifacts/{name}_arch"
        assert workplace.record.text(path) == str(getattr(workplace.gan, name.lower()))
        assert workplace.record.file(path).is_relative_to(workplace.cwd / "runs/one/neptune")


def test_environment_says_what_the_numbers_depend_on(workplace):
    fields = workplace.record.fields
    expected = {"seed": 999, "torch": torch.__version__, "numpy": np.__version__, "device": "cpu"}
    expected |= {"threads": torch.get_num_threads()}
    assert {name: fields[f"environment/{name}"] for name in expected} == expected
    names = {path.removeprefix("environment/") for path in fields if path.startswith("environment/")}
    assert names - {"git_commit", "git_dirty"} == expected.keys() | {
        *("python", "torchvision", "neptune", "device_name", "platform")
    }


def test_every_step_of_every_series_comes_back(workplace):
    record = workplace.record
    assert set(record.series_names) == set(writing.PATHS.values()) > ARTICLE_SERIES
    for i, path in enumerate(writing.PATHS.values()):
        frame = record.series(path)
        assert frame["step"].tolist() == list(range(1, 201))
        assert frame["value"].tolist() == [step + i / 10 for step in range(1, 201)]
    assert record.state == "finished"
    assert record.problems == []


def test_pictures_come_back_as_they_were(workplace):
    for name, step in (("images/fixed_noise", 150), ("images/other", 200)):
        [(logged_step, picture)] = workplace.record.images(name)
        assert logged_step == step
        assert np.array_equal(np.asarray(picture), np.full((20, 30, 3), 1, np.uint8))


def test_global_random_states_stay_as_they_are(workplace):
    (python, numpy, pytorch), after = workplace.states, workplace.after
    assert python == after[0]
    assert np.array_equal(numpy, after[1])
    assert torch.equal(pytorch, after[2])


def test_nothing_is_written_outside_the_folder_and_the_token_nowhere(workplace):
    assert [path.name for path in workplace.cwd.iterdir()] == ["runs"]
    assert list(workplace.elsewhere.iterdir()) == []
    assert workplace.record.text("note") == "added later"
    assert {path.name for path in (workplace.cwd / "runs/one").iterdir()} == {"neptune", "config.json"}
    files = [path for path in workplace.cwd.rglob("*") if path.is_file()]
    assert len(files) >= 5
    assert not [path for path in files if MARK in str(path) or MARK.encode() in path.read_bytes()]


def test_config_json_holds_the_config_and_the_environment(workplace):
    content = json.loads((workplace.cwd / "runs/one/config.json").read_text())
    assert Config.from_dict(content["config"]) == SMALL
    assert content["environment"]["torch"] == torch.__version__


@pytest.mark.parametrize("name", ["quiet", "a-name-of-more-characters-than-neptune-takes-for-one"])
def test_neptune_prints_nothing(tmp_path, capfd, name):
    writing.open_run(SMALL, tmp_path / name).stop()
    assert capfd.readouterr() == ("", "")


def test_a_value_that_is_not_finite_is_left_out_and_the_divergence_told(tmp_path, capfd):
    with writing.open_run(SMALL, tmp_path / "diverged") as run:
        report = make_report(1, 4, diverged_at=3)
        report.series["loss_d"][2:] = [float("inf"), float("nan")]
        report.series["loss_g"][:] = [float("nan")] * 4
        writing.log_report(run, report)
    assert capfd.readouterr() == ("", "")
    record = load_run(tmp_path / "diverged")
    assert record.series("training/batch/Dloss")["step"].tolist() == [1, 2]
    assert "training/batch/Gloss" not in record.series_names
    assert (record.fields["training/diverged_at"], record.state) == (3, "diverged")


def test_a_second_process_goes_on_with_the_same_run(tmp_path):
    gan = GAN(SMALL)
    with writing.open_run(SMALL, tmp_path / "resumed", gan=gan) as run:
        writing.log_report(run, make_report(1, 30, interrupted=True))
    assert load_run(tmp_path / "resumed").state == "interrupted"
    gan.step = 20  # its checkpoint's
    with writing.open_run(SMALL, tmp_path / "resumed", gan=gan) as run:
        report = make_report(21, 50)
        report.series["loss_d"][:] = [0.0] * 30
        writing.log_report(run, report)
    record = load_run(tmp_path / "resumed")
    assert record.fields["training/resumed_at"] == 20
    assert record.series("training/batch/Gloss")["step"].tolist() == list(range(1, 51))
    assert record.series("training/batch/Dloss")["value"].tolist() == [float(s) for s in range(1, 21)] + [0.0] * 30
    assert record.state == "unfinished"


def test_processes_follow_each_other_as_they_were_written_though_the_clock_goes_back(tmp_path):
    with writing.open_run(Config(), tmp_path) as run:
        run["training/state"] = "interrupted"
    [first] = tmp_path.glob("neptune/*/*/metadata.json")
    about = json.loads(first.read_text())
    first.write_text(json.dumps(about | {"createdAt": "2101-01-01T00:00:00+00:00"}))  # of a clock that was wrong
    with writing.open_run(Config(), tmp_path) as run:
        run["training/state"] = "finished"
    assert load_run(tmp_path).state == "finished"


def test_a_process_that_starts_over_gives_up_what_the_one_before_had_logged(tmp_path):
    for last in (30, 10):  # the first is killed before its first checkpoint
        with writing.open_run(SMALL, tmp_path / "again", gan=GAN(SMALL)) as run:
            writing.log_report(run, make_report(1, last))
    record = load_run(tmp_path / "again")
    assert record.series("training/batch/Gloss")["step"].tolist() == list(range(1, 11))
    assert record.steps == 10


def test_a_finished_run_that_goes_on_is_unfinished_before_its_first_report(tmp_path):
    gan, images = GAN(SMALL), make_images(SMALL.batch_size)
    with writing.open_run(SMALL, tmp_path / "longer", gan=gan, images=images) as run:
        writing.log_report(run, make_report(1, 5, total=5))
    gan.step = 5
    for epochs, state in ((5, "finished"), (6, "unfinished")):
        writing.open_run(SMALL.replace(epochs=epochs), tmp_path / "longer", gan=gan, images=images).stop()
        assert load_run(tmp_path / "longer").state == state


@pytest.mark.parametrize(
    ("error", "changes", "state"),
    [
        (KeyboardInterrupt(), {}, "failed"),  # a second Ctrl-C: nothing was saved
        (KeyboardInterrupt(), {"interrupted": True}, "interrupted"),  # as `fit` raises it, once its report is out
        (TrainingDiverged(), {"diverged_at": 30}, "diverged"),
        (RuntimeError("the disk is full"), {}, "failed"),
    ],
)
def test_however_a_training_ends_the_record_says_how(tmp_path, error, changes, state):
    with pytest.raises(type(error)), writing.open_run(SMALL, tmp_path / "ended") as run:
        writing.log_report(run, make_report(1, 30, **changes))
        raise error
    record = load_run(tmp_path / "ended")
    assert record.state == state
    assert len(record.series("training/batch/Dloss")) == 30
    assert str(error) in "".join(record.series("monitoring/traceback")["value"])


@pytest.mark.parametrize("how", ["deleted", "moved", "half deleted"])
def test_a_folder_that_goes_is_told_at_once_and_nothing_is_put_back(tmp_path, how):
    folder = tmp_path / "gone"
    told = f"^{re.escape(str(folder))} was deleted or moved while the run trained.*: the same command begins again"
    with pytest.raises(writing.FolderGone, match=told), writing.open_run(SMALL, folder) as run:
        writing.log_report(run, make_report(1, 10))
        run.wait()
        if how == "moved":
            folder.rename(tmp_path / "elsewhere")
        elif how == "deleted":
            shutil.rmtree(folder)
        else:
            for file in [path for path in folder.rglob("*") if path.is_file()]:
                file.unlink()
        for write in (
            lambda: writing.log_images(run, np.zeros((4, 4, 3), np.uint8), step=10),
            lambda: writing.log_scores(run, {"swd": 1.0}, step=10),
            run.wait,
        ):
            with pytest.raises(writing.FolderGone):
                write()
        writing.log_report(run, make_report(11, 20))
    assert run.get_state() == "stopped"
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert folder.exists() == (how == "half deleted")
    if how == "moved":
        assert load_run(tmp_path / "elsewhere").steps == 10


@pytest.mark.parametrize("recorded", [0, 8])
def test_a_run_that_goes_on_from_beyond_its_record_is_told_and_never_finished(tmp_path, recorded):
    gan = GAN(SMALL)
    if recorded:
        with writing.open_run(SMALL, tmp_path, gan=gan) as run:
            writing.log_report(run, make_report(1, recorded))
    gan.step = 14
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writing.open_run(SMALL, tmp_path, gan=gan).stop()  # killed before its first report
    assert load_run(tmp_path).lacking == f"its record lacks steps {recorded + 1} to 14: files were taken out of it"
    with pytest.warns(UserWarning, match=rf"goes on after step 14, but its record ends at step {recorded}: the run"):
        run = writing.open_run(SMALL, tmp_path, gan=gan)
    with run:
        writing.log_report(run, make_report(15, 24, total=24))
    record = load_run(tmp_path)
    assert record.state == "incomplete"
    assert record.lacking == f"its record lacks steps {recorded + 1} to 14: files were taken out of it"
    assert record.problems == [record.lacking]


def test_a_large_seed_is_kept(tmp_path):
    writing.open_run(Config(seed=2**40), tmp_path / "seeded").stop()
    fields = load_run(tmp_path / "seeded").fields
    assert fields["config/hyperparameters/seed"] == fields["environment/seed"] == str(2**40)


@pytest.mark.parametrize(("shape", "kind"), [((4, 4, 3), "float32"), ((3, 4, 4), "uint8"), ((4, 4), "uint8")])
def test_a_picture_of_another_kind_is_refused(shape, kind):
    message = f"an array of {kind} of shape {shape}: give uint8, (height, width, 1 or 3)"
    with pytest.raises(ValueError, match=re.escape(message)):
        writing.log_images(None, np.zeros(shape, kind), step=1)


def test_a_grey_picture_is_taken(tmp_path):
    with writing.open_run(SMALL, tmp_path / "grey") as run:
        writing.log_images(run, np.arange(16, dtype=np.uint8).reshape(4, 4, 1), step=1)
    [(_, picture)] = load_run(tmp_path / "grey").images("images/fixed_noise")
    assert np.asarray(picture).ravel().tolist() == list(range(16))


@pytest.mark.parametrize(("hold_out", "size"), [(False, 20), (True, 18)])
def test_the_data_sets_size_is_the_number_of_images_trained_on(tmp_path, hold_out, size):
    writing.open_run(SMALL.replace(hold_out=hold_out), tmp_path / "sized", images=make_images(20)).stop()
    assert load_run(tmp_path / "sized").fields["config/dataset/size"] == size
