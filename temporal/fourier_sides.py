"""The factors and the results of tiles' products in the frequency domain, one frequency u along x at a time.

What one frequency needs stays near the processor: the planes of all of them would be many times the tiles themselves.
"""

import torch
from torch import Tensor

from temporal.fourier import Planes, along_x, along_y, back_along_x, back_along_y, frequencies_along_y
from temporal.products import product

KERNEL_NUMBERS = 2**14
"""Numbers of a kernel's plane that are transformed together."""


class Signals:
    """Tiles (size, size, X, C), x first."""

    def __init__(self, tiles: Tensor, tile: int, planes: Planes) -> None:
        size, self._plane = len(tiles), tiles.shape[2:]
        matrices = {count: along_y(tile, size, count, planes).to(tiles) for count in (tile // 2 + 1, tile)}
        self._along_y = [matrices[frequencies_along_y(tile, u)] for u in range(tile // 2 + 1)]
        half_way = product(along_x(tile, size).to(tiles), tiles.reshape(size, -1))
        self._half_way = half_way.view(tile // 2 + 1, 2 * size, -1)

    def planes(self, u: int) -> Tensor:
        """Return the planes (3 F, X, C) of frequency u."""
        return product(self._along_y[u], self._half_way[u]).view(-1, *self._plane)


class Kernel:
    """Weights (k, k, O, C), x first."""

    def __init__(self, weight: Tensor, tile: int, *, conjugate: bool = False) -> None:
        size, self._plane = len(weight), weight.shape[2:]
        step = max(1, KERNEL_NUMBERS // weight.shape[3]) if weight.device.type == "cpu" else weight.shape[2]
        self._parts = [part.reshape(size, -1) for part in torch.split(weight, step, dim=2)]
        self._along_x = along_x(tile, size).to(weight).view(-1, 2, size)
        counts = (tile // 2 + 1, tile)
        matrices = {count: along_y(tile, size, count, "right", conjugate).to(weight) for count in counts}
        self._along_y = [matrices[frequencies_along_y(tile, u)] for u in range(tile // 2 + 1)]

    def planes(self, u: int) -> Tensor:
        """Return the planes (3 F, O, C) of frequency u."""
        matrix = self._along_y[u]
        half_way = (product(self._along_x[u], part).view(matrix.shape[1], -1) for part in self._parts)
        return torch.cat([product(matrix, part) for part in half_way], dim=1).view(-1, *self._plane)


class WayBack:
    """Products, to the first `size` x `size` places of the tiles."""

    def __init__(self, tile: int, size: int, *, conjugate: bool = False) -> None:
        self._tile, self._size, self._conjugate = tile, size, conjugate
        self._half_way: list[Tensor] = []

    def take(self, u: int, products: Tensor) -> None:
        """Take the products (3 F, *plane) at frequency u; the frequencies come in their order."""
        self._plane = products.shape[1:]
        count = frequencies_along_y(self._tile, u)
        matrix = back_along_y(self._tile, self._size, count, self._conjugate).to(products)
        self._half_way.append(product(matrix, products.flatten(1)))

    def result(self) -> Tensor:
        """Return the places (size, size, *plane), x first."""
        half_way = torch.cat(self._half_way).view(self._tile + 2, -1)
        matrix = back_along_x(self._tile, self._size, self._conjugate).to(half_way)
        return product(matrix, half_way).view(self._size, self._size, *self._plane)
