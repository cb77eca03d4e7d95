"""Detect shot boundaries: frames at which the picture changes abruptly.

Two changes must agree between neighbouring frames: the colours (a histogram does not mind where things are, so pans
and people crossing change it slowly) and the layout (the best correlation of tiny grey pictures over shifts, which
forgives pans and shakes). A cut differs across both of its sides by more than either side differs within itself, so
flashes, single bad frames and fast motion, which lasts, do not count.
"""

import cv2
import numpy as np

from stvg.types import FloatArray, Image

WIDTH, HEIGHT = 64, 36
"""Size to which a frame may be scaled down before; larger pictures are scaled here."""
_SHIFT_X, _SHIFT_Y = 4, 2
"""Shifts up to which two tiny pictures are aligned: more than a fast pan moves from one frame to the next."""
_BINS = (8, 16, 16)
"""Of lightness, a and b: natural colours fill only the inner half of a and b."""
_LEAST = 0.05
"""Minimum change at a cut, in [0, 1].

Measured: within shots up to 0.04 at 15 frames/s and 0.07 at 7; another camera 0.2 and more, the same camera zoomed by
1.6 at least 0.12, shifted by a tenth of the picture 0.05.
"""
_NEAR = 4
"""Steps on each side that a cut is compared with; two cuts nearer to each other than that can hide one another."""
_TIMES = 1.8
"""A cut must change the picture this many times more than any of the steps near it."""


def find_cuts(images: Image) -> tuple[int, ...]:
    """Return the indices of the frames that begin a new shot, index 0 not among them.

    `images` (N, H, W, 3) uint8 RGB, successive frames; at 5 frames/s and less, fast motion and cuts become alike.

    >>> red, blue = np.full((4, 36, 64, 3), (200, 20, 20), np.uint8), np.full((4, 36, 64, 3), (20, 20, 200), np.uint8)
    >>> find_cuts(np.concatenate([red, blue]))
    (4,)
    """
    count = len(images)
    views = [_View(image) for image in images]
    near = np.array([_change(views[i], views[i + 1]) for i in range(count - 1)])
    cuts: list[int] = []
    for i in (int(step) + 1 for step in np.flatnonzero(near >= _LEAST)):
        before, after = range(max(0, i - 2), i), range(i, min(count, i + 2))
        across = min(_change(views[a], views[b]) for a in before for b in after)
        within = np.concatenate([near[max(0, i - 1 - _NEAR) : i - 1], near[i : i + _NEAR]]).max(initial=0.0)
        if across >= max(_LEAST, _TIMES * within):
            cuts.append(i)
    return tuple(cuts)


class _View:
    """A frame as seen by the comparison: square roots of its colour shares, and a tiny grey picture."""

    def __init__(self, image: Image) -> None:
        if image.shape != (HEIGHT, WIDTH, 3):
            image = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        histogram = cv2.calcHist([cv2.cvtColor(image, cv2.COLOR_RGB2LAB)], [0, 1, 2], None, _BINS, [0, 256] * 3)
        self.colours: FloatArray = np.sqrt(histogram.ravel() / (WIDTH * HEIGHT))
        self.grey: Image = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (3, 3), 0)


def _change(one: _View, other: _View) -> float:
    """Return how much two frames differ, in [0, 1].

    The geometric mean of the colours' change (1 - Bhattacharyya coefficient) and the layout's (1 - best correlation).
    """
    colours = min(1.0, max(0.0, 1.0 - float(one.colours @ other.colours)))
    if colours < _LEAST**2:  # no layout can lift the mean over the threshold
        return 0.0
    alike = max(_correlation(one.grey, other.grey), _correlation(other.grey, one.grey))
    return float(np.sqrt(colours * min(1.0, max(0.0, 1.0 - alike))))


def _correlation(picture: Image, other: Image) -> float:
    """Return the best normalised correlation of the middle of `other` over its shifts on `picture`."""
    middle = other[_SHIFT_Y:-_SHIFT_Y, _SHIFT_X:-_SHIFT_X]
    if middle.std() < 1.0:  # an even area correlates with nothing
        return 0.0
    return float(cv2.matchTemplate(picture, middle, cv2.TM_CCOEFF_NORMED).max())
