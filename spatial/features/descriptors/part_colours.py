"""Measure the colours of body parts that joints point at."""

import cv2
import numpy as np

from spatial.features.descriptors.colour import NUM_BINS, lookup_table
from stvg.types import FloatArray, Image

PART_NAMES = ("hair", "torso", "arms", "thighs", "shins", "feet")
"""Body parts from top to bottom."""
NUM_PARTS = len(PART_NAMES)
LIGHTNESS = NUM_BINS
"""The column of a part's mean lightness, after the colour terms."""
COLOURS_DIM = NUM_BINS + 4
"""Values of a part: shares of the colour terms, lightness 0..1, its spread, Lab's a and b over 64."""
POINTS = 24
"""Pixels that are looked at on each part."""


def colours_of_points(pixels: Image) -> FloatArray:
    """Return what the pixels (..., POINTS, 3) uint8 RGB of parts show: (..., COLOURS_DIM) float32.

    Columns: shares of the colour terms of descriptors.colour, mean lightness in [0, 1], twice its standard deviation
    (patterns, folds), mean a and b of the Lab space over 64.
    """
    steps = pixels.astype(np.uint16) >> 3
    shares = lookup_table()[steps[..., 0] << 10 | steps[..., 1] << 5 | steps[..., 2]].mean(axis=-2)
    lab = cv2.cvtColor(pixels.reshape(1, -1, 3), cv2.COLOR_RGB2LAB).reshape(pixels.shape).astype(np.float32)
    lightness = lab[..., 0] / 255.0
    tint = (lab[..., 1:].mean(axis=-2) - 128.0) / 64.0
    spread = np.stack([lightness.mean(axis=-1), 2.0 * lightness.std(axis=-1)], axis=-1)
    return np.concatenate([shares, spread, tint], axis=-1).astype(np.float32)
