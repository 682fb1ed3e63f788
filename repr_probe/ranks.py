"""The processes of one job: who is who under torchrun, whose share is what, how partial results become one, and who speaks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from repr_probe import errors, progress
from repr_probe.errors import InputError, ReprProbeError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch

T = TypeVar("T")

# The other ranks wait while the first one measures or writes; NCCL's ten minutes are too short for a probe on a large set.
PATIENCE = timedelta(hours=2)


class LostProcess(ReprProbeError):
    """A process of the job ended before the others were done with it."""


class ToldElsewhere(ReprProbeError):
    """The job failed, and another process says why; the command line adds nothing."""


@dataclass(frozen=True)
class Ranks:
    """This process among its `world_size` siblings; rank 0 alone writes results and speaks.

    device: where this process computes, and where its messages have to be; None for a process alone, which has not chosen one yet.
    """

    rank: int
    world_size: int
    device: torch.device | None
    store: Any = field(default=None, repr=False, compare=False)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def device_name(self, asked: str) -> str:
        """The device to compute on, where `asked` is what the user wrote."""
        return asked if self.device is None else str(self.device)

    def mine(self, items: Iterable[T]) -> Iterator[T]:
        """Every `world_size`-th of `items`, beginning with one's own number: all ranks together take each once.

        >>> [list(Ranks(rank, 3, None).mine("abcde")) for rank in range(3)]
        [['a', 'd'], ['b', 'e'], ['c']]
        """
        return islice(items, self.rank, None, self.world_size)

    def run_of(self, n: int, *, step: int = 1) -> tuple[int, int]:
        """(start, stop) of this rank's consecutive part of n items, cut at multiples of `step`; empty where there are too few.

        >>> [Ranks(rank, 3, None).run_of(10, step=4) for rank in range(3)]
        [(0, 4), (4, 8), (8, 10)]
        """
        n_steps = -(-n // step)
        return tuple(min(n, n_steps * part // self.world_size * step) for part in (self.rank, self.rank + 1))  # type: ignore[return-value]

    def sum(self, values: np.ndarray) -> None:
        """Replace `values` by its sum over the ranks; contiguous, same shape and type on all. The order of summing is fixed."""
        if self.world_size == 1:
            return
        import torch
        import torch.distributed as dist

        shared = torch.from_numpy(values)
        there = shared.to(self.device)
        with self._company():
            dist.all_reduce(there)
        if there is not shared:
            shared.copy_(there)

    def whole(self, part: np.ndarray, n: int) -> np.ndarray:
        """(n, ...) on all ranks, of which each has its `run_of(n)` as `part`; of one type on all."""
        if self.world_size == 1:
            return part
        import numpy as np

        whole = np.zeros((n, *part.shape[1:]), part.dtype)
        start, stop = self.run_of(n)
        whole[start:stop] = part
        self.sum(whole)
        return whole

    def merge(self, part: T, merged: Callable[[T, T], T]) -> T:
        """On rank 0 the merged parts of all ranks, pairwise by a binary tree; elsewhere what came together on the way."""
        import torch.distributed as dist

        step = 1
        while step < self.world_size:
            if self.rank % (2 * step):
                with self._company():
                    dist.send_object_list([part], dst=self.rank - step, device=self.device)
                return part
            if self.rank + step < self.world_size:
                box: list[Any] = [None]
                with self._company():
                    dist.recv_object_list(box, src=self.rank + step, device=self.device)
                part = merged(part, box[0])
            step *= 2
        return part

    def first_does(self, work: Callable[[], T]) -> T:
        """Let rank 0 do `work` while the others wait; every rank gets what it returns, or raises what it raised, so that none is left waiting.

        What is returned must be small and picklable.
        """
        if self.world_size == 1:
            return work()
        import torch.distributed as dist

        outcome: list[Any] = [None, None]  # what came of it, and (class, text) of what was raised
        trouble: Exception | None = None
        if self.is_first:
            try:
                outcome[0] = work()
            except Exception as raised:
                trouble, outcome[1] = raised, (type(raised).__name__, str(raised))
        with self._company():
            dist.broadcast_object_list(outcome, src=0, device=self.device)
        if trouble is not None:
            raise trouble
        if outcome[1] is not None:
            name, text = outcome[1]
            raise getattr(errors, name, ReprProbeError)(text)
        return outcome[0]

    def of_first(self, value: T) -> T:
        """What rank 0 has, on all; small and picklable."""
        return self.first_does(lambda: value)

    def wait(self) -> None:
        """Until all ranks are here."""
        self.of_first(None)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Around what rank 0 should do before the others: what it downloads or remembers they find."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()

    def require_alike(self, **facts: str) -> None:
        """Raise InputError on every rank when a fact (name=short text) is not the same on all."""
        if self.world_size == 1:
            return
        import torch.distributed as dist

        said: list[Any] = [None] * self.world_size
        with self._company():
            dist.all_gather_object(said, facts)
        for rank, other in enumerate(said):
            for name in {**said[0], **other}:
                first, text = said[0].get(name, "none"), other.get(name, "none")
                if text != first:
                    what = name.replace("_", " ")
                    raise InputError(f"{what} must be the same in every process; got {first} in process 0 and {text} in process {rank}")

    @contextmanager
    def _company(self) -> Iterator[None]:
        """Around a meeting of ranks: a broken connection means that somebody is gone."""
        try:
            yield
        except RuntimeError as failure:
            raise LostProcess(
                f"all {self.world_size} processes must stay alive to the end; got one that process {self.rank} no longer reaches; "
                "its own message or the system's log says why; the same command goes on from what is stored"
            ) from failure


ALONE = Ranks(0, 1, None)


@contextmanager
def joined(device: str, resolve: Callable[[str], torch.device]) -> Iterator[Ranks]:
    """Join the group that torchrun's environment describes (RANK, WORLD_SIZE, LOCAL_RANK), and leave it afterwards; ALONE without one.

    device: the user's word for it; resolve: turns a name into a device that is there. One GPU a process where there are GPUs (NCCL), the
    CPU otherwise (gloo). A group that the caller has made is used and left alone.
    Notes and progress of all ranks but the first are silent inside the block.
    """
    world_size, rank = _integer("WORLD_SIZE", 1), _integer("RANK", 0)
    if world_size == 1 and not _group_exists():
        yield ALONE
        return
    import torch
    import torch.distributed as dist

    ours, store = not dist.is_initialized(), None
    if not ours:
        world_size, rank = dist.get_world_size(), dist.get_rank()
    where = _device_of_rank(device, _integer("LOCAL_RANK", rank), resolve) if world_size > 1 else resolve(device)
    if ours:
        store, _, _ = next(iter(dist.rendezvous("env://", rank, world_size)))
        backend = "nccl" if where.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=PATIENCE)
    try:
        quiet = nullcontext() if rank == 0 else progress.reporting(None)
        with quiet, torch.cuda.device(where) if where.type == "cuda" else nullcontext():
            yield Ranks(rank, world_size, where, store)
        if ours:
            # A process that ends while others still talk to it, or to the store it holds, can take them down at their exit.
            with suppress(RuntimeError):
                dist.barrier(device_ids=[where.index] if where.type == "cuda" else None)
    finally:
        if ours and dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def one_voice(ranks: Ranks) -> Iterator[None]:
    """Whatever ends the block with an error on several ranks leaves it as that error on the first to fail, on others as ToldElsewhere.

    SIGTERM, which torchrun sends to the rest when one process is gone, is such an error: what is half written is made safe on the way out.
    """
    try:
        with _told_by_sigterm(ranks) if ranks.world_size > 1 else nullcontext():
            yield
    except BaseException as failure:
        if ranks.world_size == 1 or _first_to_tell(ranks.store):
            raise
        raise ToldElsewhere("the job failed in another process, which says why") from failure


@contextmanager
def _told_by_sigterm(ranks: Ranks) -> Iterator[None]:
    def end(number: int, frame: object) -> None:
        raise LostProcess(
            f"all {ranks.world_size} processes must stay alive to the end; got SIGTERM in process {ranks.rank}, sent when another process ends "
            "or when the job is stopped; the same command goes on from what is stored"
        )

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _first_to_tell(store: Any) -> bool:
    try:
        return store is None or store.add("repr_probe/told", 1) == 1
    except RuntimeError:  # the store went with the process that held it: better told twice than never
        return True


def _group_exists() -> bool:
    """Without importing torch: who has a group has imported it."""
    import sys

    dist = sys.modules.get("torch.distributed")
    return dist is not None and dist.is_available() and dist.is_initialized()


def processes_here() -> int:
    """Processes of the job on this machine."""
    return max(1, _integer("LOCAL_WORLD_SIZE", 1))


def _integer(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{name} must be a whole number, as torchrun sets it; got {text!r}") from None


def _device_of_rank(name: str, local_rank: int, resolve: Callable[[str], torch.device]) -> torch.device:
    """Each process of a machine its own GPU; a name with a number would put them all on one."""
    where = resolve(name)
    if where.type != "cuda":
        return where
    if where.index is not None:
        raise UsageError(f"device must be auto, cpu or cuda under torchrun, which gives every process its own GPU; got {name!r}")
    return resolve(f"cuda:{local_rank}")
