"""A network's embeddings beside columns of motion, so that both weigh alike."""

import numpy as np

from stvg.types import FloatArray

_MOTION_SCALE = 3.0
"""Motion columns have a mean square of about a ninth on people who act; embeddings have one of 1."""


def scale_embeddings(embeddings: FloatArray) -> FloatArray:
    """Return the rows (R, E) with norm sqrt(E), float32, that is a mean square of 1.

    >>> scale_embeddings(np.array([[3.0, 4.0, 0.0, 0.0]])).round(2)
    array([[1.2, 1.6, 0. , 0. ]], dtype=float32)
    """
    norm = np.linalg.norm(embeddings, axis=1, keepdims=True) + 1e-6
    return np.asarray(embeddings / norm * np.sqrt(embeddings.shape[1]), dtype=np.float32)


def put_beside_motion(embeddings: FloatArray, motion: FloatArray, motion_dim: int) -> FloatArray:
    """Return embeddings (R, E) and motion (R, M) side by side, (R, E + M) float32.

    The embeddings are those of scale_embeddings; the motion, `motion_dim` columns of which count as one group, is
    scaled to about their norm.
    """
    scale = _MOTION_SCALE * np.sqrt(embeddings.shape[1] / motion_dim)
    return np.concatenate([embeddings, scale * motion], axis=1).astype(np.float32)
