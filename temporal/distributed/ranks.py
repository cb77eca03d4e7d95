"""Find and connect the processes that train together."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from stvg.errors import InputError

logger = logging.getLogger(__name__)

TIMEOUT = timedelta(hours=2)
"""Longest time that a rank waits for the others, for instance while rank 0 scores val and writes."""

_LAUNCHER_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class Ranks:
    """The processes that train together: this one is number `rank` of `size`, its network belongs on `device`.

    `Ranks()` is a process alone: nothing is sent, and nothing distributed is initialised. With more, the methods and
    functions that send need `connected`, and all ranks have to call them in the same order.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that validates, logs and writes."""
        return self.rank == 0

    def shares(self, count: int) -> list[slice]:
        """Return which of `count` items each rank takes: neighbours, sizes that differ by one at most, 0 allowed.

        >>> Ranks(rank=1, size=3).shares(4)
        [slice(0, 1, None), slice(1, 2, None), slice(2, 4, None)]
        """
        return [slice(count * rank // self.size, count * (rank + 1) // self.size) for rank in range(self.size)]

    def share(self, count: int) -> slice:
        """Return which of `count` items this rank takes."""
        return self.shares(count)[self.rank]

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        if self.size > 1:
            dist.barrier()

    def broadcast(self, value: float) -> float:
        """Return rank 0's `value`; what the others pass does not count."""
        if self.size == 1:
            return value
        sent = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.broadcast(sent, src=0)
        return sent.item()


def find_ranks(device: str, environment: Mapping[str, str] = os.environ) -> Ranks:
    """Return what torchrun says in the environment, or a process alone where it says nothing.

    `device` is "cpu" or "cuda"; of several ranks on "cuda" each gets the GPU of its local rank.

    Raises:
        InputError: only some of torchrun's variables are set, they are no ranks, or there are too few GPUs.
    """
    local_rank, ranks = 0, Ranks(device=device)
    if "RANK" in environment or "WORLD_SIZE" in environment:
        missing = [name for name in _LAUNCHER_VARIABLES if name not in environment]
        if missing:
            raise InputError(
                f"environment: expected {', '.join(_LAUNCHER_VARIABLES)}, as torchrun sets them, or "
                f"neither RANK nor WORLD_SIZE; found no {', '.join(missing)}"
            )
        rank, local_rank, size = (_number(name, environment[name]) for name in _LAUNCHER_VARIABLES[:3])
        if rank >= size:
            raise InputError(f"environment: expected RANK below WORLD_SIZE, got {rank} and {size}")
        ranks = Ranks(rank, size, f"cuda:{local_rank}" if device == "cuda" else device)
    if device == "cuda" and local_rank >= torch.cuda.device_count():
        raise InputError(
            f"device cuda: expected a GPU for each process of this machine, found "
            f"{torch.cuda.device_count()} for local rank {local_rank} (counted from 0)"
        )
    return ranks


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"environment: {name}: expected a number from 0 on, got {text!r}")
    return int(text)


@contextmanager
def connected(ranks: Ranks, init_method: str = "env://") -> Iterator[None]:
    """Connect this process with the other ranks: gloo for the CPU, NCCL for GPUs. A process alone does nothing.

    `init_method` says where they meet (see torch.distributed.init_process_group): as a rule where torchrun says.
    """
    if ranks.size == 1:
        yield
        return
    logger.info("rank %d of %d on %s", ranks.rank, ranks.size, ranks.device)
    on_gpu = ranks.device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(ranks.device)
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method,
        TIMEOUT,
        ranks.size,
        ranks.rank,
        device_id=torch.device(ranks.device) if on_gpu else None,
    )
    yield
    # Not after an exception: taking NCCL down waits for ranks that wait for this one. The end of the process closes
    # its connections, which the others notice, and torchrun ends them.
    dist.destroy_process_group()
