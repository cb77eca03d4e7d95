"""BatchNorm over the batches of all ranks, on any device.

torch.nn.SyncBatchNorm needs GPUs; this one is for gloo as well, and so can be tested anywhere.
"""

from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from temporal.distributed.collectives import gather_tensors
from temporal.distributed.ranks import Ranks

_DIMS = (0, 2, 3)


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d whose statistics in training are those of the maps (B, C, H, W) of all ranks together.

    It takes the place of `norm`, whose parameters, buffers, options, mode and hooks it shares. In eval mode, and in a
    process alone, it does what nn.BatchNorm2d does.

    A rank may have B = 0, but has to take part, backward too. The gradients of weight and bias are this rank's share
    of the sum over the ranks, that of the input is complete.

    Raises:
        ValueError: there is but one value per channel on all ranks together.
    """

    def __init__(self, norm: nn.BatchNorm2d, ranks: Ranks) -> None:
        super().__init__(norm.num_features)
        vars(self).update(vars(norm))
        self.ranks = ranks

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name in nn.BatchNorm2d)
        """Return `input` (B, C, H, W) normalised; in training the running statistics are moved."""
        if not self.training or self.ranks.size == 1:
            return super().forward(input)
        self._check_input_dim(input)
        mean, variance, count = _global_statistics(input, self.ranks)
        move_running_statistics(self, mean, variance * (count / (count - 1)))
        normalised = _Normalise.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, mean.to(_precise(input)), variance.to(_precise(input)), count, self.eps
        )
        return cast(Tensor, normalised)


def synchronise_batch_norm(module: nn.Module, ranks: Ranks) -> None:
    """Replace every nn.BatchNorm2d below `module` by its synchronised form; parameters and names stay what they are.

    In a process alone nothing is replaced.

    Raises:
        ValueError: a BatchNorm of another kind, which would see its own rank's batch alone.
    """
    if ranks.size == 1:
        return
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, SynchronisedBatchNorm2d(child, ranks))
            elif isinstance(child, _BatchNorm) and not isinstance(child, SynchronisedBatchNorm2d):
                raise ValueError(f"module: expected no BatchNorm but nn.BatchNorm2d, got {type(child).__name__}")


@torch.no_grad()
def _global_statistics(maps: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, int]:
    """Return mean and biased variance (C,), float64, of `maps` (B, C, H, W) of all ranks, and the values per channel.

    Raises:
        ValueError: fewer than two values per channel.
    """
    channels, local_count = maps.shape[1], maps.numel() // maps.shape[1]
    local = torch.zeros(2, channels, dtype=torch.float64, device=maps.device)
    if local_count:
        # Two passes, as torch.var_mean's one pass is eight times slower on CPUs; the second mends the rounded mean.
        maps = maps.to(_precise(maps))
        rounded_mean = maps.mean(_DIMS)
        deviations = maps - _by_channel(rounded_mean)
        mean = rounded_mean.double() + deviations.mean(_DIMS)
        local = torch.stack([mean, deviations.square_().mean(_DIMS)])
    return combine_statistics(local, local_count, ranks)


def combine_statistics(statistics: Tensor, count: int, ranks: Ranks) -> tuple[Tensor, Tensor, int]:
    """Return mean and biased variance (C,) over all ranks, and the values per channel, from each rank's own.

    `statistics` (2, C) float64 are this rank's mean and biased variance of `count` values. The variances and the
    squared deviations of the ranks' means are averaged (Chan, Golub, LeVeque 1983), so that nothing cancels where the
    mean is large; one message per call, in a process alone none.

    Raises:
        ValueError: fewer than two values per channel.
    """
    if ranks.size > 1:
        counted = torch.cat([statistics, statistics.new_full((2, 1), count)], dim=1)
        means, variances = gather_tensors(counted, ranks.size).unbind(dim=1)
        counts = means[:, -1:]
        count = int(counts.sum())
        means, variances, weights = means[:, :-1], variances[:, :-1], counts / max(count, 1)
        mean = (weights * means).sum(dim=0)
        statistics = torch.stack([mean, (weights * (variances + (means - mean) ** 2)).sum(dim=0)])
    if count < 2:
        raise ValueError(f"maps: expected more than one value per channel in training, got {count} on all ranks")
    mean, variance = statistics
    return mean, variance, count


@torch.no_grad()
def move_running_statistics(norm: nn.BatchNorm2d, mean: Tensor, unbiased_variance: Tensor) -> None:
    """Move the running statistics as nn.BatchNorm2d does; a `momentum` of None averages over all steps."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    for running, value in ((norm.running_mean, mean), (norm.running_var, unbiased_variance)):
        running.mul_(1 - share).add_(value.to(running.dtype), alpha=share)


def _precise(maps: Tensor) -> torch.dtype:
    """Return the dtype in which statistics of `maps` are computed: float32, or their own if that is wider."""
    return torch.promote_types(maps.dtype, torch.float32)


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) * weight + bias, where mean and variance are those of all ranks' x."""

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        count: int,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(maps, weight, mean, (variance + eps).rsqrt())
        ctx.count, ctx.has_bias = count, bias is not None
        return F.batch_norm(maps, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight, mean, inverse_deviation = ctx.saved_tensors
        gradient = gradients[0].to(mean.dtype)
        normed = (maps - _by_channel(mean)) * _by_channel(inverse_deviation)
        sums = torch.stack([gradient.sum(_DIMS), (gradient * normed).sum(_DIMS)])
        bias_gradient = sums[0].clone() if ctx.has_bias else None
        weight_gradient = sums[1].clone() if weight is not None else None
        dist.all_reduce(sums)
        offset, slope = sums / ctx.count
        scale = inverse_deviation if weight is None else inverse_deviation * weight
        gradient = (gradient - _by_channel(offset)).addcmul_(normed, _by_channel(slope), value=-1)
        return gradient.mul_(_by_channel(scale)).to(maps.dtype), weight_gradient, bias_gradient, None, None, None, None


def _by_channel(values: Tensor) -> Tensor:
    """Return `values` (C,) as (C, 1, 1), to be spread over maps."""
    return values[:, None, None]
