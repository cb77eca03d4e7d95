"""Keep or release freed memory of the process, by glibc's allocator."""

import ctypes
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next tensors; return whether the C library can do so.

    glibc returns large blocks to the system as soon as they are freed. The next tensor of that size then gets new
    pages, which the system clears one by one: a third of the time of a training step with maps of 512 channels. Other
    C libraries are left as they are. Results do not change; the process stays as large as it has ever been.

    It is called where a process starts: by a command (stvg.cli.run), a worker, and a training that a command spawns.
    """
    mallopt = _function("mallopt")
    return mallopt is not None and all([mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, -1)])


def give_back_memory() -> None:
    """Return freed memory that this process kept to the system."""
    malloc_trim = _function("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """Return the C library's function, None where it has none of that name."""
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    return found
