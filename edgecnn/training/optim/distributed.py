"""Several processes that train one network: who this one is, and what it shares with the others.

``torchrun`` starts them and says by environment variables who is who
(https://docs.pytorch.org/docs/stable/elastic/run.html); alone, everything here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import nn

__all__ = ["ALONE", "World", "joined", "leads"]

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # on its machine: the number of its GPU

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def agree(self, value: T) -> T:
        """The leading process's value, in all: what depends on the clock or the disk must not differ."""
        if self.size == 1:
            return value
        box: list[T] = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """All processes' values by rank, in all."""
        if self.size == 1:
            return [value]
        found: list[T | None] = [None] * self.size
        dist.all_gather_object(found, value)
        return cast("list[T]", found)

    def share(self, network: nn.Module) -> nn.Module:
        """The network such that its gradients are the mean over all processes."""
        if self.size == 1:
            return network
        on_gpu = next(network.parameters()).is_cuda
        return nn.parallel.DistributedDataParallel(network, device_ids=[self.local_rank] if on_gpu else None)


ALONE = World()


def leads() -> bool:
    """Whether this process is the one that speaks, also before and after :func:`joined`."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined(*, cuda: bool) -> Iterator[World]:
    """Joins the processes that ``torchrun`` started; without it this process is alone."""
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        yield ALONE
        return
    world = World(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0")))
    if cuda:
        torch.cuda.set_device(world.local_rank)
    # gloo beside nccl: objects and CPU tensors travel over it
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        yield world
        dist.barrier()  # whoever leaves first must not cut off one that is still sending
    finally:
        dist.destroy_process_group()
