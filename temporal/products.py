"""Many products of matrices at once, on CPUs by the library that is fastest there."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight


def multiply_each(rows: Tensor, weights: Tensor) -> Tensor:
    """Return rows[f] @ weights[f].T, (F, R, O), of `rows` (F, R, C) and `weights` (F, O, C)."""
    if not _convolves(rows):
        return rows @ weights.transpose(1, 2)
    result = rows.new_empty(len(rows), rows.shape[1], weights.shape[1])
    for one, weight, to in zip(rows, weights, result, strict=True):
        # A 1 x 1 convolution is done by oneDNN, here twice as fast as the MKL behind matmul, which holds back on
        # processors other than Intel's. The dilation means nothing, but with one thread torch needs it to ask oneDNN.
        to.copy_(F.conv2d(_pixels(one), weight[:, :, None, None], dilation=2)[0, :, :, 0].T)
    return result


def correlate_each(rows: Tensor, outer: Tensor) -> Tensor:
    """Return outer[f].T @ rows[f] transposed, (F, C, O), of `rows` (F, R, C) and `outer` (F, R, O)."""
    if not _convolves(rows):
        return rows.transpose(1, 2) @ outer
    shape = (rows.shape[2], outer.shape[2], 1, 1)
    products = [
        conv2d_weight(_pixels(out), shape, _pixels(one), dilation=2)  # type: ignore[no-untyped-call]
        for one, out in zip(rows, outer, strict=True)
    ]
    return torch.stack(products).flatten(2).view(len(rows), *shape[:2])


def _convolves(rows: Tensor) -> bool:
    return rows.device.type == "cpu" and rows.dtype == torch.float32 and rows.numel() > 0


def _pixels(rows: Tensor) -> Tensor:
    """Return `rows` (R, C) as one picture (1, C, R, 1), its channels last in memory."""
    return rows[None, :, None].permute(0, 3, 1, 2)
