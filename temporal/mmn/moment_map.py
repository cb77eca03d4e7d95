"""The sparse 2D moment map: its candidate moments and their features.

Cell [i, j] of an N x N map is the moment from the start of clip i to the end of clip j. All diagonals are short
moments; longer ones are kept only every 2nd, 4th, ... clip, so that the number of cells grows slowly.

Source: SparseMaxPool and SparseConv of MCG-NJU/MMN (mmn/modeling/mmn/feat2d.py), after 2D-TAN.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from stvg.types import BoolArray, Floats, IntArray

MapKind = Literal["pool", "conv"]
Seconds = npt.NDArray[np.float64]


def _diagonals(num_clips: int, pooling_counts: Sequence[int]) -> list[tuple[int, int]]:
    """Return (offset, stride) of each diagonal off the main one.

    Raises:
        ValueError: the counts reach beyond the map.
    """
    offset, diagonals = 0, []
    for group, count in enumerate(pooling_counts):
        for _ in range(count):
            offset += 2**group
            diagonals.append((offset, 2**group))
    if offset >= num_clips:
        raise ValueError(
            f"pooling_counts: expected diagonals inside a map of {num_clips} clips, got {tuple(pooling_counts)}"
        )
    return diagonals


def moment_map_mask(num_clips: int, pooling_counts: Sequence[int]) -> BoolArray:
    """Return the (N, N) bool mask of the candidate moments; `pooling_counts` are the diagonals at stride 1, 2, 4, ...

    Raises:
        ValueError: the counts do not fit the map.

    >>> moment_map_mask(5, (2, 1)).astype(int)
    array([[1, 1, 1, 0, 1],
           [0, 1, 1, 1, 0],
           [0, 0, 1, 1, 1],
           [0, 0, 0, 1, 1],
           [0, 0, 0, 0, 1]])
    """
    mask = np.eye(num_clips, dtype=np.bool_)
    for offset, stride in _diagonals(num_clips, pooling_counts):
        starts = np.arange(0, num_clips - offset, stride)
        mask[starts, starts + offset] = True
    return mask


def moment_cells(mask: BoolArray) -> IntArray:
    """Return the cells (K, 2) int64, (i, j) of each true entry of `mask` (N, N), row by row.

    This is the order of `scores[..., mask]`: every (..., K) array of the project has its cells so.
    """
    cells: IntArray = np.argwhere(mask)
    return cells


def cell_spans_s(cells: IntArray, num_clips: int, duration_s: float) -> Seconds:
    """Return the moments (K, 2) float64 of `cells` (K, 2): [i, j + 1] * duration / N, in the duration's unit.

    >>> cell_spans_s(np.array([[0, 0], [1, 3]]), 4, 10.0).tolist()
    [[0.0, 2.5], [2.5, 10.0]]
    """
    spans: Seconds = (cells + np.array([0, 1])) * duration_s / num_clips
    return spans


def cell_spans_frames(cells: IntArray, num_clips: int, num_frames: int) -> IntArray:
    """Return the half-open frame spans (K, 2) int64 of `cells` (K, 2): round([i, j + 1] / N * T).

    A span is empty (start == stop) where T < N leaves a clip without a frame; its cell is no candidate.

    >>> cell_spans_frames(np.array([[0, 0], [1, 3]]), 4, 10).tolist()
    [[0, 2], [2, 10]]
    """
    spans: IntArray = np.round((cells + np.array([0, 1])) / num_clips * num_frames).astype(np.int64)
    return spans


def span_iou(spans: npt.ArrayLike, truths: npt.ArrayLike) -> Seconds:
    """Return tIoU, float64 in [0, 1], of `spans` (..., 2) with `truths` (..., 2), broadcast against each other.

    Intersection over the hull max(end) - min(start), as MMN has it: for moments that meet the hull is the union.

    >>> span_iou([[0.0, 4.0], [6.0, 8.0]], [2.0, 6.0]).round(3).tolist()
    [0.333, 0.0]
    """
    a, b = np.asarray(spans, dtype=np.float64), np.asarray(truths, dtype=np.float64)
    inter = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    hull = np.maximum(a[..., 1], b[..., 1]) - np.minimum(a[..., 0], b[..., 0])
    iou: Seconds = np.maximum(inter, 0.0) / hull
    return iou


class MomentMap2D(nn.Module):
    """Lays clip features (B, D, N) out as a map (B, D, N, N), zero outside the mask.

    The main diagonal holds the clips; each further diagonal comes from the one before by a layer over neighbours.

    Attributes:
        mask: the (N, N) bool buffer of candidate moments.
    """

    mask: Tensor
    _flat_cells: Tensor

    def __init__(self, num_clips: int, pooling_counts: Sequence[int]) -> None:
        super().__init__()
        mask = moment_map_mask(num_clips, pooling_counts)
        flat = [torch.arange(num_clips) * (num_clips + 1)]
        for offset, stride in _diagonals(num_clips, pooling_counts):
            starts = torch.arange(0, num_clips - offset, stride)
            flat.append(starts * num_clips + starts + offset)
        self.register_buffer("mask", torch.from_numpy(mask), persistent=False)
        self.register_buffer("_flat_cells", torch.cat(flat), persistent=False)

    def _layers(self) -> nn.ModuleList:
        """Return the layers that lead from each diagonal to the next."""
        raise NotImplementedError

    def forward(self, clips: Tensor) -> Tensor:
        """Return the map (B, D, N, N) of clip features `clips` (B, D, N)."""
        batch, dim, num_clips = clips.shape
        diagonals = [clips]
        for layer in self._layers():
            diagonals.append(layer(diagonals[-1]))
        canvas = clips.new_zeros(batch, dim, num_clips * num_clips)
        canvas[:, :, self._flat_cells] = torch.cat(diagonals, dim=2).to(canvas.dtype)
        return canvas.view(batch, dim, num_clips, num_clips)


class PoolMomentMap(MomentMap2D):
    """A moment's feature is the maximum over its clips, gained step by step with kernels 2 and 3."""

    def __init__(self, num_clips: int, pooling_counts: Sequence[int]) -> None:
        super().__init__(num_clips, pooling_counts)
        self.pools = nn.ModuleList(nn.MaxPool1d(*shape) for shape in _layer_shapes(pooling_counts))

    def _layers(self) -> nn.ModuleList:
        return self.pools


