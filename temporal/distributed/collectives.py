"""Gather embeddings and sum gradients across ranks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from temporal.distributed.ranks import Ranks

BUCKET_ELEMENTS = 16 * 2**20
"""Size of the buckets in which gradients are sent (64 MiB of float32), which bounds the copy."""


def gather_rows(local: Tensor, counts: Sequence[int], ranks: Ranks) -> Tensor:
    """Return the rows of all ranks (sum of counts, ...), in the order of the ranks.

    `local` (counts[rank], ...) are this rank's; 0 rows are allowed, the other sizes and the dtype must agree.

    The gradient of `local` is that of its slice of the result, and nothing is sent for it: so it is complete where
    every rank computes the same loss from what is returned, and only there.

    Raises:
        ValueError: `counts` does not fit the ranks or `local`.
    """
    if len(counts) != ranks.size or counts[ranks.rank] != len(local):
        raise ValueError(
            f"counts: expected {ranks.size} counts with {len(local)} at place {ranks.rank}, got {list(counts)}"
        )
    if ranks.size == 1 or not sum(counts):
        return local
    return cast(Tensor, _GatherRows.apply(local, tuple(counts), ranks.rank))  # type: ignore[no-untyped-call]


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor, counts: tuple[int, ...], rank: int) -> Tensor:
        ctx.start, ctx.count = sum(counts[:rank]), counts[rank]
        # gloo sends pieces of one size only.
        padded = local.new_zeros(max(counts), *local.shape[1:])
        padded[: len(local)] = local
        gathered = gather_tensors(padded, len(counts))
        return torch.cat([rows[:count] for rows, count in zip(gathered, counts, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        return gradient.narrow(0, ctx.start, ctx.count), None, None


def gather_tensors(local: Tensor, size: int) -> Tensor:
    """Return the tensors `local` (...) of all `size` ranks (size, ...), of one shape and dtype; without gradient."""
    gathered = local.new_empty(size, *local.shape)
    dist.all_gather(list(gathered), local.contiguous())
    return gathered


def sum_gradients(parameters: Iterable[nn.Parameter], ranks: Ranks, bucket_elements: int = BUCKET_ELEMENTS) -> None:
    """Replace the gradient of each trained parameter by its sum over the ranks, bitwise the same on all of them.

    A rank without a gradient for a parameter adds nothing; where no rank has one it stays None. Which parameters are
    trained (`requires_grad`) must agree between the ranks. Call it after backward, before the norm is clipped.
    """
    if ranks.size == 1:
        return
    for bucket in _buckets([parameter for parameter in parameters if parameter.requires_grad], bucket_elements):
        sizes = [parameter.numel() for parameter in bucket]
        present = bucket[0].new_tensor([parameter.grad is not None for parameter in bucket])
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), present])
        dist.all_reduce(flat)
        *summed, present = torch.split(flat, [*sizes, len(bucket)])
        for parameter, gradient, count in zip(bucket, summed, present.tolist(), strict=True):
            if count:
                parameter.grad = gradient.view_as(parameter)


def _buckets(parameters: Sequence[nn.Parameter], bucket_elements: int) -> Iterator[list[nn.Parameter]]:
    """Yield neighbours of one dtype, together of at most `bucket_elements` numbers, or one parameter that has more."""
    bucket: list[nn.Parameter] = []
    room = bucket_elements
    for parameter in parameters:
        if bucket and (parameter.dtype != bucket[0].dtype or parameter.numel() > room):
            yield bucket
            bucket, room = [], bucket_elements
        bucket.append(parameter)
        room -= parameter.numel()
    if bucket:
        yield bucket
