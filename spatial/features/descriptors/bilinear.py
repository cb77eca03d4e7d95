"""Describe who does what by outer products of appearance and action.

Products are summed over the people in view (bilinear pooling: Lin et al., ICCV 2015; Gao et al., CVPR 2016, without the
sketch). A sum of appearances next to a sum of actions could not tell "the man in red sits, the man in blue stands" from
its converse.
"""

import numpy as np

from spatial.features.descriptors.motion import CHANNELS, FLOW_DIM, GRID
from spatial.features.descriptors.shape import HOG_DIM, ORIENTATIONS
from stvg.types import FloatArray, IntArray

ACTION_DIM = 25
"""Length of an action descriptor."""


def action_descriptor(gradients: FloatArray, geometry: FloatArray, motion: FloatArray) -> FloatArray:
    """Return the action descriptor of a person at each row, (R, 25) float32.

    `gradients` (R, 192), `geometry` (R, 6) and `motion` (R, 66) are what descriptors.shape and .motion return.
    Columns: 1 (the person is there); form of the box (4); velocities (6); flow dy and speed by height (4 + 4); arms:
    speed beside head and torso, sum and difference of both sides (2), gradients beside the body by height (4).
    """
    flow = motion[:, :FLOW_DIM].reshape(-1, *GRID, CHANNELS)
    arms = flow[:, :2, :, 2].mean(axis=1)[:, [0, -1]]
    sides = gradients.reshape(-1, 4, 8, HOG_DIM // 32)[:, [0, -1]].sum(axis=(1, 3)) / ORIENTATIONS
    parts = [
        np.ones((len(flow), 1)),
        geometry[:, :4],
        2.0 * motion[:, FLOW_DIM:],
        3.0 * flow[..., 1].mean(axis=2),
        3.0 * flow[..., 2].mean(axis=2),
        2.0 * arms.sum(axis=1, keepdims=True),
        2.0 * np.abs(arms[:, :1] - arms[:, 1:]),
        4.0 * sides.reshape(len(flow), 4, 2).mean(axis=2),
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def bind(
    appearances: list[FloatArray], actions: list[FloatArray], index: list[IntArray], num_images: int
) -> FloatArray:
    """Return, for each image, the sum over people of the outer product of appearance and action: (N, A * B) float32.

    For each person `appearances` (R, A), `actions` (R, B) and the image of each row, `index` (R,). Rows of images
    without people are zero.

    >>> red, blue, sits = np.float32([[1, 0]]), np.float32([[0, 1]]), np.float32([[3]])
    >>> bind([red, blue], [sits, -sits], [np.array([0]), np.array([1])], 2).tolist()
    [[3.0, 0.0], [0.0, -3.0]]

    Raises:
        ValueError: no people; their number of columns is then unknown.
    """
    if not appearances:
        raise ValueError("appearances: expected at least one person, got none")
    pooled = np.zeros((num_images, appearances[0].shape[1], actions[0].shape[1]), dtype=np.float32)
    for appearance, action, rows in zip(appearances, actions, index, strict=True):
        np.add.at(pooled, rows, appearance[:, :, None] * action[:, None, :])
    return pooled.reshape(num_images, -1)


def signed_sqrt(values: FloatArray) -> FloatArray:
    """Return sign(x) sqrt(|x|), which tames the bursts of sums of products.

    >>> signed_sqrt(np.float32([-4, 0, 9])).tolist()
    [-2.0, 0.0, 3.0]
    """
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)), dtype=np.float32)
