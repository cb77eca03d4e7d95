"""Convolutions over the sparse moment map that do not dim the cells beside holes and borders.

Source: ProposalConv of MCG-NJU/MMN (mmn/modeling/mmn/proposal_conv.py).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


class MapConv(nn.Module):
    """A stack of Conv, BatchNorm, ReLU over maps; each cell is then divided by its number of valid neighbours.

    The convolutions' biases are not trained: before BatchNorm their gradient is zero, and what rounding leaves of it in
    float32 (up to 3 % of a true gradient) AdamW would enlarge to full steps. The official code lets them drift so.

    BatchNorm's statistics in training include the padded canvas and the cells outside the mask, as in the official
    code: a sparse implementation has to add them.

    Raises:
        ValueError: no layer, or (kernel_size - 1) * num_layers is odd, so that no padding gives back N x N.
    """

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int, num_layers: int, mask: Tensor) -> None:
        super().__init__()
        if num_layers < 1 or (kernel_size - 1) * num_layers % 2:
            raise ValueError("conv_kernel, conv_layers: expected at least one layer and (kernel - 1) * layers even, "
                             f"got {kernel_size}, {num_layers}")  # fmt: skip
        padding = (kernel_size - 1) * num_layers // 2
        self.convs = nn.ModuleList([nn.Conv2d(input_size, hidden_size, kernel_size, padding=padding)])
        self.convs.extend(nn.Conv2d(hidden_size, hidden_size, kernel_size) for _ in range(num_layers - 1))
        for name, parameter in self.convs.named_parameters():
            parameter.requires_grad_(not name.endswith("bias"))
        self.norms = nn.ModuleList(nn.BatchNorm2d(hidden_size) for _ in range(num_layers))
        for layer, count in enumerate(valid_counts(mask, kernel_size, num_layers)):
            self.register_buffer(f"_valid_count_{layer}", count, persistent=False)

    def _cell_weights(self, layer: int, dtype: torch.dtype) -> Tensor:
        """Return 1 / (valid cells under the kernel), 0 where there are none.

        The buffers hold integers, so that the weights are exact in whatever precision the features have.
        """
        count = self.get_buffer(f"_valid_count_{layer}")
        return (count > 0).to(dtype) / count.clamp(min=1).to(dtype)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (B, H, N, N) from `maps` (B, D, N, N), which are zero outside the mask."""
        for layer, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            maps = norm(conv(maps)).relu()
            maps = maps * self._cell_weights(layer, maps.dtype)
        return maps
