"""How many runs at a time, and on which GPU."""

import threading

import joblib
import pytest

from dcgan_lib.config import Config
from dcgan_lib.launch import gpus
from dcgan_lib.launch.gpus import check_device, default_jobs, gpus_for, one_gpu


@pytest.fixture(autouse=True)
def two(monkeypatch, tmp_path):
    """A machine with two GPUs, of which no other process knows."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-b1")
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))


def test_every_gpu_is_held_by_one_run_at_a_time():
    stop = threading.Event()
    with one_gpu("auto", stop) as first:
        with one_gpu("cuda", stop) as second, one_gpu("cpu", stop) as none:
            assert [first, second, none] == [{"CUDA_VISIBLE_DEVICES": "5"}, {"CUDA_VISIBLE_DEVICES": "GPU-b1"}, {}]
            waiting = threading.Thread(target=lambda: one_gpu("auto", stop).__enter__())
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()  # until one is free, or the sweep is stopped
            stop.set()
            waiting.join(60)
            assert not waiting.is_alive()
        stop.clear()
        with one_gpu("cuda:1", stop) as numbered:  # it keeps its number
            assert numbered == {}
            assert gpus_for("cuda:1") == ["GPU-b1"]


def test_only_gpus_that_the_environment_leaves_are_used(monkeypatch):
    assert (gpus_for("auto"), gpus_for("cuda:2"), gpus_for("mps"), gpus_for("cpu")) == (["5", "GPU-b1"], [], [], [])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert gpus_for("cuda") == ["0", "1"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus_for("auto") == []


def test_a_device_that_is_not_here_is_refused_and_a_gpu_that_is_here_not_tried():
    for device in ("auto", "cpu", "cuda", "cuda:1"):
        check_device(device)
    with pytest.raises(ValueError, match="device is 'cuda:9'"):
        check_device("cuda:9")


def test_as_many_at_a_time_as_there_are_gpus_or_cores_with_memory(monkeypatch):
    runs = [Config()] * 9
    assert [default_jobs(runs), default_jobs(runs[:1])] == [2, 1]
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    for memory, jobs in ((6.1, 6), (99, 8)):
        total = int(memory * gpus.MEMORY)
        monkeypatch.setattr("psutil.virtual_memory", lambda total=total: type("Memory", (), {"total": total}))
        assert default_jobs([config.replace(device="cpu") for config in runs]) == jobs


def test_more_ranks_than_gpus_are_refused_before_anything_starts(monkeypatch):
    told = {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": "3", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "3"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    check_device("cpu")
    with pytest.raises(ValueError, match=r"^3 ranks were started on a machine with 2 GPUs: start 2, or set"):
        check_device("auto")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    check_device("auto")
