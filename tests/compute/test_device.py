"""Memory that is freed stays with the process on glibc, and nothing is asked of any other system."""

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dcgan_lib.compute import device
from dcgan_lib.compute.device import choose_precision, keep_freed_memory, share_of_time

FAULTS = """
import resource
import torch
from dcgan_lib.compute.device import keep_freed_memory

def last_faults():
    for _ in range(12):  # the first few still fill the heap
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(10 * 2**20)  # 40 MB, which glibc by itself takes from the system and gives back each time
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = last_faults()
keep_freed_memory()
keep_freed_memory()
print(given_back, last_faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_a_large_tensor_takes_the_pages_of_the_one_before_it():
    command = [sys.executable, "-c", FAULTS]  # a process of its own: what is set here lasts
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    given_back, kept = map(int, done.stdout.split())
    assert kept < given_back / 10


def test_where_there_is_no_glibc_nothing_is_set(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", lambda _: object())  # as musl, which has no mallopt
        patch.setattr(sys, "platform", "linux")
        keep_freed_memory()
        patch.setattr(ctypes, "CDLL", None)
        for system in ("darwin", "win32"):
            patch.setattr(sys, "platform", system)
            keep_freed_memory()


@pytest.mark.parametrize(
    ("has_it", "share", "chosen"), [(True, 0.6, "bf16"), (True, 1.2, "fp32"), (False, 0.6, "fp32")]
)
def test_auto_takes_bf16_on_a_cpu_that_has_it_where_it_is_quicker(monkeypatch, has_it, share, chosen):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_it)
    monkeypatch.setattr(device, "share_of_time", lambda: share)
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) == chosen
    assert [choose_precision(name, cpu) for name in ("fp32", "bf16")] == ["fp32", "bf16"]


def test_the_measurement_leaves_the_threads_and_the_random_state_as_they_were():
    share_of_time.cache_clear()
    before = torch.get_num_threads(), torch.get_rng_state()
    assert 0.05 < share_of_time() < 50
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