class ConvMomentMap(MomentMap2D):
    """A moment's feature comes from shorter moments by one learned convolution per diagonal."""

    def __init__(self, num_clips: int, pooling_counts: Sequence[int], hidden_size: int) -> None:
        super().__init__(num_clips, pooling_counts)
        self.convs = nn.ModuleList(
            nn.Conv1d(hidden_size, hidden_size, *shape) for shape in _layer_shapes(pooling_counts)
        )

    def _layers(self) -> nn.ModuleList:
        return self.convs


def _layer_shapes(pooling_counts: Sequence[int]) -> list[tuple[int, int]]:
    """Return (kernel, stride) of the step to each diagonal: (3, 2) opens every group after the first, else (2, 1)."""
    return [
        (3, 2) if group and position == 0 else (2, 1)
        for group, count in enumerate(pooling_counts)
        for position in range(count)
    ]


def make_moment_map(kind: MapKind, num_clips: int, pooling_counts: Sequence[int], hidden_size: int) -> MomentMap2D:
    """Return the map builder of that kind; `hidden_size` is the width of the clip features."""
    if kind == "pool":
        return PoolMomentMap(num_clips, pooling_counts)
    return ConvMomentMap(num_clips, pooling_counts, hidden_size)


def moment_ious(moments: Floats, mask: Tensor) -> Tensor:
    """Return the tIoU (Q, K) float32 of the masked cells of `mask` (N, N) with `moments` (Q, 2), shares of a video."""
    cells = (moment_cells(mask.cpu().numpy()) + np.array([0, 1])) / len(mask)
    return torch.from_numpy(span_iou(cells, moments[:, None])).float()
