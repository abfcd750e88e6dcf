"""What reaches a server, and that a server which is wrong in any way costs one line and a bounded time."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from server import closed_address, make_token, serve

from dcgan_lib import connection, tracking
from dcgan_lib.config import Config
from dcgan_lib.connection import Mirror, NotConnected
from dcgan_lib.runs import load_run

PROJECT = Path(__file__).parents[1]
SECRET = "secret-that-must-not-be-told-7c1e"

# The client's own queue and sender, in front of a server that is a file: each operation that arrives is a line.
RECEIVER = """
import json, os, threading
from pathlib import Path

import neptune.metadata_containers.metadata_container as container
from neptune.internal.backends.neptune_backend_mock import NeptuneBackendMock


class Receiver(NeptuneBackendMock):
    def create_run(self, project_id, **about):
        with Path(os.environ["RECEIVED"]).open("a") as lines:
            lines.write(json.dumps({"path": ["id"], "value": about["custom_run_id"]}) + "\\n")
        return super().create_run(project_id, **about)

    def execute_operations(self, container_id, container_type, operations, operation_storage):
        if os.environ["RECEIVER"] == "vanishes":
            threading.Event().wait()
        if os.environ["RECEIVER"] == "breaks":
            raise OSError
        with Path(os.environ["RECEIVED"]).open("a") as lines:
            for operation in operations:
                content = operation.to_dict()
                if content["type"] == "UploadFile":
                    content["text"] = Path(operation.get_absolute_path(operation_storage)).read_text()
                    operation.clean(operation_storage)  # as the client's own way to a server does
                lines.write(json.dumps(content) + "\\n")
        return len(operations), []


def get_backend(**options):
    print("what the client says")
    return Receiver()


container.get_backend = get_backend
"""


# A training whose record is one operation, and a second one if it is let end by itself.
TRAINING = """
import json, sys, threading
from pathlib import Path
from dcgan_lib.connection import Mirror

def log(version):
    obj = {"type": "AssignInt", "path": ["number"], "value": version}
    with Path(sys.argv[1], "data-1.log").open("a") as lines:
        lines.write(json.dumps({"obj": obj, "version": version}) + "\\n")

log(1)
mirror = Mirror(Path(sys.argv[1]))
try:
    print("ready", flush=True)
    threading.Event().wait()
finally:
    log(2)
"""


@pytest.fixture(autouse=True)
def no_account(monkeypatch):
    for name in [name for name in os.environ if name.startswith("NEPTUNE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NEPTUNE_PROJECT", "some/one")


@pytest.fixture
def point_to(monkeypatch):
    """A function that makes an address the token's."""
    return lambda address: monkeypatch.setenv("NEPTUNE_API_TOKEN", make_token(address, api_key=SECRET))


@pytest.fixture
def receiver(monkeypatch, tmp_path, point_to):
    """A server that takes a record: gives the file of what it has got."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(RECEIVER)
    for name, value in {
        "PYTHONPATH": tmp_path / "site",
        "RECEIVER": "takes",
        "RECEIVED": tmp_path / "received",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with serve("right") as server:
        point_to(server.address)
        yield tmp_path / "received"
    assert list((tmp_path / "temporary").iterdir()) == [], "nothing is left behind"


@pytest.fixture
def record(tmp_path):
    """The folder of a run's only process, without operations."""
    folder = tmp_path / "runs/one/neptune/offline/run__1__2__abc"
    folder.mkdir(parents=True)
    about = {"containerId": "the-first-process", "createdAt": "2026-11-22T01:00:00+00:00"}
    (folder / "metadata.json").write_text(json.dumps(about))
    return folder


def operations(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (404, "answered 404"),
        (410, "answered 410"),
        (503, "answered 503"),
        ("web page", "answered with something else than Neptune's interface"),
        ("hangs up", "could not be used: RemoteDisconnected"),
        ("redirects", "could not be used: TooManyRedirects"),
        ("endless", "sent an answer without end"),
    ],
)
def test_a_wrong_answer_is_told_in_one_line(record, point_to, behaviour, told):
    with serve(behaviour) as server:
        point_to(server.address)
        with pytest.raises(NotConnected) as error:
            Mirror(record)
    assert str(error.value) == f"{server.address} {told}"


