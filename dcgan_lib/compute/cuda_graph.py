"""The training step as a CUDA graph: recorded once, then replayed without Python or the host in between."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from dcgan_lib.compute.torchrun import ranks
from dcgan_lib.settings import first_line

WARM_UP = 3  # steps of a kind before the recording: cuDNN chooses its kernels in them, and Adam makes its state


class GraphedStep:
    """A step function (gan, real, z) → scalars, which on a CUDA GPU is replayed as a graph after its first few calls.

    Steps with penalties and steps without them have a graph each. A step of fewer images than the others (an epoch's
    last) is computed as usual, and so is every step on other devices, with `cuda_graphs` off, or where the recording
    fails, or not `wanted`: a replay repeats what Python did at the recording. The next call overwrites what a call
    returned.
    """

    def __init__(self, step: Callable[..., dict[str, Tensor]], gan: object, wanted: bool = True) -> None:
        self.step, self.gan, self.images = step, gan, gan.config.images_per_step // ranks()
        self.calls = {True: 0, False: 0}  # of steps with penalties, and without
        self.graphs: dict[bool, tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]] = {}  # with penalties: graph, outputs
        self.wanted = wanted and gan.device.type == "cuda" and gan.config.cuda_graphs

    def __call__(self, real: Tensor, z: Tensor) -> dict[str, Tensor]:
        if not self.wanted or len(real) != self.images:
            return self.step(self.gan, real, z)
        kind = self.gan.step % self.gan.config.penalty_every == 0
        if kind not in self.graphs:
            self.calls[kind] += 1
            if self.calls[kind] <= WARM_UP:
                return self._aside(real, z)
            done = self.gan.step
            try:
                self.graphs[kind] = self._record(real, z)
            except RuntimeError as error:  # an operation that can't be recorded, or no memory for its buffers
                self.gan.step, self.wanted = done, False
                told = f"training goes on without a CUDA graph, which failed: {first_line(error)}"
                warnings.warn(told, stacklevel=2)
                return self.step(self.gan, real, z)
        graph, outputs = self.graphs[kind]
        self.real.copy_(real)
        self.z.copy_(z)
        graph.replay()
        self.gan.step += 1
        return outputs

    def _aside(self, real: Tensor, z: Tensor) -> dict[str, Tensor]:
        """A plain step on a stream of its own, as a recording asks for before it."""
        stream = torch.cuda.Stream(self.gan.device)
        stream.wait_stream(torch.cuda.current_stream(self.gan.device))
        with torch.cuda.stream(stream):
            outputs = self.step(self.gan, real, z)
        torch.cuda.current_stream(self.gan.device).wait_stream(stream)
        return outputs

    def _record(self, real: Tensor, z: Tensor) -> tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]:
        """Record the step, with what it returns; nothing is computed by that."""
        if not self.graphs:
            self.real, self.z = real.clone(memory_format=torch.preserve_format), z.clone()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.gan.random)
        # On the GAN's own GPU, which need not be the current one; the threads of a loader may pin memory meanwhile.
        place = {"stream": torch.cuda.Stream(self.gan.device), "capture_error_mode": "thread_local"}
        with torch.cuda.device(self.gan.device), torch.cuda.graph(graph, **place):
            outputs = self.step(self.gan, self.real, self.z)
        self.gan.step -= 1  # the recording counted itself
        return graph, outputs
