"""Describe a person's pose by oriented gradients and the shape of the box."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from spatial.features.descriptors.crops import TubeSamples
from stvg.types import FloatArray, Image

CROP_SIZE = (32, 64)
"""Width and height of the crop, in pixels."""
ORIENTATIONS = 6
"""Unsigned gradient directions per cell."""
HOG_DIM = 4 * 8 * ORIENTATIONS
"""Columns of oriented_gradients: 4 x 8 cells."""
GEOMETRY_DIM = 6
"""Columns of box_geometry."""


def oriented_gradients(crops: Image) -> FloatArray:
    """Return histograms of oriented gradients of `crops` (K, 64, 32, 3) uint8 RGB: (K, 192) float32, L2 norm <= 1.

    Dalal and Triggs, CVPR 2005, with one block: 4 x 8 cells of 8 x 8 pixels, 6 unsigned orientations, L2-Hys over
    the whole crop, so that flat cells stay flat.
    """
    hog = _descriptor()
    return np.stack([hog.compute(crop) for crop in np.ascontiguousarray(crops)]).reshape(-1, HOG_DIM).astype(np.float32)


def box_geometry(samples: TubeSamples, image_size: tuple[int, int], reference: FloatArray) -> FloatArray:
    """Return the form of each box of a tube: (R, 6) float32, each about in [-1, 1].

    `image_size` is (width, height) in pixels, `reference` (R,) the person's body height at each row in pixels. Columns:
    log aspect ratio; log height and log width relative to the body height; height relative to the image; whether the
    box touches the image's left or right border; whether it touches the lower one. The person's place is left out.
    """
    width, height = image_size
    x1, y1, x2, y2 = samples.boxes_xyxy.T
    w, h = x2 - x1, y2 - y1
    columns = [
        np.log(w / h) + 1.0,
        3.0 * np.log(h / reference),
        2.0 * (np.log(w / reference) + 1.0),
        h / height - 0.5,
        (x1 < 1.0) | (x2 > width - 1.0),
        y2 > height - 1.0,
    ]
    return np.asarray(np.clip(np.stack(columns, axis=1), -2.0, 2.0), dtype=np.float32)


def body_height(samples: TubeSamples) -> FloatArray:
    """Return the height of the upright person at each row of a tube, (R,) float32 in image pixels.

    That is the tube's 80th percentile of box heights, so that a person who sits down keeps the body height.
    """
    heights = samples.boxes_xyxy[:, 3] - samples.boxes_xyxy[:, 1]
    return np.full(len(heights), np.percentile(heights, 80), dtype=np.float32)


@lru_cache(maxsize=1)
def _descriptor() -> Any:
    """Return OpenCV's HOG with a single block that fills the crop and hardly any Gaussian weighting."""
    aperture, sigma, norm, clip, gamma, levels, signed = 1, 64.0, cv2.HOGDESCRIPTOR_L2HYS, 0.2, False, 1, False
    return cv2.HOGDescriptor(
        CROP_SIZE, CROP_SIZE, (8, 8), (8, 8), ORIENTATIONS, aperture, sigma, norm, clip, gamma, levels, signed
    )