@pytest.mark.parametrize("behaviour", ["silent", "trickles"])
def test_a_server_that_does_not_come_to_an_end_is_given_up_in_time(record, point_to, behaviour, monkeypatch):
    monkeypatch.setattr(connection, "CHECK_SECONDS", 0.7)
    with serve(behaviour) as server:
        point_to(server.address)
        with pytest.raises(NotConnected, match=r"did not answer within 0\.7 s"):
            Mirror(record)


def test_a_client_that_hangs_after_the_check_is_given_up_in_time(record, point_to, monkeypatch):
    monkeypatch.setattr(connection, "START_SECONDS", 0.7)
    with serve("silent later") as server:
        point_to(server.address)
        with pytest.raises(NotConnected, match=r"began no run within 0\.7 s"):
            Mirror(record)


def test_what_the_client_raises_after_the_check_is_told_in_one_line(record, point_to):
    with serve("right") as server:  # whose interface has nothing of what the client needs
        point_to(server.address)
        with pytest.raises(NotConnected) as error:
            Mirror(record)
        assert str(error.value) == f"{server.address} could not be used: AttributeError"


def test_nothing_that_listens_no_host_and_no_tls_are_told_in_the_systems_words(record, point_to):
    with serve("right") as server:
        rows = {
            closed_address(): "Connection refused",
            "https://nowhere.invalid": "[Nn]ame|[Tt]emporary|nodename",
            server.address.replace("http:", "https:"): "SSL",
        }
        for address, told in rows.items():
            point_to(address)
            with pytest.raises(NotConnected, match=f"^{address} could not be used: .*({told})") as error:
                Mirror(record)
            assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("API_TOKEN", "", "no token: set NEPTUNE_API_TOKEN"),
        ("API_TOKEN", "ANONYMOUS", "the token ANONYMOUS belonged to"),
        ("API_TOKEN", SECRET, "NEPTUNE_API_TOKEN is damaged"),
        ("API_TOKEN", make_token(3), "NEPTUNE_API_TOKEN is damaged"),
        ("API_TOKEN", make_token(""), "NEPTUNE_API_TOKEN is damaged"),
        ("API_TOKEN", make_token("http://[::1"), "NEPTUNE_API_TOKEN is damaged"),
        ("API_TOKEN", make_token("http://here:no-port"), "NEPTUNE_API_TOKEN is damaged"),
        ("PROJECT", "", "no project: set NEPTUNE_PROJECT"),
    ],
)
def test_what_the_environment_lacks_is_told_before_anything_is_asked(monkeypatch, point_to, variable, value, told):
    point_to("http://here:1")
    monkeypatch.setenv(f"NEPTUNE_{variable}", value)
    with pytest.raises(NotConnected, match=told) as error:
        connection.server_address()
    assert SECRET not in str(error.value)


def test_the_address_is_the_one_that_the_client_asks_and_is_told_without_secrets(monkeypatch):
    token = make_token("http://one.example", api_url=f"http://me:{SECRET}@two.example:8080/?key={SECRET}")
    monkeypatch.setenv("NEPTUNE_API_TOKEN", f" {token}\n")
    assert connection.server_address().endswith(SECRET)
    assert connection.shown_address(connection.server_address()) == "http://two.example:8080"
    monkeypatch.setenv("NEPTUNE_API_TOKEN", make_token("three.example"))
    assert connection.server_address() == "https://three.example"


def test_a_process_that_cannot_be_started_is_told_too(tmp_path, record, point_to, monkeypatch):
    point_to("http://here:1")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(NotConnected, match="could not be started: No such file"):
        Mirror(record)


