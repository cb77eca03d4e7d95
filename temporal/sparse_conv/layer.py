"""One layer of the map convolution over active cells."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from temporal.sparse_conv.fft.tiles import TilePlan
from temporal.sparse_conv.norm import normalise_rows
from temporal.sparse_conv.row_blocks import BlockPlan


class ActiveLayer(nn.Module):
    """Conv, BatchNorm, ReLU and weights over rows (B, n, C), the cells that it reads, to (B, m, O), those it writes.

    The convolution goes by blocks of rows, or by tiles in the frequency domain where these are cheaper: with many
    channels and many maps. Weights and statistics stay in the modules that `forward` is given.
    """

    _neighbours: Tensor

    def __init__(self, reads: Tensor, writes: Tensor, count: Tensor, kernel_size: int) -> None:
        super().__init__()
        self.blocks = BlockPlan(reads, writes, kernel_size)
        self.tiles = TilePlan(reads, writes, kernel_size)
        self.canvas_places = writes.numel()
        self.register_buffer("_neighbours", count[writes], persistent=False)

    @classmethod
    def of_canvases(
        cls, canvases: Sequence[Tensor], counts: Sequence[Tensor], kernel_size: int
    ) -> Iterator["ActiveLayer"]:
        """Yield the layers that lead from each of `canvases` to the next; `counts` are those of valid_counts."""
        for (reads, writes), count in zip(pairwise(canvases), counts, strict=True):
            yield cls(reads, writes, count, kernel_size)

    def forward(self, rows: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
        """Return the layer's result of `rows`, in float32 at least."""
        convolved = self.plan(len(rows), conv)(rows, conv.weight)
        weights = 1 / self._neighbours.to(torch.promote_types(rows.dtype, torch.float32))
        return normalise_rows(convolved, conv.bias, norm, weights, self.canvas_places)

    def plan(self, batch: int, conv: nn.Conv2d) -> BlockPlan | TilePlan:
        """Return the plan that convolves `batch` maps with the fewest operations."""
        channels = conv.out_channels
        tiles_pay = self.tiles.cost(batch, channels, conv.weight.device.type) < self.blocks.cost(batch)
        return self.tiles if tiles_pay else self.blocks
