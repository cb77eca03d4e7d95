"""Convolution over selected cells by tiles in the frequency domain.

A k x k convolution of C channels takes k * k products of C x C per cell; in tiles of T x T it takes about
1.5 T^2 / (T - k + 1)^2: 2.7 for k = 5 and T = 16, where 25 are needed otherwise. The weights are transformed at every
call, which pays with many tiles only.

Maps are rows here: (B, n, C), the cells that a layer reads or writes, row by row (see temporal.sparse_conv.cells).
"""

from collections.abc import Iterator
from functools import reduce
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stvg.compute.matmul import correlate_each, multiply_each
from temporal.sparse_conv.cells import numbers
from temporal.sparse_conv.fft.signals import Kernel, Signals, WayBack
from temporal.sparse_conv.fft.transforms import Planes

LARGEST_TILE = 32
"""Largest side of a tile, cells."""
WEIGHT_SHARE = 0.35
"""Cost of transforming the weights of O channels, in products of O tiles."""
PASS_COST = 1000.0
"""Multiplications per number of a tile that its transform takes, forward and inverse."""
GPU_TRANSFORMS = 7.0
"""Factor on the cost of transforms, relative to products, on GPUs: a layer of ActivityNet's (9 x 9, H100, TF32) takes
24.9 ms by tiles and 54.8 ms directly, with 15 times fewer multiplications."""
TYPICAL = (32, 512)
"""Numbers of maps and channels for which the tile size is chosen."""
CHUNK_NUMBERS = 2**26
"""Numbers in the tiles that share one transform of the weights; bounds memory."""
GROUP_TILES = 384
"""Tiles of all maps that a CPU processes together, to stay in its cache."""


