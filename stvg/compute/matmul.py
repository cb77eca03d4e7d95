"""Products of matrices, on CPUs by the library that is fastest there.

oneDNN takes products of float32 matrices there: the MKL behind torch's matmul and linear holds back on processors other
than Intel's, where it is half as fast.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode


def product(left: Tensor, right: Tensor) -> Tensor:
    """Return `left` (M, K) @ `right` (K, N); each lies in memory without gaps, as it is or transposed. No gradients."""
    if not _by_onednn(left):
        return left @ right
    return _onednn_linear(left, right.T)


def multiply_each(rows: Tensor, weights: Tensor) -> Tensor:
    """Return rows[f] @ weights[f].T, (F, R, O), of `rows` (F, R, C) and `weights` (F, O, C)."""
    if not _by_onednn(rows):
        return rows @ weights.transpose(1, 2)
    out = rows.new_empty(*rows.shape[:2], weights.shape[1])
    for one, weight, to in zip(rows, weights, out, strict=True):
        to.copy_(product(one, weight.T))
    return out


def correlate_each(rows: Tensor, outer: Tensor) -> Tensor:
    """Return rows[f].T @ outer[f], (F, C, O), of `rows` (F, R, C) and `outer` (F, R, O)."""
    if not _by_onednn(rows):
        return rows.transpose(1, 2) @ outer
    out = rows.new_empty(len(rows), rows.shape[2], outer.shape[2])
    for one, other, to in zip(rows, outer, out, strict=True):
        to.copy_(product(one.T, other))
    return out


class FastLinear(TorchFunctionMode):
    """Within it torch's linear layers go by oneDNN where that is faster; what they compute is the same."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return what `func` gives, by oneDNN for linear layers."""
        if func is F.linear and not kwargs and _by_onednn(args[0]) and not torch.is_autocast_enabled("cpu"):
            return _Linear.apply(args[0], args[1], args[2] if len(args) > 2 else None)  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return _onednn_linear(inputs.contiguous(), weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        outer = gradients[0].reshape(-1, len(weight))
        rows = inputs.reshape(len(outer), -1)
        wants_inputs, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            product(outer, weight).view(inputs.shape) if wants_inputs else None,
            product(outer.T, rows) if wants_weight else None,
            outer.sum(0) if wants_bias else None,
        )


def _by_onednn(matrix: Tensor) -> bool:
    return (
        matrix.device.type == "cpu"
        and matrix.dtype == torch.float32
        and matrix.numel() > 0
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


def _onednn_linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `inputs` (..., K) @ weight.T + bias, of `weight` (N, K) and `bias` (N,)."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return result
