"""Facts about the real client that this library is built around: an upgrade that changes one is noticed here."""

import base64
import io
import json
import multiprocessing
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dcgan_lib.config import Config
from dcgan_lib.records import writing
from dcgan_lib.records.reading import load_runs
from dcgan_lib.train import Report

QUIET = {"capture_stdout": False, "capture_stderr": False, "capture_hardware_metrics": False}
QUIET |= {"git_ref": False, "source_files": []}


def operations(folder: Path) -> list[dict]:
    """What the processes' records below this folder hold, in order."""
    logs = sorted(folder.rglob("data-*.log"))
    return [json.loads(line)["obj"] for log in logs for line in log.read_text().splitlines()]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A run that the client opened by itself: `run`, its `folder`, and `kept(path)`, what the record has of a field."""
    folder = tmp_path_factory.mktemp("client")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEPTUNE_DATA_DIRECTORY", str(folder / "records"))
        import neptune

        run = neptune.init_run(mode="offline", **QUIET)

    def kept(path: str) -> list[dict]:
        run.wait()
        return [operation for operation in operations(folder / "records") if "/".join(operation["path"]) == path]

    yield SimpleNamespace(run=run, folder=folder, kept=kept)
    run.stop()


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """What the record holds of a run that this library logged."""
    folder = tmp_path_factory.mktemp("ours")
    steps = range(1, 4)
    series = {name: [1.0, float("nan"), 2.0] for name in writing.PATHS}
    due = {"sample_due": True, "checkpoint_due": False, "evaluation_due": False}
    flags = due | {"diverged_at": 2, "interrupted": False}
    with writing.open_run(
        Config(), folder, gan=SimpleNamespace(generator="G" * 20_000, discriminator="D", device="cpu", step=0)
    ) as run:
        writing.log_report(run, Report(3, 3, 1, 1, steps, series, images_per_second=1.0, **flags))
        writing.log_images(run, np.full((4, 4, 3), 1, np.uint8), step=3)
    return operations(folder)


@pytest.mark.filterwarnings("ignore:.*nonstandard float", "ignore:.*non-standard")
def test_nan_and_infinity_are_dropped(client):
    client.run["loss"].extend([1.0, float("nan"), float("inf"), 2.0], steps=[1, 2, 3, 4])
    [logged] = client.kept("loss")
    assert [(point["value"], point["step"]) for point in logged["values"]] == [(1.0, 1), (2.0, 4)]
    client.run["value"] = float("nan")
    assert client.kept("value") == []


def test_so_a_divergence_is_a_field_of_its_own(ours):
    assert {"training/diverged_at": 2, "training/state": "diverged"}.items() <= {
        "/".join(operation["path"]): operation.get("value") for operation in ours
    }.items()


def test_a_point_without_a_step_has_none_in_the_record(client):
    client.run["stepless"].append(1.0)
    assert client.kept("stepless")[0]["values"][0]["step"] is None


def test_so_every_point_is_logged_with_its_step(ours):
    series = [operation for operation in ours if operation["type"] in ("LogFloats", "LogImages")]
    assert len(series) == len(writing.PATHS) + 1
    assert {point["step"] for operation in series for point in operation["values"]} == {1, 3}


def test_an_upload_by_path_keeps_the_path_alone(client):
    file = client.folder / "weights.txt"
    file.write_text("of this run, until another one writes the same file")
    client.run["uploaded"].upload(str(file))
    [upload] = client.kept("uploaded")
    assert (upload["file_path"], upload["tmp_file_name"]) == (str(file), None)
    assert not list(client.folder.glob("records/offline/*/upload_path/*"))


def test_so_texts_are_uploaded_by_content_and_whole(ours):
    uploads = [operation for operation in ours if operation["type"] == "UploadFile"]
    assert len(uploads) == 2
    assert all(upload["tmp_file_name"] and upload["file_path"] is None for upload in uploads)


def read_picture(operation: dict) -> np.ndarray:
    [point] = operation["values"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(point["value"]["data"]))))


def test_pictures_are_channels_last_and_of_no_sign(client):
    from neptune.types import File

    with pytest.raises(ValueError, match="Incorrect size"):
        client.run["chw"].append(File.as_image(np.zeros((3, 8, 8))), step=1)
    client.run["signed"].append(File.as_image(np.full((8, 8, 3), -0.5)), step=1)  # a warning, no more
    client.run["dark"].append(File.as_image(np.full((8, 8, 3), 1, np.uint8)), step=1)
    assert read_picture(*client.kept("signed")).max() == 0, "half of the values are lost"
    assert read_picture(*client.kept("dark")).min() == 255, "taken for a fraction"


def test_so_pictures_are_given_as_what_they_are(ours):
    [logged] = [operation for operation in ours if operation["type"] == "LogImages"]
    assert np.array_equal(read_picture(logged), np.full((4, 4, 3), 1, np.uint8))


def test_the_first_type_of_a_field_wins(client):
    client.run["number"] = 3
    client.run["number"] = 3.5
    assert [operation["value"] for operation in client.kept("number")] == [3, 3]
    with pytest.raises(ValueError, match="invalid literal"):
        client.run["number"] = "three"


@pytest.mark.filterwarnings("ignore:.*not directly supported")
@pytest.mark.parametrize("value", [[1, 2], (1, 2), {1, 2}, None, Path("a"), 2**31])
def test_what_the_client_does_not_know_is_left_out(client, value):
    client.run["unknown"] = value
    assert client.kept("unknown") == []


def test_so_no_setting_is_of_such_a_kind(ours):
    logged = {operation["path"][-1] for operation in ours if operation["path"][:2] == ["config", "hyperparameters"]}
    assert logged == set(Config.names())


def test_long_texts_are_cut(client):
    client.run["text"] = "a" * 20_000
    client.run["texts"].append("a" * 2_000, step=1)
    assert len(client.kept("text")[0]["value"]) == 16_384
    assert len(client.kept("texts")[0]["values"][0]["value"]) == 1_000


def test_nothing_can_be_asked_of_an_offline_run(client):
    from neptune.exceptions import NeptuneOfflineModeFetchException

    client.run["asked"] = 1
    for ask in (client.run["asked"].fetch, client.run.sync):
        with pytest.raises(NeptuneOfflineModeFetchException):
            ask()


def test_the_record_lies_where_the_environment_says_and_names_no_project(client):
    [record] = client.folder.glob("records/offline/run__*")
    about = json.loads((record / "metadata.json").read_text())
    assert about.keys() >= {"mode", "containerId", "createdAt", "neptuneClientVersion"}
    assert "project" not in json.dumps(about).lower()


def test_opening_a_run_draws_from_the_global_random_state(tmp_path, monkeypatch):
    import neptune

    monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", str(tmp_path))
    random.seed(0)
    before = random.getstate()
    neptune.init_run(mode="offline", **QUIET).stop()
    assert random.getstate() != before


def test_an_offline_run_cannot_be_opened_again(monkeypatch, tmp_path):
    import neptune
    from neptune.exceptions import RunNotFound

    monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", str(tmp_path))
    with pytest.raises(RunNotFound):
        neptune.init_run(mode="offline", with_id="RUN-1", **QUIET)


def test_a_stopped_run_takes_nothing_more(tmp_path):
    from neptune.exceptions import InactiveRunException

    run = writing.open_run(Config(), tmp_path)
    run.stop()
    run.stop()
    with pytest.raises(InactiveRunException):
        run["late"] = 1


def test_debug_keeps_nothing(tmp_path, monkeypatch):
    import neptune

    monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", str(tmp_path))
    with neptune.init_run(mode="debug", **QUIET) as run:
        run["loss"].append(1.0, step=1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_by_default_outputs_and_the_script_go_into_the_record_and_ours_keeps_neither(ours, tmp_path, monkeypatch):
    import neptune

    monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", str(tmp_path))
    with neptune.init_run(mode="offline", monitoring_namespace="monitoring", capture_hardware_metrics=False):
        print("a line")
    theirs, own = ({"/".join(each["path"]): each for each in record} for record in (operations(tmp_path), ours))
    assert "monitoring/stdout" in theirs
    assert "monitoring/stdout" not in own
    assert theirs["source_code/files"]["file_globs"] != []
    assert own["source_code/files"]["file_globs"] == []


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no processes are forked here")
@pytest.mark.parametrize("waited", [False, True])
def test_a_forked_worker_writes_again_what_was_not_yet_written_and_the_reader_drops_it(tmp_path, monkeypatch, waited):
    import neptune

    monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", str(tmp_path / ".neptune"))
    with neptune.init_run(mode="offline", **QUIET) as run:
        run["loss"].extend([1.0, 2.0], steps=[1, 2])
        if waited:
            run.wait()
        worker = multiprocessing.get_context("fork").Process(target=int)
        worker.start()
        worker.join()
    points = [operation for operation in operations(tmp_path) if operation["path"] == ["loss"]]
    assert len(points) == (1 if waited else 2)
    [record] = load_runs(tmp_path / ".neptune")
    assert record.series("loss")["value"].tolist() == [1.0, 2.0]
    assert record.problems == []


@pytest.mark.parametrize(
    ("token", "error"), [(None, "NeptuneMissingApiTokenException"), ("nonsense", "NeptuneInvalidApiTokenException")]
)
def test_online_the_client_raises_for_want_of_a_token(monkeypatch, token, error):
    import neptune

    monkeypatch.delenv("NEPTUNE_API_TOKEN", raising=False)
    with pytest.raises(Exception, match=error):
        neptune.init_run(mode="async", project="some/one", api_token=token, **QUIET)