class TilePlan(nn.Module):
    """Where the cells of one layer's tiles come from and go to.

    `reads` and `writes` (M, M) bool are the cells of the input and of the output canvas that rows hold. Buffers, none
    of them saved: `inputs` (T, T, tiles), x first, the row of each place of a tile, the number of rows for a place that
    is 0; `outputs` (s, s, tiles), the row that each place of the tiles' outputs is, the number of rows where none.
    """

    inputs: Tensor
    outputs: Tensor

    def __init__(self, reads: Tensor, writes: Tensor, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        sizes = range(kernel_size + 1 + (kernel_size + 1) % 2, LARGEST_TILE + 1, 2)
        costs = {tile: _cost(tile, len(_corners(writes, tile - kernel_size + 1)), *TYPICAL) for tile in sizes}
        self.tile = min(costs, key=lambda tile: costs[tile])
        self.step = self.tile - kernel_size + 1
        corners = _corners(writes, self.step)
        self.num_tiles, self.num_reads, self.num_writes = len(corners), int(reads.sum()), int(writes.sum())
        self.register_buffer("inputs", _windows(numbers(reads), corners, self.tile, self.num_reads), persistent=False)
        outputs = _windows(numbers(writes), corners, self.step, self.num_writes)
        self.register_buffer("outputs", outputs, persistent=False)

    def cost(self, batch: int, channels: int, device: str) -> float:
        """Return what the convolution of `batch` maps to `channels` costs, in products of C x O for one cell."""
        return _cost(self.tile, self.num_tiles, batch, channels, 1.0 if device == "cpu" else GPU_TRANSFORMS)

    def forward(self, rows: Tensor, weight: Tensor) -> Tensor:
        """Return the convolution (B, m, O), without bias, of `rows` (B, n, C), B >= 1, with `weight` (O, C, k, k).

        Computed in float32 at least, also under autocast: in lower precision tiles would cancel badly.
        """
        precise = torch.promote_types(rows.dtype, torch.float32)
        with torch.autocast(rows.device.type, enabled=False):
            result = _ConvolveTiles.apply(rows.to(precise), weight.to(precise), self)  # type: ignore[no-untyped-call]
        return cast(Tensor, result)


def _cost(tile: int, num_tiles: int, batch: int, channels: int, transforms: float = 1.0) -> float:
    products = 3 * (tile**2 // 2 + 2)
    passes = num_tiles * batch * PASS_COST / channels * tile**2 + WEIGHT_SHARE * channels * products
    return num_tiles * batch * products + transforms * passes


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
        to_rows, to_weight = [], torch.zeros_like(weight) if wants_weight else None
        for part in _parts(ctx.plan, rows):
            outer = _signals(gradients[0][part], ctx.plan.outputs, ctx.plan, "left")
            if wants_rows:
                to_rows.append(_row_gradient(outer, weight, ctx.plan, rows[part]))
            if to_weight is not None:
                to_weight += _weight_gradient(outer, rows[part], ctx.plan)
        return torch.cat(to_rows) if wants_rows else None, to_weight, None


def _convolve(rows: Tensor, weight: Tensor, plan: TilePlan) -> Tensor:
    """Return the convolution (B, m, O) of `rows` (B, n, C)."""
    kernel = Kernel(weight.permute(3, 2, 0, 1), plan.tile)
    sums = rows.new_zeros(plan.num_writes + 1, len(rows), len(weight))
    return _multiply(_signals(rows, plan.inputs, plan, "left"), kernel, plan.outputs, plan, sums)


def _row_gradient(outer: list[Signals], weight: Tensor, plan: TilePlan, rows: Tensor) -> Tensor:
    """Return the gradient of `rows` (B, n, C), where `outer` is that of the result."""
    kernel = Kernel(weight.permute(3, 2, 1, 0), plan.tile, conjugate=True)
    sums = rows.new_zeros(plan.num_reads + 1, len(rows), rows.shape[2])
    return _multiply(outer, kernel, plan.inputs, plan, sums)


def _multiply(signals: list[Signals], kernel: Kernel, places: Tensor, plan: TilePlan, sums: Tensor) -> Tensor:
    """Return (B, n, O): the products of `signals` and `kernel`, added to `sums` (n + 1, B, O) at `places`."""
    backs = [WayBack(plan.tile, len(places), (one.plane[0], sums.shape[2]), sums) for one in signals]
    for u in range(plan.tile // 2 + 1):
        weights = kernel.planes(u)
        for one, back in zip(signals, backs, strict=True):
            back.take(u, multiply_each(one.planes(u), weights))
    for group, back in zip(_groups(plan, sums), backs, strict=True):
        sums.index_add_(0, places[..., group].flatten(), back.result().view(-1, *sums.shape[1:]))
    return sums[:-1].transpose(0, 1)


def _weight_gradient(outer: list[Signals], rows: Tensor, plan: TilePlan) -> Tensor:
    """Return the gradient (O, C, k, k) of the weight, where `outer` is that of the result of `rows` (B, n, C)."""
    signals = _signals(rows, plan.inputs, plan, "right")
    back = WayBack(plan.tile, plan.kernel_size, (rows.shape[2], outer[0].plane[1]), rows, conjugate=True)
    for u in range(plan.tile // 2 + 1):
        products = (correlate_each(one.planes(u), other.planes(u)) for one, other in zip(signals, outer, strict=True))
        back.take(u, reduce(Tensor.add_, products))
    return back.result().permute(3, 2, 1, 0)


def _parts(plan: TilePlan, rows: Tensor) -> Iterator[slice]:
    """Yield parts of the batch whose tiles have about CHUNK_NUMBERS numbers."""
    numbers_of_one = plan.tile**2 * plan.num_tiles * rows.shape[2]
    step = max(1, CHUNK_NUMBERS // max(1, numbers_of_one))
    yield from (slice(start, start + step) for start in range(0, max(1, len(rows)), step))


def _groups(plan: TilePlan, padded: Tensor) -> list[slice]:
    """Return groups of tiles of the maps `padded` (n + 1, B, C), which take turns in each frequency on CPUs."""
    step = max(1, GROUP_TILES // padded.shape[1]) if padded.device.type == "cpu" else plan.num_tiles
    return [slice(start, start + step) for start in range(0, plan.num_tiles, step)]


def _signals(rows: Tensor, places: Tensor, plan: TilePlan, planes: Planes) -> list[Signals]:
    """Return the tiles of `rows` (B, n, C) at `places` (size, size, tiles), group by group."""
    padded = F.pad(rows.transpose(0, 1), (0, 0, 0, 0, 0, 1))
    tiles = (padded.index_select(0, places[..., group].flatten()) for group in _groups(plan, padded))
    return [Signals(one.view(*places.shape[:2], -1, rows.shape[2]), plan.tile, planes) for one in tiles]
