"""Fourier transforms of tiles as products with real matrices.

A tile of T x T (T even) is transformed along x, to the frequencies u = 0 .. T / 2 that tell all of a real signal, then
along y. The product conj(b) a of complex numbers takes three real products instead of four (Gauss):

    p1 = (a_r + a_i) b_r,   p2 = a_i (b_i - b_r),   p3 = a_r (b_r + b_i);   conj(b) a = (p1 + p2) + i (p1 - p3)

so the step along y gives the three planes of either side, and the way back starts from the three products. All of it is
linear: the matrices below hold it, and small matrix products do the rest. They are made once; nobody writes to them.

At u = 0 and u = T / 2 what was transformed along x is real, so there the first T / 2 + 1 frequencies along y tell all.
"""

from functools import cache
from typing import Literal

import torch
from torch import Tensor

Planes = Literal["left", "right"]
"""left: (a_r + a_i, a_i, a_r), the side that is multiplied; right: (b_r, b_i - b_r, b_r + b_i), the side conjugated."""


def frequencies_along_y(tile: int, u: int) -> int:
    """Return how many frequencies along y tell all at frequency `u` along x."""
    return tile // 2 + 1 if u in (0, tile // 2) else tile


def _angles(tile: int, frequencies: int, size: int) -> Tensor:
    grid = torch.arange(frequencies, dtype=torch.float64)[:, None] * torch.arange(size, dtype=torch.float64)
    return grid.remainder(tile) * (2 * torch.pi / tile)


@cache
def along_x(tile: int, size: int) -> Tensor:
    """Return (2 H, size) float64, H = T / 2 + 1: real signals along x to (u, real or imaginary)."""
    angles = _angles(tile, tile // 2 + 1, size)
    return torch.stack([angles.cos(), -angles.sin()], dim=1).flatten(0, 1)


@cache
def along_y(tile: int, size: int, frequencies: int, planes: Planes, conjugate: bool = False) -> Tensor:
    """Return (3 F, 2 size) float64: signals along y, real parts then imaginary ones, to planes of F `frequencies`.

    With `conjugate` the planes are those of the complex conjugate of the transform.
    """
    angles = _angles(tile, frequencies, size)
    real = torch.cat([angles.cos(), angles.sin()], dim=1)
    imaginary = torch.cat([-angles.sin(), angles.cos()], dim=1) * (-1 if conjugate else 1)
    if planes == "left":
        return torch.cat([real + imaginary, imaginary, real])
    return torch.cat([real, imaginary - real, real + imaginary])


@cache
def back_along_y(tile: int, size: int, frequencies: int, conjugate: bool = False) -> Tensor:
    """Return (2 size, 3 F) float64: the three products at F `frequencies` to the first `size` places along y.

    With `conjugate` the products are taken for the conjugate of what is wanted.
    """
    angles = _angles(tile, frequencies, size).T * (-1 if conjugate else 1)
    counted = _counted(frequencies) if frequencies < tile else 1.0
    cos, sin = angles.cos() * counted, angles.sin() * counted
    real = torch.cat([cos - sin, cos, sin], dim=1)
    imaginary = torch.cat([sin + cos, sin, -cos], dim=1) * (1 if frequencies == tile else 0)
    return torch.cat([real, imaginary])


@cache
def back_along_x(tile: int, size: int, conjugate: bool = False) -> Tensor:
    """Return (size, 2 H) float64: (u, real or imaginary) to the first `size` places along x, scaled by 1 / T^2."""
    angles = _angles(tile, tile // 2 + 1, size).T * (-1 if conjugate else 1)
    counted = _counted(tile // 2 + 1)
    return torch.stack([angles.cos() * counted, -angles.sin() * counted], dim=2).flatten(1) / tile**2


def _counted(frequencies: int) -> Tensor:
    """Return how often each of the first T / 2 + 1 frequencies of a real signal counts."""
    counted = torch.full((frequencies,), 2.0, dtype=torch.float64)
    counted[[0, -1]] = 1.0  # every other one stands for its conjugate too
    return counted
