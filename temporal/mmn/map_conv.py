"""Convolutions over the moment map, normalised by valid neighbours.

Source: ProposalConv of MCG-NJU/MMN (mmn/modeling/mmn/proposal_conv.py).
"""

from typing import Literal, cast

import torch
from torch import Tensor, nn

from temporal.sparse_conv.cells import needed_cells, reachable_cells, valid_counts
from temporal.sparse_conv.layer import ActiveLayer

MapKernel = Literal["active", "dense"]


class MapConv(nn.Module):
    """A stack of Conv, BatchNorm, ReLU over maps; each cell is then divided by its number of valid neighbours.

    The convolutions' biases are not trained: before BatchNorm their gradient is zero, and what rounding leaves of it in
    float32 (up to 3 % of a true gradient) AdamW would enlarge to full steps. The official code lets them drift so.

    BatchNorm's statistics in training include the padded canvas and the cells outside the mask, as in the official
    code. `map_kernel` "dense" computes the whole canvas; "active" the cells that moments reach, and adds the others,
    whose value is known, to the statistics; in eval mode only the cells that the candidate moments depend on. Both
    give the same numbers but for rounding.

    Raises:
        ValueError: no layer, or (kernel_size - 1) * num_layers is odd, so that no padding gives back N x N.
    """

    _cells: Tensor
    _moments: Tensor

    def __init__(
        self, input_size: int, hidden_size: int, kernel_size: int, num_layers: int, mask: Tensor, map_kernel: MapKernel
    ) -> None:
        super().__init__()
        if num_layers < 1 or (kernel_size - 1) * num_layers % 2:
            raise ValueError(
                "conv_kernel, conv_layers: expected at least one layer and (kernel - 1) * layers even, "
                f"got {kernel_size}, {num_layers}"
            )
        padding = (kernel_size - 1) * num_layers // 2
        self.convs = nn.ModuleList([nn.Conv2d(input_size, hidden_size, kernel_size, padding=padding)])
        self.convs.extend(nn.Conv2d(hidden_size, hidden_size, kernel_size) for _ in range(num_layers - 1))
        for name, parameter in self.convs.named_parameters():
            parameter.requires_grad_(not name.endswith("bias"))
        self.norms = nn.ModuleList(nn.BatchNorm2d(hidden_size) for _ in range(num_layers))
        self.map_kernel = map_kernel
        counts = valid_counts(mask, kernel_size, num_layers)
        self.register_buffer("_cells", mask.flatten().nonzero()[:, 0], persistent=False)
        for layer, count in enumerate(counts):
            self.register_buffer(f"_valid_count_{layer}", count, persistent=False)
        if map_kernel == "active":
            reachable = reachable_cells(mask, counts, kernel_size)
            self._reachable = nn.ModuleList(ActiveLayer.of_canvases(reachable, counts, kernel_size))
            needed = needed_cells(mask, counts, kernel_size)
            self._needed = nn.ModuleList(ActiveLayer.of_canvases(needed, counts, kernel_size))
            # Where the moments are among the cells that the last layer reaches.
            moments = torch.searchsorted(reachable[-1].flatten().nonzero()[:, 0], self._cells)
            self.register_buffer("_moments", moments, persistent=False)

    def _cell_weights(self, layer: int, dtype: torch.dtype) -> Tensor:
        """Return 1 / (valid cells under the kernel), 0 where there are none.

        The buffers hold integers, so that the weights are exact in whatever precision the features have.
        """
        count = self.get_buffer(f"_valid_count_{layer}")
        return (count > 0).to(dtype) / count.clamp(min=1).to(dtype)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, H, N, N) from `maps` (B, D, N, N), which are zero outside the mask.

        Of the result the cells of the mask count. The others are not zero everywhere with "dense".
        """
        if self.map_kernel == "dense":
            return self._forward_dense(maps)
        rows = self._forward_active(maps)
        canvas = rows.new_zeros(len(rows), rows.shape[2], maps[0, 0].numel())
        canvas[:, :, self._cells] = rows.transpose(1, 2)
        return canvas.view(len(rows), rows.shape[2], *maps.shape[2:])

    def moments(self, maps: Tensor) -> Tensor:
        """Return the cells of the mask, row by row, (B, K, H), of what `forward` gives."""
        if self.map_kernel == "dense":
            return self._forward_dense(maps).flatten(2).index_select(2, self._cells).transpose(1, 2)
        return self._forward_active(maps)

    def _forward_dense(self, maps: Tensor) -> Tensor:
        for layer, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            maps = norm(conv(maps)).relu()
            maps = maps * self._cell_weights(layer, maps.dtype)
        return maps

    def _forward_active(self, maps: Tensor) -> Tensor:
        """Return the cells of the mask (B, K, H)."""
        # One layer that takes its statistics from the batch needs all cells of all layers below it.
        statistics = any(norm.training for norm in self.norms)
        layers = self._reachable if statistics else self._needed
        rows = maps.flatten(2).index_select(2, self._cells).transpose(1, 2)
        for layer, conv, norm in zip(layers, self.convs, self.norms, strict=True):
            rows = cast(ActiveLayer, layer)(rows, conv, norm)
        return rows.index_select(1, self._moments) if statistics else rows
