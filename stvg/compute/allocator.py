"""What becomes of memory that a process has freed: a matter of its C library, here glibc."""

import ctypes
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # mallopt's names for them, in glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let this process keep what it frees for its next tensors, and return whether that can be had.

    glibc gives large blocks back to the system as soon as they are freed. The next tensor of that size then gets new
    pages, each of which the system clears and hands out one by one: with maps of 512 channels a third of the time of a
    step. Other C libraries are left as they are. Results are the same; the process stays as large as it once was.
    """
    mallopt = _function("mallopt")
    return mallopt is not None and all([mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, -1)])


def give_back_memory() -> None:
    """Give the system back what this process has freed and kept."""
    malloc_trim = _function("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """Return the C library's function, None where it has none of that name."""
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    return found