def test_the_server_gets_what_the_record_gets(tmp_path, receiver, capfd):
    from neptune.types import File

    folder = tmp_path / "runs/one"
    with tracking.open_run(Config(), folder, mode="async", tags=["first"]) as run:
        run["series"].extend([1.5, 2.5], steps=[3, 4])
        run["note"].upload(File.from_content("hello", extension="txt"))
        tracking.log_images(run, np.zeros((4, 4, 3), np.uint8), step=1, name="picture")
        run.wait()
        for _ in range(600):  # it arrives while the run goes on
            if receiver.exists() and '"picture"' in receiver.read_text():
                break
            time.sleep(0.05)
        assert '"picture"' in receiver.read_text()
        run["later"] = "yes"
    assert capfd.readouterr() == ("", "")

    assert [each.name for each in (folder / "neptune").iterdir()] == ["offline"], "nothing of the sender's"
    [log] = folder.glob("neptune/offline/*/data-1.log")
    kept = [entry["obj"] for entry in operations(log)]
    received = operations(receiver)[-len(kept) :]
    uuid = json.loads((log.parent / "metadata.json").read_text())["containerId"]
    assert operations(receiver)[0]["value"] == uuid, "a folder's name may be another run's too"
    for ours, theirs in zip(kept, received, strict=True):
        if ours["type"] == "UploadFile":
            assert (theirs["path"], theirs["text"]) == (ours["path"], "hello")
        else:
            assert theirs == ours
    record = load_run(folder)
    assert (record.text("note"), record.fields["later"], record.problems) == ("hello", "yes", [])


@pytest.mark.parametrize(
    ("behaviour", "seconds", "told"),
    [("vanishes", 0.7, "did not take all within 0.7 s"), ("breaks", 30.0, "stopped taking this run's record")],
)
def test_a_server_lost_in_a_training_costs_a_line_at_its_end(
    tmp_path, receiver, monkeypatch, capfd, behaviour, seconds, told
):
    monkeypatch.setattr(connection, "STOP_SECONDS", seconds)
    monkeypatch.setenv("RECEIVER", behaviour)
    with tracking.open_run(Config(), tmp_path / "one", mode="async") as run:
        run["series"].extend([1.5], steps=[3])
        run["training/state"] = "finished"
    out, err = capfd.readouterr()
    [line] = err.splitlines()
    assert out == ""
    assert told in line
    assert line.endswith(f"the whole record is in {tmp_path / 'one/neptune'}")
    assert load_run(tmp_path / "one").state == "finished"
    run.stop()  # a second time does nothing, as the client's


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no signals to groups of processes here")
@pytest.mark.parametrize(("number", "expected"), [("SIGINT", [1, 2]), ("SIGKILL", [1])])
def test_ctrl_c_or_a_kill_ends_the_sender_too_once_all_is_sent(record, receiver, number, expected):
    command = [sys.executable, "-c", TRAINING, record]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=PROJECT, start_new_session=True, **pipes) as training:
        assert training.stdout.readline() == "ready\n"
        [sender] = psutil.Process(training.pid).children()
        os.killpg(training.pid, getattr(signal, number))  # as a terminal and Jupyter do
    assert psutil.wait_procs([sender], timeout=60)[1] == []
    assert [each["value"] for each in operations(receiver) if each["path"] == ["number"]] == expected


def test_an_operation_written_twice_or_not_wholly_is_sent_once_or_not_at_all(tmp_path):
    lines = [json.dumps({"obj": {"n": n}, "version": n}) for n in (1, 2, 1, 2, 3)]
    (tmp_path / "data-1.log").write_text("\n".join(lines) + '\n{"obj": {"n": 4}, "ver')
    (tmp_path / "data-10.log").write_text(json.dumps({"obj": {"n": 10}, "version": 10}) + "\n")
    (tmp_path / "data-9.log").write_text(json.dumps({"obj": {"n": 9}, "version": 9}) + "\n")
    ended = threading.Event()
    ended.set()
    assert [operation["n"] for operation in connection.follow(tmp_path, ended)] == [1, 2, 3, 9, 10]
