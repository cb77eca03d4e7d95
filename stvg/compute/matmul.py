"""Matrix products and linear layers, on CPUs by oneDNN.

The MKL behind torch's matmul and linear limits itself on processors other than Intel's, where it is half as fast as
oneDNN on float32 matrices.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


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


class OnednnLinear(nn.Linear):
    """nn.Linear that computes by oneDNN on CPUs, in float32 and outside of autocast; elsewhere it is nn.Linear."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return inputs (..., K) @ weight.T + bias."""
        if not _by_onednn(inputs) or torch.is_autocast_enabled("cpu"):
            return super().forward(inputs)
        out: Tensor = _Linear.apply(inputs, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return out


def use_onednn_linear(module: nn.Module) -> None:
    """Replace each nn.Linear inside `module` by an OnednnLinear with the same parameters, under the same name."""
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            # On the device "meta" initialisation draws no random numbers.
            linear = OnednnLinear(child.in_features, child.out_features, child.bias is not None, device="meta")
            linear.weight, linear.bias = child.weight, child.bias
            setattr(module, name, linear.train(child.training))
        else:
            use_onednn_linear(child)


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
