"""Many products of matrices at once, on CPUs by the library that is fastest there."""

import torch
import torch.nn.functional as F
from torch import Tensor


def multiply_each(rows: Tensor, weights: Tensor, out: Tensor) -> Tensor:
    """Return `out` (F, R, O) with rows[f] @ weights[f].T, of `rows` (F, R, C) and `weights` (F, O, C)."""
    if not _convolves(rows):
        return torch.bmm(rows, weights.transpose(1, 2), out=out)
    for one, weight, to in zip(rows, weights, out, strict=True):
        # A 1 x 1 convolution is done by oneDNN, here twice as fast as the MKL behind matmul, which holds back on
        # processors other than Intel's. The dilation means nothing, but with one thread torch needs it to ask oneDNN.
        to.copy_(F.conv2d(_pixels(one), weight[:, :, None, None], dilation=2)[0, :, :, 0].T)
    return out


def correlate_each(rows: Tensor, outer: Tensor, out: Tensor) -> Tensor:
    """Return `out` (F, C, O) with rows[f].T @ outer[f], of `rows` (F, R, C) and `outer` (F, R, O)."""
    if not _convolves(rows):
        return torch.bmm(rows.transpose(1, 2), outer, out=out)
    for one, other, to in zip(rows, outer, out, strict=True):
        # Of the weight, here `to`, only the shape is read.
        _, product, _ = torch.ops.aten.convolution_backward(
            _pixels(one), _pixels(other), to[:, :, None, None], None,
            [1, 1], [0, 0], [2, 2], False, [0, 0], 1, [False, True, False],
        )  # fmt: skip
        to.copy_(product[:, :, 0, 0])
    return out


def _convolves(rows: Tensor) -> bool:
    return rows.device.type == "cpu" and rows.dtype == torch.float32 and rows.numel() > 0


def _pixels(rows: Tensor) -> Tensor:
    """Return `rows` (R, C) as one picture (1, C, R, 1), its channels last in memory."""
    return rows[None, :, None].permute(0, 3, 1, 2)
