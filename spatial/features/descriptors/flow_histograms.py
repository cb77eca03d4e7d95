"""Compute histograms of optical flow in the cells of a box.

After Laptev et al., "Learning realistic human actions from movies" (CVPR 2008), over one pair of images and a grid of
cells in the box. The camera's motion is taken off first.
"""

import numpy as np

from spatial.features.descriptors.crops import TubeSamples
from spatial.features.descriptors.motion import GRID, FlowFields, flow_in_boxes
from stvg.types import FloatArray

DIRECTIONS = 8
"""Direction bins of a histogram."""
HISTOGRAM_DIM = GRID[0] * GRID[1] * (DIRECTIONS + 1)
"""Columns of flow_histograms: per cell the directions and one bin for standing still."""
_STILL = 0.1
"""Speed, in body heights per second, below which a point counts as standing still."""


def flow_histograms(fields: FlowFields, samples: TubeSamples, body_height: FloatArray) -> FloatArray:
    """Return square roots of flow histograms, (R, HISTOGRAM_DIM) float32 of norm 1.

    Cells row by row; in each the shares of 8 directions (0: to the right, 2: down), weighted by their speed in body
    heights per second, and the share that stands still. Each cell's shares add up to its part of the box.
    """
    flow = flow_in_boxes(fields, samples)[..., :2] / body_height[:, None, None, None]
    speed = np.linalg.norm(flow, axis=3)
    turn = np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi) * DIRECTIONS
    bins = np.where(speed < _STILL, DIRECTIONS, np.round(turn).astype(np.int64) % DIRECTIONS)
    weight = np.maximum(speed, _STILL)
    votes = weight[..., None] * (bins[..., None] == np.arange(DIRECTIONS + 1))
    rows, points = len(flow), (flow.shape[1] // GRID[0], flow.shape[2] // GRID[1])
    cells = votes.reshape(rows, GRID[0], points[0], GRID[1], points[1], DIRECTIONS + 1).sum(axis=(2, 4))
    shares = cells / cells.sum(axis=3, keepdims=True) / (GRID[0] * GRID[1])
    return np.asarray(np.sqrt(shares).reshape(rows, HISTOGRAM_DIM), dtype=np.float32)
