"""Sweeps on a real Ray cluster and a real Dask cluster of this machine, their launchers replaced by a script."""

import json
import os
import signal
import sys
import threading
import time

import pytest
from helpers.trainings import quick_settings

import dcgan_lib
from dcgan_lib.__main__ import main
from dcgan_lib.launch import cluster, lease, sweep
from dcgan_lib.launch.sweep_file import SweepRun
from dcgan_lib.records.reading import load_run

#: What stands in for `python -m dcgan_lib train`, found first in the folder that the runs work in: it notes when it ran
#: and what it could see, and ends once its input closes, or after `seconds`.
LAUNCHER = """
import json, os, select, sys, time
folder = os.path.join(*(sys.argv[sys.argv.index(option) + 1] for option in ("--runs", "--run")))
began = time.time()
open(os.path.join(folder, "began"), "w").close()
stopped = bool(select.select([0], [], [], {seconds})[0])
seen = {{name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}}
json.dump(seen | {{"began": began, "ended": time.time()}}, open(os.path.join(folder, "seen"), "w"))
sys.exit(130 if stopped else 0)
"""


@pytest.fixture(scope="module")
def ray_cluster():
    """A Ray cluster of this machine that says it has two GPUs; the address."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    running = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "num_gpus": 2, "include_dashboard": False})
    yield running.address
    running.shutdown()


@pytest.fixture(scope="module")
def dask_cluster():
    """A Dask cluster of two processes that say they have a GPU each, and two threads; the address."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 2, "resources": {"GPU": 1}, "dashboard_address": None}
    with distributed.LocalCluster(**options) as running:
        yield running.scheduler_address


@pytest.fixture(params=["ray", "dask"])
def engine(request):
    """Backend and address, as `run_sweep` takes them."""
    return {"backend": request.param, "address": request.getfixturevalue(f"{request.param}_cluster")}


@pytest.fixture
def runs(tiny, tmp_path, monkeypatch):
    """Five runs for GPUs, and the folder they work in, which has the stand-in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "_prepare", lambda left, folders, here: {run.name: 12 for run in left})
    launcher(tmp_path, 1)
    return [SweepRun(f"seed-{seed}", tiny.replace(seed=seed, device="auto"), "seed") for seed in range(1, 6)]


def launcher(project, seconds):
    (project / "dcgan_lib").mkdir(exist_ok=True)
    (project / "dcgan_lib/__init__.py").write_text(f"__path__.append({dcgan_lib.__path__[0]!r})")  # all but __main__
    (project / "dcgan_lib/__main__.py").write_text(LAUNCHER.format(seconds=seconds))


def test_every_run_is_trained_with_a_gpu_of_its_own(runs, tmp_path, engine, capfd):
    outcomes = sweep.run_sweep(runs, "runs", **engine)
    assert {name: outcome.state for name, outcome in outcomes.items()} == {run.name: "finished" for run in runs}
    seen = [json.loads((tmp_path / "runs" / run.name / "seen").read_text()) for run in runs]
    for each in seen:
        together = [other for other in seen if other["began"] < each["began"] < other["ended"]]
        assert len(together) < 2  # there are two GPUs, and more cores
        if engine["backend"] == "ray":  # which says which; on Dask the runs look for a free one themselves
            assert each["CUDA_VISIBLE_DEVICES"] in ("0", "1")
            assert each["CUDA_VISIBLE_DEVICES"] not in [other["CUDA_VISIBLE_DEVICES"] for other in together]
        assert each["OMP_NUM_THREADS"]
    out = capfd.readouterr().out
    assert f"5 runs in runs, 0 finished already; as many at a time as there is room for on {out_name(engine)}, 2" in out
    assert not list((tmp_path / "runs").glob(".sweep-*"))


def out_name(engine):
    return engine["backend"].title()


def test_as_many_run_at_a_time_as_are_asked_for(runs, tmp_path, engine):
    sweep.run_sweep(runs[:3], "runs", jobs=1, **engine)
    times = sorted(
        json.loads(path.read_text())[at] for path in tmp_path.glob("runs/*/seen") for at in ("began", "ended")
    )
    seen = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/seen")]
    assert times == [each[at] for each in sorted(seen, key=lambda e: e["began"]) for at in ("began", "ended")]


def test_ctrl_c_reaches_the_runs_and_nothing_more_begins(runs, tmp_path, engine):
    launcher(tmp_path, 60)

    def interrupt():
        while len(list(tmp_path.glob("runs/*/began"))) < 2:
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt, match="what was running is saved; the same command goes on from there"):
        sweep.run_sweep(runs, "runs", **engine)
    assert len(list(tmp_path.glob("runs/*/began"))) == 2
    for path in tmp_path.glob("runs/*/seen"):
        seen = json.loads(path.read_text())
        assert seen["ended"] - seen["began"] < 30
    assert not list((tmp_path / "runs").glob(".sweep-*"))


def test_a_real_training_runs_on_the_cluster(tmp_path, engine):
    settings = quick_settings(tmp_path, epochs=1)
    (tmp_path / "one.yaml").write_text(json.dumps({"base": settings.name, "runs": {"real": {"device": "cpu"}}}))
    given = ["--backend", engine["backend"], "--address", engine["address"]]
    assert main(["sweep", str(tmp_path / "one.yaml"), "--runs", str(tmp_path / "runs"), *given]) == 0
    record = load_run(tmp_path / "runs/one-real")
    assert (record.state, record.steps) == ("finished", 3)


def test_a_sweep_that_is_not_heard_of_is_not_wanted(tmp_path):
    going_on = tmp_path / ".sweep-1a2b"
    with lease.beating(going_on):
        assert cluster._wanted(going_on)
        os.utime(going_on, (0, time.time() - lease.DEAD - 1))
        assert not cluster._wanted(going_on)
    assert not cluster._wanted(going_on)


@pytest.mark.parametrize("backend", ["ray", "dask"])
def test_a_missing_package_is_told_in_one_line(tmp_path, monkeypatch, capsys, backend):
    monkeypatch.setitem(sys.modules, {"ray": "ray", "dask": "distributed"}[backend], None)
    settings = quick_settings(tmp_path)
    (tmp_path / "one.yaml").write_text(json.dumps({"base": settings.name, "grid": {"seed": [1]}}))
    given = ["sweep", str(tmp_path / "one.yaml"), "--runs", str(tmp_path / "runs")]
    assert main([*given, "--backend", backend]) == 1
    assert main([*given, "--address", "tcp://10.0.0.1:8786"]) == 1
    missing, of_what = capsys.readouterr().err.splitlines()[-2:]
    assert missing == f"--backend {backend} needs packages: pip install -r requirements-cluster.txt"
    assert of_what == "--address is tcp://10.0.0.1:8786: say of what, --backend ray or dask"


@pytest.mark.parametrize(
    ("backend", "address"), [("ray", "127.0.0.1:9"), ("ray", "ray://127.0.0.1:9"), ("dask", "tcp://127.0.0.1:9")]
)
def test_where_no_cluster_answers_one_line_says_so(runs, backend, address):
    pytest.importorskip("ray")
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(OSError, match=rf"^no {backend.title()} cluster at {address}: .+$"),
    ):
        sweep.run_sweep(runs, "runs", backend=backend, address=address)
