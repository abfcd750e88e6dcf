"""The feed: on every path the same batches, bit for bit, and threads that end whenever the caller does."""

import threading

import numpy as np
import pytest
import torch

from dcgan_lib.compute import gpu_batches
from dcgan_lib.compute.gpu_batches import BatchLoader
from dcgan_lib.data import epoch_order

CPU = torch.device("cpu")


def resident(images):
    ours = BatchLoader(images, CPU)
    ours.resident = ours._upload(chunk=7)
    return ours


@pytest.fixture
def order():
    """19 of the 20 images in nine batches of two and one of one: more than are gathered ahead."""
    return epoch_order(np.arange(1, 20), 2, seed=1, epoch=0, flip=True)


PATHS = {
    "as asked": lambda images, order: BatchLoader(images, CPU).batches(order),
    "from the device's memory": lambda images, order: resident(images).batches(order),
    "streamed": lambda images, order: BatchLoader(images, CPU)._streamed(order),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("flip", [True, False])
def test_every_path_gives_the_batches_that_the_images_give(images, order, path, flip):
    if not flip:
        order = [(indices, None) for indices, _ in order]
    batches = list(PATHS[path](images, order))
    assert [len(batch) for batch in batches] == [2] * 9 + [1]
    for batch, (indices, mirrored) in zip(batches, order, strict=True):
        assert torch.equal(batch, images.batch(indices, CPU, mirrored))
        assert batch.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("share", [0.5, 0.0])
def test_a_gpu_gets_the_same_batches_from_its_own_memory_and_streamed(images, order, share, monkeypatch):
    monkeypatch.setattr(gpu_batches, "SHARE", share)
    ours = BatchLoader(images, torch.device("cuda"))
    assert (ours.resident is not None) == (share > 0)
    for batch, (indices, flip) in zip(ours.batches(order), order, strict=True):
        torch.testing.assert_close(batch.cpu(), images.batch(indices, CPU, flip))


@pytest.mark.parametrize("path", PATHS)
def test_an_epoch_that_is_over_has_no_batches(images, path):
    assert list(PATHS[path](images, [])) == []


def test_a_loop_that_is_left_early_leaves_no_thread_behind(images, order):
    before = threading.enumerate()
    batches = BatchLoader(images, CPU)._streamed(order)
    next(batches)
    assert len(threading.enumerate()) > len(before)
    batches.close()
    assert threading.enumerate() == before


def test_an_error_in_a_thread_reaches_the_caller_after_the_batches_before_it(images, order):
    before = threading.enumerate()
    order[2] = (np.array([3, 99]), None)
    batches = BatchLoader(images, CPU)._streamed(order)
    assert len([next(batches), next(batches)]) == 2
    with pytest.raises(IndexError, match="99"):
        next(batches)
    assert threading.enumerate() == before
