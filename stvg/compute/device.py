"""Check that a device is there, and make a process ready for it."""

import torch

from stvg.compute.allocator import keep_freed_memory
from stvg.errors import InputError


def usable(device: str) -> str:
    """Return `device`, "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: a GPU is asked for and torch finds none.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {device}: expected a GPU that torch can use, found none; device=cpu needs none")
    return device


def ready_device(device: str) -> str:
    """Return `device` for a network to run on; on the CPU this process then keeps freed memory for tensors.

    Raises:
        InputError: as usable.
    """
    if usable(device) == "cpu":
        keep_freed_memory()
    return device
