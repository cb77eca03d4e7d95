"""A convolution over chosen cells of a map in the frequency domain: overlapping tiles, far fewer multiplications.

A k x k convolution of C channels takes k * k products of C x C per cell; in tiles of T x T it takes about
1.5 T^2 / (T - k + 1)^2: 2.7 for k = 5 and T = 16, where 25 are needed otherwise. The weights are transformed at every
call, which pays with many tiles only.

Maps are rows here: (B, n, C), the cells that a layer reads or writes, row by row (see temporal.active_cells).
"""

from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from temporal.active_cells import numbers
from temporal.fourier import Planes, along_x, along_y, back_along_x, back_along_y
from temporal.products import correlate_each, multiply_each

LARGEST_TILE = 32
WEIGHT_SHARE = 0.35
"""Transforming the weights of O channels costs about as much as the products of so many times O tiles."""
PASS_COST = 1000.0
"""Transforming a tile takes about so many multiplications for each number of a tile, there and back."""
MARGIN = 1.5
"""Tiles are taken where they cost less than blocks by this factor: with several threads they gain less."""
TYPICAL = (32, 512)
"""Maps and channels for which a tile's size is chosen."""
CHUNK_NUMBERS = 2**26
"""Numbers in the tiles that are transformed together; more would only need more memory."""


