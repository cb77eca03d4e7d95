"""Compute soft colour histograms of body zones over basic colour terms.

The bins are anchored at the hues that basic colour terms name in many languages (Berlin and Kay, 1969), each light and
dark (light orange is orange, dark orange is brown; light red is pink), and at black, gray and white. They come from the
Lab colour space and know nothing of any data set.
"""

from functools import lru_cache

import cv2
import numpy as np

from stvg.types import FloatArray, Image

HUE_NAMES = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
HUE_ANCHORS = (
    (36.0, "red"),
    (66.0, "orange"),
    (98.0, "yellow"),
    (140.0, "green"),
    (205.0, "cyan"),
    (262.0, "blue"),
    (304.0, "blue"),
    (326.0, "purple"),
    (356.0, "pink"),
)
"""Hue angles in Lab under D65 at which a hue's membership is one; between neighbours it falls linearly to zero. Blue
covers a wide angle: pale blues lie at its lower end, deep ones near purple."""
BIN_NAMES = (*(f"{light} {hue}" for light in ("dark", "light") for hue in HUE_NAMES), "black", "gray", "white")
"""Names of the histogram bins, in order."""
NUM_BINS = len(BIN_NAMES)
ZONE_NAMES = ("head", "torso", "upper legs", "lower legs")
"""Body zones from top to bottom."""
NUM_ZONES = len(ZONE_NAMES)
_ZONE_CENTRES = (0.08, 0.33, 0.60, 0.83)
_ZONE_WIDTHS = (0.05, 0.09, 0.06, 0.07)
"""Centres and standard deviations of the zones, as fractions of the box's height."""
_COLUMN_WIDTH = 0.2
"""Standard deviation of the weight about the box's middle column, as a fraction of its width."""
_CONTRAST = 12.0
"""Distance from the surrounding colours, in 8-bit Lab units, above which a pixel is likely the person."""


def colour_memberships(colours: Image) -> FloatArray:
    """Return the membership of each RGB colour (N, 3) uint8 in each of BIN_NAMES: (N, 19) float32, rows sum to 1.

    >>> [BIN_NAMES[i] for i in colour_memberships(np.array([[220, 20, 20], [250, 250, 250]], np.uint8)).argmax(1)]
    ['light red', 'white']
    """
    lab = cv2.cvtColor(np.asarray(colours, np.float32)[None] / 255.0, cv2.COLOR_RGB2LAB)[0]
    lightness, a, b = lab.T
    hue, chroma = np.degrees(np.arctan2(b, a)) % 360.0, np.hypot(a, b)
    chromatic = _ramp(chroma, 8.0, 24.0) * _ramp(lightness, 4.0, 16.0)
    light = _ramp(lightness, 25.0, 50.0)
    hues = _hue_memberships(hue) * chromatic[:, None]
    black = 1.0 - _ramp(lightness, 18.0, 36.0)
    white = _ramp(lightness, 72.0, 90.0)
    grays = np.stack([black, 1.0 - black - white, white], axis=1) * (1.0 - chromatic)[:, None]
    return np.concatenate([hues * (1.0 - light)[:, None], hues * light[:, None], grays], axis=1).astype(np.float32)


def zone_colours(crops: Image, margin: float) -> FloatArray:
    """Return the colours of each zone of each person: (K, 4, 19) float32, in [0, 1], each zone sums to 1.

    `crops` (K, h, w, 3) uint8 RGB hold a person's box and, on the left and right, `margin` times its width of
    surroundings. A zone's histogram counts pixels by their distance from the middle column and from the zone's height,
    and by how much they differ from the mean surroundings on either side in the same row (what shows between the legs
    does not). Each colour is then weighed down by its share in the surroundings at the zone's height:
    p(c) * p(c) / (p(c) + q(c)) with p inside and q outside, renormalised.
    """
    count, height, width = crops.shape[:3]
    pixels = crops.reshape(count, height * width, 3).astype(np.uint16) >> 3
    index = pixels[..., 0] << 10 | pixels[..., 1] << 5 | pixels[..., 2]
    memberships = lookup_table()[index]
    inside, outside = _zone_weights(height, width, margin)
    weights = inside * _foreground(crops, margin).reshape(count, 1, -1)
    person = weights @ memberships / weights.sum(axis=2, keepdims=True)
    around = outside @ memberships
    kept = person * person / (person + around + 1e-6)
    return np.asarray(kept / (kept.sum(axis=2, keepdims=True) + 1e-6), dtype=np.float32)


