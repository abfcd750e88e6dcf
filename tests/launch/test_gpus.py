"""How many runs at a time, and on which GPU."""

import threading

import joblib
import pytest

from dcgan_lib.config import Config
from dcgan_lib.launch import gpus
from dcgan_lib.launch.gpus import check_device, default_jobs, gpus_for, one_gpu


@pytest.fixture
def two(monkeypatch, tmp_path):
    """A machine with two GPUs, of which no other process knows."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, GPU-b1")
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))


@pytest.mark.usefixtures("two")
def test_every_gpu_is_held_by_one_run_at_a_time():
    stop = threading.Event()
    with one_gpu("auto", stop) as first:
        with one_gpu("cuda", stop) as second:
            assert [first, second] == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "GPU-b1"}]
            with one_gpu("cpu", stop) as none:
                assert none == {}
            waiting = threading.Thread(target=lambda: one_gpu("auto", stop).__enter__())
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()  # until one is free, or the sweep is stopped
            stop.set()
            waiting.join(60)
            assert not waiting.is_alive()
        stop.clear()
        with one_gpu("auto", stop) as again:
            assert again == {"CUDA_VISIBLE_DEVICES": "GPU-b1"}


@pytest.mark.usefixtures("two")
def test_a_gpu_asked_for_by_its_number_is_held_and_keeps_its_number():
    stop = threading.Event()
    with one_gpu("cuda:0", stop) as numbered, one_gpu("auto", stop) as other:
        assert (numbered, other) == ({}, {"CUDA_VISIBLE_DEVICES": "GPU-b1"})


def test_only_gpus_that_the_environment_leaves_are_used(two, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 7")
    assert (gpus_for("auto"), gpus_for("cuda:1"), gpus_for("cuda:2"), gpus_for("mps")) == (["5", "7"], ["7"], [], [])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert gpus_for("cuda") == ["0", "1"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus_for("auto") == []


@pytest.mark.usefixtures("two")
def test_a_device_that_is_not_here_is_refused_and_a_gpu_that_is_here_not_tried():
    for device in ("auto", "cpu", "cuda", "cuda:1"):
        check_device(device)
    for device in ("cuda:9", "gpu"):
        with pytest.raises(ValueError, match=f"device is '{device}'"):
            check_device(device)


def test_as_many_at_a_time_as_there_are_gpus_or_cores_with_memory(two, monkeypatch):
    runs = [Config()] * 9
    assert default_jobs(runs) == 2
    assert default_jobs(runs[:1]) == 1
    on_cpu = [config.replace(device="cpu") for config in runs]
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    for total, jobs in ((6 * gpus.MEMORY + 1, 6), (99 * gpus.MEMORY, 8)):
        monkeypatch.setattr("psutil.virtual_memory", lambda total=total: type("Memory", (), {"total": total}))
        assert default_jobs(on_cpu) == jobs
