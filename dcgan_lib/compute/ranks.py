"""Several processes that train one GAN: each computes its share of every batch, and gradients are averaged.

`fit` asks for all of it; in a process by itself it does nothing.
"""

import contextlib
import io
import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from dcgan_lib.compute.torchrun import RankLost, check_ranks, rank, ranks
from dcgan_lib.images.chance import Stream

if TYPE_CHECKING:
    from dcgan_lib.data import ImageSet

PATIENCE = 20.0  # seconds that a rank waits for the others in a step; or ten times as long as the step before took
FIRST = 300.0  # the same in a first step, when a GPU's libraries are loaded, and for what GPUs tell each other
LOOK = 2.0  # seconds from one look at the others to the next

Order = list[tuple[np.ndarray, Tensor | None]]  # `data.epoch_order`'s


class Alone:
    """A process by itself: it has every image, and nobody to wait for."""

    count = 1

    def share(self, order: Order) -> Order:
        """This rank's part of an epoch's batches."""
        return order

    def goes_on(self) -> bool:
        """Wait for what the first rank does between two steps; whether it goes on training."""
        return True

    def any(self, asked: bool) -> bool:
        """Whether one of the ranks is asked to stop."""
        return asked

    def mean(self, numbers: Tensor) -> Tensor:
        """The numbers of a few steps, averaged over the ranks; waits for the device."""
        return numbers


