"""Describe whole pictures by colours, speed and camera motion."""

import cv2
import numpy as np

from spatial.features.descriptors.colour import NUM_BINS, mean_colours
from spatial.features.descriptors.motion import FlowFields
from stvg.types import FloatArray, Image

CAMERA_MOTION_DIM = 18
"""Columns of scene_motion."""
SCENE_DIM = NUM_BINS + CAMERA_MOTION_DIM
"""Columns of scene_features."""
_GRID = (4, 3)
"""Columns and rows of the cells in which speed is averaged."""


def scene_features(images: Image, fields: FlowFields) -> FloatArray:
    """Return colours and motion of whole `images` (N, h, w, 3) uint8 RGB: (N, 37) float32, both of norm 1 or less."""
    return np.concatenate([np.sqrt(mean_colours(images)), scene_motion(fields)], axis=1).astype(np.float32)


def scene_motion(fields: FlowFields) -> FloatArray:
    """Return the motion of each whole image, (N, 18) float32 in [-1, 1].

    Columns: speed in 3 x 4 cells, row by row, then the camera's affine motion (constant, x and y slope of dx and dy).
    Speeds are in image widths per 0.2 s, slopes per 0.2 s, squashed by tanh.
    """
    count, height, width = fields.flow.shape[:3]
    speed = (
        np.stack(
            [
                cv2.resize(np.linalg.norm(flow[::2, ::2], axis=2), _GRID, interpolation=cv2.INTER_AREA)
                for flow in fields.flow
            ]
        ).reshape(count, -1)
        / width
    )
    constant = fields.camera[:, 0] + fields.camera[:, 1] * width / 2 + fields.camera[:, 2] * height / 2
    slopes = fields.camera[:, 1:].reshape(count, -1)
    return np.tanh(5.0 * np.concatenate([speed, constant / width, slopes], axis=1)).astype(np.float32)
