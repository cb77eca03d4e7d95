"""Transformed tiles and weights, one frequency along x at a time.

What one frequency needs stays near the processor: the planes of all of them would be many times the tiles themselves.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from stvg.compute.matmul import product
from temporal.sparse_conv.fft.transforms import (
    Planes,
    along_x,
    along_y,
    back_along_x,
    back_along_y,
    frequencies_along_y,
)

KERNEL_NUMBERS = 2**14
"""Numbers of a kernel's plane that are transformed together."""


class Signals:
    """Tiles (size, size, X, C), x first.

    Attributes:
        plane: X and C.
    """

    def __init__(self, tiles: Tensor, tile: int, planes: Planes) -> None:
        size, self.plane = len(tiles), tiles.shape[2:]
        self._along_y = _each_frequency(tile, lambda count: along_y(tile, size, count, planes).to(tiles))
        half_way = product(along_x(tile, size).to(tiles), tiles.reshape(size, -1))
        self._half_way = half_way.view(tile // 2 + 1, 2 * size, -1)

    def planes(self, u: int) -> Tensor:
        """Return the planes (3 F, X, C) of frequency u."""
        return product(self._along_y[u], self._half_way[u]).view(-1, *self.plane)


class Kernel:
    """Weights (k, k, O, C), x first."""

    def __init__(self, weight: Tensor, tile: int, *, conjugate: bool = False) -> None:
        size, self._plane = len(weight), weight.shape[2:]
        step = max(1, KERNEL_NUMBERS // weight.shape[3]) if weight.device.type == "cpu" else weight.shape[2]
        self._parts = [part.reshape(size, -1) for part in torch.split(weight, step, dim=2)]
        self._along_x = along_x(tile, size).to(weight).view(-1, 2, size)
        self._along_y = _each_frequency(tile, lambda count: along_y(tile, size, count, "right", conjugate).to(weight))

    def planes(self, u: int) -> Tensor:
        """Return the planes (3 F, O, C) of frequency u."""
        matrix = self._along_y[u]
        planes, start = matrix.new_empty(len(matrix), self._plane.numel()), 0
        for part in self._parts:
            half_way = product(self._along_x[u], part).view(matrix.shape[1], -1)
            planes[:, start : start + half_way.shape[1]] = product(matrix, half_way)
            start += half_way.shape[1]
        return planes.view(-1, *self._plane)


class WayBack:
    """Products like `like`, X x C in each frequency, to the first `size` x `size` places of the tiles."""

    def __init__(self, tile: int, size: int, plane: tuple[int, int], like: Tensor, *, conjugate: bool = False) -> None:
        self._plane = plane
        self._along_y = _each_frequency(tile, lambda count: back_along_y(tile, size, count, conjugate).to(like))
        self._along_x = back_along_x(tile, size, conjugate).to(like)
        self._half_way = like.new_empty(tile // 2 + 1, 2 * size, plane[0] * plane[1])

    def take(self, u: int, products: Tensor) -> None:
        """Take the products (3 F, X, C) at frequency u."""
        self._half_way[u] = product(self._along_y[u], products.flatten(1))

    def result(self) -> Tensor:
        """Return the places (size, size, X, C), x first."""
        size = len(self._along_x)
        return product(self._along_x, self._half_way.view(self._along_x.shape[1], -1)).view(size, size, *self._plane)


def _each_frequency(tile: int, make: Callable[[int], Tensor]) -> list[Tensor]:
    """Return for each u the matrix that `make` gives for its number of frequencies along y, each made once."""
    matrices = {count: make(count) for count in (tile // 2 + 1, tile)}
    return [matrices[frequencies_along_y(tile, u)] for u in range(tile // 2 + 1)]
