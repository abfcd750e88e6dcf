"""Batches on the device, ready when they are asked for: on every device, though most of this is for a CUDA GPU."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dcgan_lib.images.grid import to_floats

if TYPE_CHECKING:
    from dcgan_lib.data import ImageSet

AHEAD = 8  # batches that are gathered before they are needed
SHARE = 0.5  # of a GPU's free memory that the images may take


class BatchLoader:
    """The images of a set as float batches (n, C, S, S) in [-1, 1] on the device.

    On a CUDA GPU the whole set lies in its memory, as bytes, where that takes no more than half of what is free: a
    batch is then gathered there and the host only says which. A larger set is gathered in pinned memory by threads,
    and copied while the GPU computes. On other devices a batch is made when it is asked for.
    """

    def __init__(self, images: "ImageSet", device: torch.device) -> None:
        self.images, self.device = images, device
        fits = device.type == "cuda" and images.images.nbytes <= SHARE * torch.cuda.mem_get_info(device)[0]
        self.resident = self._upload() if fits else None

    def batches(self, order: list[tuple[np.ndarray, Tensor | None]]) -> Iterator[Tensor]:
        """One batch for each (indices, flip) of an epoch's order."""
        if not order:
            return iter(())
        if self.resident is not None:
            return self._gathered(order)
        if self.device.type == "cuda":
            return self._streamed(order)
        return (self.images.batch(indices, self.device, flip) for indices, flip in order)

    def _upload(self, chunk: int = 4096) -> Tensor:
        """The set on the device: (N, S, S, C), so that a gathered batch has its channels last."""
        pixels = self.images.images
        count, channels, size, _ = pixels.shape
        resident = torch.empty(count, size, size, channels, dtype=torch.uint8, device=self.device)
        for start in range(0, count, chunk):
            part = torch.from_numpy(pixels[start : start + chunk]).to(self.device)
            resident[start : start + chunk] = part.permute(0, 2, 3, 1)
        return resident

    def _gathered(self, order: list[tuple[np.ndarray, Tensor | None]]) -> Iterator[Tensor]:
        """From the device's memory; the whole epoch's order goes there at once."""
        sizes = [len(indices) for indices, _ in order]
        indices = torch.from_numpy(np.concatenate([indices for indices, _ in order])).to(self.device).split(sizes)
        flips = [None] * len(order)
        if order[0][1] is not None:
            flips = torch.cat([flip for _, flip in order]).to(self.device).split(sizes)
        for each, flip in zip(indices, flips, strict=True):
            yield to_floats(self.resident[each].permute(0, 3, 1, 2), flip)

    def _streamed(self, order: list[tuple[np.ndarray, Tensor | None]]) -> Iterator[Tensor]:
        """From the memory map, by two threads that stay a few batches ahead."""
        pixels = torch.from_numpy(self.images.images)

        def gather(indices: np.ndarray) -> Tensor:
            batch = pixels[torch.from_numpy(indices)]
            return batch.pin_memory() if self.device.type == "cuda" else batch  # only pinned memory is copied meanwhile

        def arrived() -> Tensor:
            batch, flip = waiting.popleft()
            pixels = batch.result().to(self.device, non_blocking=True)
            return to_floats(pixels, None if flip is None else flip.to(self.device, non_blocking=True))

        waiting = deque()
        with ThreadPoolExecutor(2) as pool:
            for indices, flip in order:
                waiting.append((pool.submit(gather, indices), flip))
                if len(waiting) == AHEAD:
                    yield arrived()
            while waiting:
                yield arrived()
