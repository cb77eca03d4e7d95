"""BatchNorm and ReLU over active cells, with statistics of the whole canvas.

Before BatchNorm a cell that no moment reaches holds the convolution's bias. BatchNorm's statistics in training count
it all the same, as the official code does. Rows here come without the bias, so such a cell is 0.
"""

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from temporal.distributed.batch_norm import SynchronisedBatchNorm2d, combine_statistics, move_running_statistics
from temporal.distributed.ranks import Ranks


def normalise_rows(rows: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d, weights: Tensor, places: int) -> Tensor:
    """Return relu(norm(rows + bias)) * weights, (B, n, C).

    `rows` (B, n, C) are the cells that moments reach, of canvases of `places` cells; `weights` (n,). In training the
    statistics are those of all places, of all ranks where `norm` is a SynchronisedBatchNorm2d, and the running ones are
    moved. The statistics follow the bias, so it has no gradient: zeros, where the convolution's own is rounding.

    Raises:
        ValueError: there is but one value per channel in training.
    """
    if not norm.training:
        return _apply_running(rows, bias, norm, weights)
    ranks = norm.ranks if isinstance(norm, SynchronisedBatchNorm2d) else Ranks()
    mean, variance, count = _statistics(rows.detach(), places, ranks)
    shift = 0 if bias is None else bias.detach().double()
    move_running_statistics(norm, mean + shift, variance * (count / (count - 1)))
    dtype = torch.promote_types(rows.dtype, torch.float32)
    inverse = (variance + norm.eps).rsqrt().to(dtype)
    return cast(
        Tensor,
        _NormaliseRows.apply(  # type: ignore[no-untyped-call]
            rows, norm.weight, norm.bias, bias, mean.to(dtype), inverse, weights, count, ranks
        ),
    )


def _apply_running(rows: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d, weights: Tensor) -> Tensor:
    """Return what eval mode gives: BatchNorm and bias folded to one factor and one offset per channel."""
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    factor = (variance + norm.eps).rsqrt() * norm.weight
    mean = mean if bias is None else mean - bias
    offset = norm.bias - mean * factor
    return torch.addcmul(offset, rows, factor).relu_() * weights[:, None]


@torch.no_grad()
def _statistics(rows: Tensor, places: int, ranks: Ranks) -> tuple[Tensor, Tensor, int]:
    """Return mean and biased variance (C,), float64, over all places of all ranks, and how many values that is.

    Raises:
        ValueError: fewer than two values per channel.
    """
    local_count = len(rows) * places
    local = torch.zeros(2, rows.shape[2], dtype=torch.float64, device=rows.device)
    if local_count:
        flat = rows.to(torch.promote_types(rows.dtype, torch.float32)).flatten(0, 1)
        mean = flat.sum(0).double() / local_count
        # Two passes, as nothing then cancels where the mean is large; the second mends the rounded mean.
        deviations = flat - mean.to(flat.dtype)
        rest = local_count - len(flat)
        missed = (deviations.sum(0).double() - rest * mean) / local_count
        squares = (deviations.square_().sum(0).double() + rest * mean.square()) / local_count
        local = torch.stack([mean + missed, squares - missed.square()])
    return combine_statistics(local, local_count, ranks)


class _NormaliseRows(torch.autograd.Function):
    """relu((rows - mean) * inverse * weight + bias) * cells, where mean and inverse are those of all places' values."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        weight: Tensor,
        bias: Tensor,
        conv_bias: Tensor | None,
        mean: Tensor,
        inverse: Tensor,
        cells: Tensor,
        count: int,
        ranks: Ranks,
    ) -> Tensor:
        ctx.save_for_backward(rows, weight, bias, conv_bias, mean, inverse, cells)
        ctx.count, ctx.ranks = count, ranks
        factor = inverse * weight
        return torch.addcmul(bias - mean * factor, rows, factor).relu_().mul_(cells[:, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, bias, conv_bias, mean, inverse, cells = ctx.saved_tensors
        factor = inverse * weight
        open_ = torch.addcmul(bias - mean * factor, rows, factor) > 0
        gradient = gradients[0] * cells[:, None] * open_
        normed = (rows - mean).mul_(inverse)
        # Cells that no moment reaches have no gradient of their own, only a share in the sums' divisor.
        sums = torch.stack([gradient.sum((0, 1)), (gradient * normed).sum((0, 1))])
        bias_gradient, weight_gradient = sums[0].clone(), sums[1].clone()
        if ctx.ranks.size > 1:
            dist.all_reduce(sums)
        offset, slope = sums / ctx.count
        to_rows = gradient.sub_(offset).addcmul_(normed, slope, value=-1).mul_(factor)
        to_bias = None if conv_bias is None else torch.zeros_like(conv_bias)
        return to_rows.to(rows.dtype), weight_gradient, bias_gradient, to_bias, None, None, None, None, None
