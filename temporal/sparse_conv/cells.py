"""Cells of the map that each convolution reads and writes.

All of it follows from the mask of candidate moments, and is worked out once when the network is built.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def valid_counts(mask: Tensor, kernel_size: int, num_layers: int) -> list[Tensor]:
    """Return, for each layer, how many valid cells lie under the kernel at each place, int64 (M_l, M_l).

    `mask` (N, N) bool. Layer 1 is padded by (k - 1) * L / 2 on each side and no other is, so M_L = N. A cell is valid
    after a layer when any cell under the kernel was valid before it.
    """
    valid, counts = mask, []
    kernel = torch.ones(1, 1, kernel_size, kernel_size, dtype=torch.float64)
    for layer in range(num_layers):
        padding = (kernel_size - 1) * num_layers // 2 if layer == 0 else 0
        count = F.conv2d(valid[None, None].double(), kernel, padding=padding)[0, 0].round().long()
        counts.append(count)
        valid = count > 0
    return counts


def reachable_cells(mask: Tensor, counts: list[Tensor], kernel_size: int) -> list[Tensor]:
    """Return the cells (M_l, M_l) bool of the padded map and of each layer that moments can reach: L + 1 canvases.

    All others are the same whatever the moments are. Training needs these, since BatchNorm sees them all.
    """
    padding = (kernel_size - 1) * len(counts) // 2
    return [F.pad(mask, [padding] * 4), *(count > 0 for count in counts)]


def needed_cells(mask: Tensor, counts: list[Tensor], kernel_size: int) -> list[Tensor]:
    """Return those of reachable_cells on which the candidate moments' own cells depend: all that eval needs."""
    reachable = reachable_cells(mask, counts, kernel_size)
    needed, kernel = [mask], torch.ones(1, 1, kernel_size, kernel_size, dtype=torch.float64)
    for cells in reachable[-2:0:-1]:
        spread = F.conv_transpose2d(needed[0][None, None].double(), kernel)[0, 0] > 0.5
        needed.insert(0, spread & cells)
    return [reachable[0], *needed]


def numbers(cells: Tensor) -> Tensor:
    """Return the number of each true cell of `cells`, counted row by row; elsewhere how many there are.

    >>> numbers(torch.tensor([[True, False], [True, True]]))
    tensor([[0, 3],
            [1, 2]])
    """
    counted = (cells.flatten().cumsum(0) - 1).view_as(cells)
    return counted.masked_fill(~cells, int(cells.sum()))
