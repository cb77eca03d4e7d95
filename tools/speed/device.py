"""Speed of a device at matrix products and copies, and the memory that a computation takes."""

import re
import time
from collections.abc import Callable
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


def peak_memory(device: str, compute: Callable[[], object]) -> int | None:
    """Return the most bytes that `compute` held beyond those held before; None where the system does not tell.

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
        synchronise(device)
        started = time.perf_counter()
        compute()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
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


def device_name(device: str) -> str:
    """Return the processor's or the GPU's name."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.is_file() else None
    return found[1] if found else "CPU"
