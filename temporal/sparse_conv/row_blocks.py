"""Convolution over selected cells by blocks of rows.

Maps are rows here: (B, n, C), the cells that a layer reads or writes, row by row (see temporal.sparse_conv.cells).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from temporal.sparse_conv.cells import numbers

BLOCK_COST = 24.0
"""Overhead of a block in cells: copies at its edges, the call, reordered weights."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows [top, bottom) and columns [left, right) of a layer's output canvas."""

    top: int
    bottom: int
    left: int
    right: int


def cover_with_blocks(cells: Tensor, block_cost: float = BLOCK_COST) -> list[Block]:
    """Return blocks of whole rows that cover the true cells of `cells` (M, M), as cheap together as can be.

    A block costs its area and `block_cost`.

    >>> cover_with_blocks(torch.eye(4).bool(), block_cost=3.0)
    [Block(top=0, bottom=2, left=0, right=2), Block(top=2, bottom=4, left=2, right=4)]
    """
    columns = torch.arange(cells.shape[1])
    firsts = torch.where(cells, columns, cells.shape[1]).amin(1).tolist()
    lasts = torch.where(cells, columns + 1, 0).amax(1).tolist()
    best: list[tuple[float, list[Block]]] = [(0.0, [])]
    for bottom in range(1, len(cells) + 1):
        options = [best[-1]] if lasts[bottom - 1] == 0 else []
        left, right = cells.shape[1], 0
        for top in range(bottom - 1, -1, -1):
            left, right = min(left, firsts[top]), max(right, lasts[top])
            if lasts[top] and right:
                cost, blocks = best[top]
                area = (bottom - top) * (right - left)
                options.append((cost + area + block_cost, [*blocks, Block(top, bottom, left, right)]))
        best.append(min(options, key=lambda option: option[0]))
    return best[-1][1]


class BlockPlan(nn.Module):
    """Where the cells of one layer's blocks come from and go to.

    `reads` and `writes` (M, M) bool are the cells of the input and of the output canvas that rows hold. Buffers, none
    of them saved: `inputs_i`, the row of each place of block i's input, the number of rows for a place that is 0;
    `outputs`, the place of each written row in all blocks' outputs together.
    """

    outputs: Tensor

    def __init__(self, reads: Tensor, writes: Tensor, kernel_size: int) -> None:
        super().__init__()
        self.blocks = cover_with_blocks(writes)
        self.halo = kernel_size - 1
        self.area = sum((block.bottom - block.top) * (block.right - block.left) for block in self.blocks)
        sources, start = numbers(reads), 0
        place_of = torch.zeros(writes.shape, dtype=torch.int64)
        for index, block in enumerate(self.blocks):
            under = sources[block.top : block.bottom + self.halo, block.left : block.right + self.halo]
            self.register_buffer(f"inputs_{index}", under.flatten().clone(), persistent=False)
            shape = (block.bottom - block.top, block.right - block.left)
            places = torch.arange(start, start + shape[0] * shape[1]).view(shape)
            place_of[block.top : block.bottom, block.left : block.right] = places
            start += places.numel()
        self.register_buffer("outputs", place_of[writes], persistent=False)

    def cost(self, batch: int) -> float:
        """Return what the convolution of `batch` maps costs, in products of C x O for one cell."""
        return (self.halo + 1) ** 2 * self.area * batch

    def forward(self, rows: Tensor, weight: Tensor) -> Tensor:
        """Return the convolution (B, m, O), without bias, of `rows` (B, n, C) with `weight` (O, C, k, k)."""
        inputs = [self.get_buffer(f"inputs_{index}") for index in range(len(self.blocks))]
        widths = tuple(block.right - block.left + self.halo for block in self.blocks)
        device = rows.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            rows, weight = rows.to(dtype), weight.to(dtype)
        with torch.autocast(device, enabled=False):
            result = _ConvolveBlocks.apply(rows, weight, self.outputs, widths, *inputs)  # type: ignore[no-untyped-call]
        return cast(Tensor, result)


class _ConvolveBlocks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, outputs: Tensor, widths: Sequence[int], *inputs: Tensor
    ) -> Tensor:
        ctx.save_for_backward(rows, weight, outputs, *inputs)
        ctx.widths = widths
        padded = _with_zero(rows)
        weight = weight.contiguous(memory_format=torch.channels_last)
        results = [
            F.conv2d(_block(padded, places, width), weight) for places, width in zip(inputs, widths, strict=True)
        ]
        flat = [result.permute(0, 2, 3, 1).flatten(1, 2) for result in results]
        return (flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)).index_select(1, outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, outputs, *inputs = ctx.saved_tensors
        wants_rows, wants_weight = ctx.needs_input_grad[:2]
        kernel = weight.shape[-1]
        weight = weight.contiguous(memory_format=torch.channels_last)
        padded = _with_zero(rows)
        to_rows = torch.zeros_like(padded) if wants_rows else None
        to_weight = torch.zeros_like(weight) if wants_weight else None
        sizes = [
            (len(places) // width - kernel + 1) * (width - kernel + 1)
            for places, width in zip(inputs, ctx.widths, strict=True)
        ]
        outer = gradients[0].new_zeros(len(rows), sum(sizes), len(weight)).index_copy_(1, outputs, gradients[0])
        for places, width, part in zip(inputs, ctx.widths, torch.split(outer, sizes, dim=1), strict=True):
            block = _block(padded, places, width)
            out = part.unflatten(1, (-1, width - kernel + 1)).permute(0, 3, 1, 2)  # type: ignore[no-untyped-call]
            back, forth, _ = torch.ops.aten.convolution_backward(
                out, block, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [wants_rows, wants_weight, False]
            )
            if to_rows is not None:
                to_rows.index_add_(1, places, back.permute(0, 2, 3, 1).flatten(1, 2))
            if to_weight is not None:
                to_weight += forth
        return None if to_rows is None else to_rows[:, :-1], to_weight, None, None, *([None] * len(inputs))


def _with_zero(rows: Tensor) -> Tensor:
    """Return `rows` (B, n, C) and one row of zeros after them."""
    return F.pad(rows, (0, 0, 0, 1))


def _block(padded: Tensor, places: Tensor, width: int) -> Tensor:
    """Return a block's input (B, C, h, w), its channels last in memory."""
    block = padded.index_select(1, places)
    return block.view(len(block), len(places) // width, width, block.shape[2]).permute(0, 3, 1, 2)
