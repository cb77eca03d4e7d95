"""Check that a device can be used."""

import torch

from stvg.errors import InputError


def usable(device: str) -> str:
    """Return `device`, "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: a GPU is asked for and torch finds none.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {device}: expected a GPU that torch can use, found none; device=cpu needs none")
    return device
