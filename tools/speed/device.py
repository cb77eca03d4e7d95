"""What a device can do and what a computation takes: time, memory, multiplications a second, bytes a second."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from stvg.compute.allocator import give_back_memory
from stvg.compute.matmul import product

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def synchronise(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


class Stopwatch:
    """Adds up the seconds of named parts."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block to `name`."""
        synchronise(self.device)
        started = time.perf_counter()
        yield
        synchronise(self.device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    @property
    def total(self) -> float:
        """The seconds of all parts."""
        return sum(self.seconds.values())


def peak_memory(device: str, compute: Callable[[], object]) -> int | None:
    """Return how many bytes `compute` needed at most beyond what was held before; None where that is not told.

    On the GPU these are the allocator's, on the CPU the process's resident memory.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        compute()
        return torch.cuda.max_memory_allocated() - before
    give_back_memory()
    try:
        _CLEAR.write_text("5")
        before = _resident("VmRSS")
        compute()
        return max(0, _resident("VmHWM") - before)
    except OSError:
        return None


def _resident(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())
    if found is None:
        raise OSError(f"no {name} in {_STATUS}")
    return int(found[1]) * 1024


def fastest(device: str, compute: Callable[[], object], repeats: int) -> float:
    """Return the seconds of the fastest of `repeats` runs, after one that does not count."""
    seconds = []
    for _ in range(repeats + 1):
        watch = Stopwatch(device)
        with watch.part("all"):
            compute()
        seconds.append(watch.total)
    return min(seconds[1:])


def peak_flops(device: str, repeats: int = 8) -> float:
    """Return the most floating point operations a second that products of float32 matrices reached."""
    best = 0.0
    for rows, width in ((2048, 512), (4096, 512), (2048, 2048)):
        left = torch.randn(rows, width, device=device)
        right = torch.randn(width, width, device=device)
        for multiply in (product, torch.matmul):
            seconds = fastest(device, partial(multiply, left, right), repeats)
            best = max(best, 2 * rows * width * width / seconds)
    return best


def copied_bytes(device: str, repeats: int = 5) -> float:
    """Return the most bytes a second that copying 256 MiB read and wrote."""
    source = torch.ones(2**26, device=device)
    to = torch.empty_like(source)
    return 2 * source.numel() * 4 / fastest(device, lambda: to.copy_(source), repeats)


def device_name(device: str) -> str:
    """Return the processor's or the GPU's name."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.is_file() else None
    return found[1] if found else "CPU"
