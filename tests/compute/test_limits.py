"""A container's memory and cores count, not its host's."""

import joblib
import psutil
import pytest
import torch

from dcgan_lib.compute import limits

HOST = psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"memory.max": 1 << 20}, 1 << 20),  # in a container of its own namespace
        ("0::/a/b\n", {"a/memory.max": 5000, "a/b/memory.max": "max"}, 5000),  # the parent's counts
        ("0::/a/b\n", {"a/memory.max": 5000, "a/b/memory.max": 3000}, 3000),
        ("9:cpu,memory:/docker/x\n1:name=systemd:/\n", {"memory/docker/x/memory.limit_in_bytes": 7000}, 7000),
        ("9:memory:/\n", {"memory/memory.limit_in_bytes": 1 << 63}, HOST),  # version 1's way to say none
        ("0::/gone\n", {}, HOST),
        ("", {}, HOST),
    ],
)
def test_memory_is_the_smallest_limit_up_the_hierarchy(tmp_path, own, files, expected):
    (tmp_path / "own").write_text(own)
    for name, value in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(f"{value}\n")
    assert limits.memory_bytes(tmp_path / "cgroup", tmp_path / "own") == expected


def test_without_control_groups_it_is_the_machines(tmp_path):
    assert limits.memory_bytes(tmp_path / "none", tmp_path / "none") == HOST


@pytest.mark.parametrize(("cores", "told", "threads"), [(2, None, 2), (8, None, 4), (2, "3", 4)])
def test_torch_computes_with_the_containers_cores(monkeypatch, cores, told, threads):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    try:
        torch.set_num_threads(4)
        limits.share_cores()
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