class TilePlan(nn.Module):
    """Where the cells of one layer's tiles come from and go to.

    `reads` and `writes` (M, M) bool are the cells of the input and of the output canvas that rows hold. Buffers, none
    of them saved: `inputs` (T, T, tiles), x first, the row of each place of a tile, the number of rows for a place that
    is 0; `outputs` (m,), the place of each written row in the tiles' outputs (s, s, tiles); `wanted` (s, s, tiles), the
    row that each of these is, the number of rows where none.
    """

    inputs: Tensor
    outputs: Tensor
    wanted: Tensor

    def __init__(self, reads: Tensor, writes: Tensor, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        sizes = range(kernel_size + 1 + (kernel_size + 1) % 2, LARGEST_TILE + 1, 2)
        costs = {tile: _cost(tile, len(_corners(writes, tile - kernel_size + 1)), *TYPICAL) for tile in sizes}
        self.tile = min(costs, key=lambda tile: costs[tile])
        self.step = self.tile - kernel_size + 1
        corners = _corners(writes, self.step)
        self.num_tiles = len(corners)
        self.register_buffer("inputs", _windows(numbers(reads), corners, self.tile, int(reads.sum())), persistent=False)
        wanted = _windows(numbers(writes), corners, self.step, int(writes.sum()))
        self.register_buffer("wanted", wanted, persistent=False)
        flat = wanted.flatten()
        outputs = torch.empty(int(writes.sum()) + 1, dtype=torch.int64)
        outputs[flat] = torch.arange(len(flat))
        self.register_buffer("outputs", outputs[:-1].clone(), persistent=False)

    def cost(self, batch: int, channels: int) -> float:
        """Return what the convolution of `batch` maps to `channels` costs, in products of C x O for one cell."""
        return MARGIN * _cost(self.tile, self.num_tiles, batch, channels)

    def forward(self, rows: Tensor, weight: Tensor) -> Tensor:
        """Return the convolution (B, m, O), without bias, of `rows` (B, n, C), B >= 1, with `weight` (O, C, k, k).

        Computed in float32 at least, also under autocast: in lower precision tiles would cancel badly.
        """
        precise = torch.promote_types(rows.dtype, torch.float32)
        with torch.autocast(rows.device.type, enabled=False):
            result = _ConvolveTiles.apply(rows.to(precise), weight.to(precise), self)  # type: ignore[no-untyped-call]
        return cast(Tensor, result)


def _cost(tile: int, num_tiles: int, batch: int, channels: int) -> float:
    products = 3 * tile * (tile // 2 + 1)
    return num_tiles * batch * (products + PASS_COST / channels * tile**2) + WEIGHT_SHARE * channels * products


def _corners(writes: Tensor, step: int) -> list[tuple[int, int]]:
    """Return the upper left corners (row, column) of squares of `step` that cover the true cells of `writes`."""
    corners = []
    rows = writes.any(1).nonzero()[:, 0].tolist()
    for top in range(rows[0], rows[-1] + 1, step):
        columns = writes[top : top + step].any(0).nonzero()[:, 0].tolist()
        if columns:
            corners += [(top, left) for left in range(columns[0], columns[-1] + 1, step)]
    return corners


def _windows(canvas: Tensor, corners: list[tuple[int, int]], size: int, outside: int) -> Tensor:
    """Return the windows (size, size, tiles) of `canvas` at `corners`, x first, `outside` beyond its edges."""
    padded = F.pad(canvas, (0, size, 0, size), value=outside)
    windows = [padded[top : top + size, left : left + size].T for top, left in corners]
    return torch.stack(windows, dim=2)


class _ConvolveTiles(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, plan: TilePlan) -> Tensor:
        ctx.save_for_backward(rows, weight)
        ctx.plan = plan
        return torch.cat([_convolve(rows[part], weight, plan) for part in _parts(plan, rows)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        wants_rows, wants_weight = ctx.needs_input_grad[:2]
        parts = [
            _backward(rows[part], weight, gradients[0][part], ctx.plan, wants_rows, wants_weight)
            for part in _parts(ctx.plan, rows)
        ]
        to_rows = [part for part, _ in parts if part is not None]
        to_weight = [part for _, part in parts if part is not None]
        return torch.cat(to_rows) if wants_rows else None, torch.stack(to_weight).sum(0) if wants_weight else None, None


def _convolve(rows: Tensor, weight: Tensor, plan: TilePlan) -> Tensor:
    """Return the convolution (B, m, O) of `rows` (B, n, C)."""
    data = _Side(_gather(rows, plan.inputs), plan.tile, "left", eager=True)
    kernel = _Side(weight.permute(3, 2, 0, 1), plan.tile, "right", eager=False)
    back = _Back(plan.tile, plan.step, (plan.num_tiles * len(rows), len(weight)), rows)
    for u in range(plan.tile // 2 + 1):
        multiply_each(data.planes(u), kernel.planes(u), back.products)
        back.take(u)
    return back.result().view(-1, len(rows), len(weight)).index_select(0, plan.outputs).transpose(0, 1)


def _backward(
    rows: Tensor, weight: Tensor, gradient: Tensor, plan: TilePlan, wants_rows: bool, wants_weight: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of `rows` (B, n, C) and `weight` (O, C, k, k), from that of the result (B, m, O)."""
    channels = rows.shape[2]
    outer = _Side(_gather(gradient, plan.wanted), plan.tile, "left", eager=True)
    data = kernel = row_back = weight_back = None
    if wants_rows:
        kernel = _Side(weight.permute(3, 2, 1, 0), plan.tile, "right", eager=False, conjugate=True)
        row_back = _Back(plan.tile, plan.tile, (plan.num_tiles * len(rows), channels), rows)
    if wants_weight:
        data = _Side(_gather(rows, plan.inputs), plan.tile, "right", eager=True)
        weight_back = _Back(plan.tile, plan.kernel_size, (channels, len(weight)), rows, conjugate=True)
    for u in range(plan.tile // 2 + 1):
        planes = outer.planes(u)
        if kernel is not None and row_back is not None:
            multiply_each(planes, kernel.planes(u), row_back.products)
            row_back.take(u)
        if data is not None and weight_back is not None:
            correlate_each(data.planes(u), planes, weight_back.products)
            weight_back.take(u)
    to_rows = None if row_back is None else _scatter(row_back.result(), plan.inputs, rows)
    return to_rows, None if weight_back is None else weight_back.result().permute(3, 2, 1, 0)


def _parts(plan: TilePlan, rows: Tensor) -> Iterator[slice]:
    """Yield parts of the batch whose tiles have about CHUNK_NUMBERS numbers."""
    numbers_of_one = plan.tile**2 * plan.num_tiles * rows.shape[2]
    step = max(1, CHUNK_NUMBERS // max(1, numbers_of_one))
    yield from (slice(start, start + step) for start in range(0, max(1, len(rows)), step))


def _gather(rows: Tensor, places: Tensor) -> Tensor:
    """Return the tiles (T, T, tiles * B, C) of `rows` (B, n, C) at `places` (T, T, tiles)."""
    padded = F.pad(rows.transpose(0, 1), (0, 0, 0, 0, 0, 1))
    return padded.index_select(0, places.flatten()).view(*places.shape[:2], -1, rows.shape[2])


def _scatter(tiles: Tensor, places: Tensor, like: Tensor) -> Tensor:
    """Return the sums (B, n, C) of `tiles` (T, T, tiles * B, C) over the rows at `places`, shaped as `like`."""
    sums = like.new_zeros(like.shape[1] + 1, len(like), like.shape[2])
    sums.index_add_(0, places.flatten(), tiles.reshape(-1, len(like), like.shape[2]))
    return sums[:-1].transpose(0, 1)


class _Side:
    """One factor of the products: `signals` (size, size, X, C), x first, transformed one frequency u at a time.

    Large temporary tensors are made once and filled again: where each is made anew, the kernel spends as long on
    handing out their pages as the products take. `eager` transforms along x for all u at once: more memory, less work.
    """

    def __init__(self, signals: Tensor, tile: int, planes: Planes, *, eager: bool, conjugate: bool = False) -> None:
        size, self._shape = len(signals), signals.shape[2:]
        self._along_y = along_y(tile, size, planes, conjugate).to(signals)
        self._along_x = along_x(tile, size).to(signals)
        self._signals = signals.reshape(size, -1)
        rows = self._along_x.shape[0] if eager else 2
        self._transformed = signals.new_empty(rows, self._signals.shape[1])
        if eager:
            torch.mm(self._along_x, self._signals, out=self._transformed)
        self._eager = eager
        self._planes = signals.new_empty(3 * tile, self._shape.numel())

    def planes(self, u: int) -> Tensor:
        """Return the planes (3 T, X, C) of frequency u along x; the next call fills them again."""
        both = slice(2 * u, 2 * u + 2)
        if self._eager:
            half_way = self._transformed[both]
        else:
            half_way = torch.mm(self._along_x[both], self._signals, out=self._transformed)
        torch.mm(self._along_y, half_way.view(self._along_y.shape[1], -1), out=self._planes)
        return self._planes.view(-1, *self._shape)


class _Back:
    """The way back of products, one frequency u at a time, to the first `size` x `size` places.

    Attributes:
        products: (3 T, *plane), to be filled for each u.
    """

    def __init__(
        self, tile: int, size: int, plane: tuple[int, int], like: Tensor, conjugate: bool = False
    ) -> None:  # fmt: skip
        self._back_y = back_along_y(tile, size, conjugate).to(like)
        self._back_x = back_along_x(tile, size, conjugate).to(like)
        self._shape = (size, size, *plane)
        self._half_way = like.new_empty(tile // 2 + 1, 2 * size, plane[0] * plane[1])
        self.products = like.new_empty(3 * tile, *plane)

    def take(self, u: int) -> None:
        """Take the products at frequency u."""
        torch.mm(self._back_y, self.products.flatten(1), out=self._half_way[u])

    def result(self) -> Tensor:
        """Return the places (size, size, *plane), x first."""
        return (self._back_x @ self._half_way.view(self._back_x.shape[1], -1)).view(self._shape)