class Ranks(Alone):
    """One of several processes, which `join` has made a group.

    All that a rank waits for has an end: one that dies is noticed at once, one that hangs after `PATIENCE`.
    """

    def __init__(self, store: dist.Store, d_updates: int, random: Stream) -> None:
        self.store, self.rank, self.count = store, rank(), ranks()
        self.d_updates, self.random = d_updates, random
        self.reports = 0
        self.began, self.took = time.monotonic(), 0.0  # the step that goes on, and how long the one before took
        self.left = threading.Event()
        if self.rank == 0:
            store.set("beat", "")
        threading.Thread(target=self._watch, daemon=True).start()

    def share(self, order: Order) -> Order:
        """Every so-many-th image of each batch; an epoch's last takes some twice, so that all ranks have as many."""
        unit = self.count * self.d_updates
        mine = []
        for indices, flip in order:
            whole = -(-len(indices) // unit) * unit  # rounded up
            places = np.resize(np.arange(len(indices)), whole)[self.rank :: self.count]
            mine.append((indices[places], None if flip is None else flip[places]))
        return mine

    def average(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Put the mean of all ranks' gradients in the place of this one's: an optimiser's hook before its step."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        if flat.is_cuda:
            dist.all_reduce(flat)  # in the GPU's own time; a CUDA graph records it with the step
        else:
            self._sum(flat)
        parts = flat.div_(self.count).split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [part.view(g.shape) for part, g in zip(parts, gradients, strict=True)])

    def any(self, asked: bool) -> bool:
        flag = torch.tensor(int(asked))
        self._sum(flag)
        self.took, self.began = time.monotonic() - self.began, time.monotonic()
        return bool(flag)

    def mean(self, numbers: Tensor) -> Tensor:
        numbers = numbers.cpu()
        self._sum(numbers)
        return numbers / self.count

    def goes_on(self) -> bool:
        """The first rank hands on the state of its noise as well, since what it did may have drawn from it."""
        self.reports += 1
        key = f"report {self.reports}"
        if self.rank == 0:
            self.store.set(key, self.random.get_state().numpy().tobytes())
        else:
            beat, heard = b"", time.monotonic()
            while not _came(self.store, key):
                if (now := self.store.get("beat")) != beat:
                    beat, heard = now, time.monotonic()
                if time.monotonic() - heard > PATIENCE:
                    raise self._lost()
            state = self.store.get(key)
            if not state:
                return False
            self.random.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
        self.began = time.monotonic()
        return True

    def leave(self) -> None:
        """Let go of the others, whatever the reason."""
        with contextlib.suppress(RuntimeError):  # the store is gone, with the machine of the first rank
            if self.rank == 0:
                self.store.set(f"report {self.reports + 1}", b"")
        dist.destroy_process_group()
        self.left.set()

    def _sum(self, numbers: Tensor) -> None:
        """Put the sum of all ranks' numbers in the place of this one's; `RankLost` where a rank keeps it waiting."""
        options = dist.AllreduceOptions()  # `dist.all_reduce` takes no time limit
        options.timeout = timedelta(seconds=max(PATIENCE, 10 * self.took) if self.took else FIRST)
        try:
            dist.group.WORLD.allreduce([numbers], options).wait()
        except RuntimeError as error:
            raise self._lost() from error

    def _lost(self) -> RankLost:
        """The error that names who doesn't answer; of those who notice, the first has its text."""
        try:
            self.store.set(f"here {self.rank}", "")
            self.store.set("lost", "")
            time.sleep(LOOK)  # until the others have noticed
            here = [each for each in range(self.count) if self.store.check([f"here {each}"])]
        except RuntimeError:
            return RankLost("the machine of rank 0 can't be reached")
        if self.rank != here[0]:
            return RankLost()
        missing = [str(each) for each in range(self.count) if each not in here]
        what = f"rank {', '.join(missing)} has ended or doesn't answer" if missing else "the ranks lost touch"
        return RankLost(f"{what}: the same command goes on from the last checkpoint")

    def _watch(self) -> None:
        """Show that this process lives; and end it where the others have given it up and it still hangs."""
        with contextlib.suppress(RuntimeError):  # no store any more
            while not self.left.wait(LOOK):
                if self.rank == 0:
                    self.store.set("beat", str(time.monotonic()))
                if self.store.check(["lost"]) and not self.left.wait(3 * LOOK):
                    os._exit(1)


def connect() -> dist.Store:
    """The store that torchrun keeps, where ranks leave each other word; without what they left before a restart."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return dist.PrefixStore(f"dcgan {attempt}", dist.TCPStore(address, port, is_master=False))


def wait_for(store: dist.Store, *keys: str) -> None:
    """Wait for words in the store, however long: torchrun ends all where a rank fails that should have left one."""
    while not _came(store, *keys):
        pass


def _came(store: dist.Store, *keys: str) -> bool:
    """Whether words came to the store within `LOOK` seconds; its own `wait` prints lines, and hears no signal."""
    until = time.monotonic() + LOOK
    while not (came := store.check(list(keys))) and time.monotonic() < until:
        time.sleep(0.005)
    return came


@contextlib.contextmanager
def join(gan: Any, images: "ImageSet") -> Iterator[Alone]:
    """Train this GAN together with the processes that torchrun has started; all begin with what the first one has.

    Waits until all are here. Until it ends, both optimisers take the mean of the ranks' gradients, and each rank its
    share of what is drawn. Raises `ValueError` where ranks can't share a batch, or have other settings or images than
    the first; what a rank waits for raises `RankLost`.
    """
    if ranks() == 1:
        yield Alone()
        return
    check_ranks(gan.config)
    if gan.device.type not in ("cpu", "cuda"):
        raise ValueError(f"device is {gan.device.type!r}: several ranks train on CUDA GPUs or on the CPU")
    store = connect()
    store = dist.PrefixStore(f"fit {store.add(f'fits of {rank()}', 1)}", store)  # an earlier one left words as well
    _compare(store, gan, images)
    backend, place = "gloo", {}
    if gan.device.type == "cuda":
        backend, place = "cpu:gloo,cuda:nccl", {"device_id": gan.device}
    group = {"store": dist.PrefixStore("group", store), "rank": rank(), "world_size": ranks()}
    dist.init_process_group(backend, timeout=timedelta(seconds=FIRST), **group, **place)
    member, hooks = Ranks(store, gan.config.d_updates, gan.random), []
    try:
        _follow_the_first(gan)
        gan.random.place = rank(), ranks()
        hooks = [each.register_step_pre_hook(member.average) for each in (gan.optimizer_d, gan.optimizer_g)]
        yield member
    finally:
        for hook in hooks:
            hook.remove()
        gan.random.place = Stream.place
        member.leave()


def _compare(store: dist.Store, gan: Any, images: "ImageSet") -> None:
    """Wait until all ranks are here; where one has other settings or images, `ValueError` on rank 0 tells of it."""
    about = gan.config.to_dict() | {"device": gan.device.type, "the images": images.fingerprint[:12]}
    store.set(f"about {rank()}", json.dumps(about))
    wait_for(store, *(f"about {each}" for each in range(ranks())))
    first, *others = (json.loads(store.get(f"about {each}")) for each in range(ranks()))
    for number, other in enumerate(others, 1):
        told = [f"{name}: {first[name]!r} and {other[name]!r}" for name in first if first[name] != other[name]]
        if told and rank() > 0:
            raise RankLost()
        if told:
            raise ValueError(f"rank 0 and rank {number} must train with the same, but have {', '.join(told)}")


def _follow_the_first(gan: Any) -> None:
    """Put the first rank's whole state into every other's GAN, and its precision, which "auto" may have measured."""
    state = io.BytesIO()
    if rank() == 0:
        torch.save(gan.state_dict(), state)
    carried = [state.getvalue(), gan.half_precision]
    dist.broadcast_object_list(carried, src=0)
    if rank() > 0:
        gan.load_state_dict(torch.load(io.BytesIO(carried[0]), map_location=gan.device, weights_only=True))
        gan.half_precision = carried[1]