def mean_colours(images: Image) -> FloatArray:
    """Return the colour histogram of each whole image (N, h, w, 3) uint8 RGB: (N, 19) float32, rows sum to 1."""
    small = np.stack([cv2.resize(image[::4, ::4], (16, 9), interpolation=cv2.INTER_AREA) for image in images])
    memberships = colour_memberships(small.reshape(-1, 3)).reshape(len(images), -1, NUM_BINS)
    return np.asarray(memberships.mean(axis=1), dtype=np.float32)


def _foreground(crops: Image, margin: float) -> FloatArray:
    """Return how little each pixel of (K, h, w, 3) resembles what lies beside the person: (K, h, w) in (0, 1]."""
    count, height, width = crops.shape[:3]
    side = int(width * margin / (1.0 + 2.0 * margin))
    if side == 0:
        return np.ones((count, height, width), dtype=np.float32)
    tall = np.ascontiguousarray(crops).reshape(count * height, width, 3)
    lab = cv2.cvtColor(tall, cv2.COLOR_RGB2LAB).reshape(crops.shape).astype(np.float32)
    beside = [part.mean(axis=2, keepdims=True) for part in (lab[:, :, :side], lab[:, :, -side:])]
    nearest = np.minimum(*(((lab - mean) ** 2).sum(axis=3) for mean in beside))
    return np.asarray(1.02 - np.exp(nearest / (-2.0 * _CONTRAST**2)), dtype=np.float32)


def _ramp(values: FloatArray, start: float, stop: float) -> FloatArray:
    """Return 0 up to `start`, 1 from `stop` on, linear between."""
    return np.asarray(np.clip((values - start) / (stop - start), 0.0, 1.0), dtype=np.float32)


def _hue_memberships(degrees: FloatArray) -> FloatArray:
    """Return linear interpolation weights (N, 8) between the two neighbouring hues around the circle."""
    anchors = [angle for angle, _ in HUE_ANCHORS]
    columns = [
        np.interp(degrees, anchors, [float(name == hue) for _, name in HUE_ANCHORS], period=360.0) for hue in HUE_NAMES
    ]
    return np.stack(columns, axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def lookup_table() -> FloatArray:
    """Return the memberships of all RGB colours in 32 steps per channel, (32768, 19) float32."""
    steps = np.arange(32, dtype=np.uint8) * 8 + 4
    red, green, blue = np.meshgrid(steps, steps, steps, indexing="ij")
    table = colour_memberships(np.stack([red, green, blue], axis=-1).reshape(-1, 3))
    table.setflags(write=False)
    return table


@lru_cache(maxsize=4)
def _zone_weights(height: int, width: int, margin: float) -> tuple[FloatArray, FloatArray]:
    """Return pixel weights (4, height * width) inside and around a person, each row summing to 1."""
    y = (np.arange(height) + 0.5) / height
    x = ((np.arange(width) + 0.5) / width - 0.5) * (1.0 + 2.0 * margin)
    rows = np.exp(-0.5 * ((y - np.array(_ZONE_CENTRES)[:, None]) / np.array(_ZONE_WIDTHS)[:, None]) ** 2)
    columns = np.stack([np.exp(-0.5 * (x / _COLUMN_WIDTH) ** 2), (np.abs(x) > 0.5).astype(float)])
    weights = rows[None, :, :, None] * columns[:, None, None, :]
    weights = weights.reshape(2, NUM_ZONES, -1)
    weights /= weights.sum(axis=2, keepdims=True) + 1e-9
    inside, outside = weights.astype(np.float32)
    return inside, outside
