"""Score by motion how well one tracklet continues another.

The score is a log-likelihood ratio. At each end of a tracklet, position and velocity are estimated together with their
covariance: a straight line through the last detections, whose weights fall with age because people speed up and turn,
and a prior on people's speed. Over the gap the covariance grows as that of a motion whose acceleration is white noise.
The two estimates are then compared under "the same person" and under "another person, anywhere". Lengths are in body
heights, so that size, distance and resolution do not matter; times are in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatial.tracking.linking.tracklets import Tracklet
from stvg.types import Float64Array, IntArray, VideoMeta

_WINDOW_S = 0.8
"""Length of the window at the end of a tracklet in which its motion is measured, in seconds."""
_NOISE = 0.07
"""Standard deviation of a detection's centre, in body heights."""
_ACCELERATION = 0.5
"""Acceleration, in body heights per second squared, by which the weight of older detections in the window falls."""
_SPEED = 0.7
"""Standard deviation of people's speed, in body heights per second: the prior."""
_DRIFT = 0.15
"""Spectral density of the acceleration: after a gap of g seconds the position's variance has grown by
_DRIFT x g^3 / 3."""
_SIZE_NOISE, _SIZE_DRIFT, _SIZE_SPREAD = 0.08, 0.04, 0.5
"""Of the logarithm of the height: standard deviation between detections, variance added per second (people bend and sit
down), standard deviation between people."""
_ROOM = 30.0
"""Area, in squared body heights, over which the position of another person is uniform."""
_GAP_S = 1.5
"""Seconds of gap that lower the log-likelihood ratio by 1."""
_EDGE = 0.01
"""A box touches the left or right edge of the picture if it is nearer than this fraction of the picture's width."""
_LEFT_BY_EDGE, _RETURN_S = 5.0, 0.5
"""Penalty for linking a tracklet that ends at an edge to one that starts at the same edge: that person has likely left,
and another one come. In gaps shorter than _RETURN_S seconds it is reduced in proportion."""


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """One end of each of N tracklets, with what is known of the motion there.

    `times_s` (N,); `places` (N, 2) and `speeds` (N, 2) of the centre, in pixels and pixels per second; `heights` (N,)
    pixels; `spread` (N, 3): variance of the place, covariance, variance of the speed, in heights; `log_heights` (N, 2):
    mean of the height's logarithm and its variance; `sides` (N,): -1 at the picture's left edge, 1 at its right one, 0
    elsewhere.
    """

    times_s: Float64Array
    places: Float64Array
    speeds: Float64Array
    heights: Float64Array
    spread: Float64Array
    log_heights: Float64Array
    sides: IntArray


def ends_of(tracklets: Sequence[Tracklet], meta: VideoMeta, *, last: bool) -> Ends:
    """Return the state of each tracklet at its last detection, or at its first."""
    rows = np.array([_end(tracklet, meta.fps, last) for tracklet in tracklets], dtype=np.float64).reshape(-1, 11)
    outer = np.array([tracklet.boxes_xyxy[-1 if last else 0, [0, 2]] for tracklet in tracklets]).reshape(-1, 2)
    left, right = outer[:, 0] < _EDGE * meta.width, outer[:, 1] > (1 - _EDGE) * meta.width
    sides = right.astype(np.int64) - left.astype(np.int64)
    return Ends(rows[:, 0], rows[:, 1:3], rows[:, 3:5], rows[:, 5], rows[:, 6:9], rows[:, 9:], sides)


def motion_ratio(tails: Ends, heads: Ends, before: IntArray, after: IntArray) -> Float64Array:
    """Return, for pairs (K,) of a tail and a later head, log p(head | same person) - log p(head | other person).

    Costs for the time between them and for leaving the picture are taken off. Only differences and signs have a
    meaning: above 0, they fit better than chance.
    """
    gap = heads.times_s[after] - tails.times_s[before]
    height = np.sqrt(tails.heights[before] * heads.heights[after])
    place = tails.places[before] + tails.speeds[before] * gap[:, None] - heads.places[after]
    miss, turn = place / height[:, None], (tails.speeds[before] - heads.speeds[after]) / height[:, None]
    spread = _spread_after(tails.spread[before] * (tails.heights[before] / height)[:, None] ** 2, gap)
    spread += heads.spread[after] * (heads.heights[after] / height)[:, None] ** 2
    same = _log_normal_2d(miss, turn, spread)
    other = _log_normal_1d(turn, np.full(len(gap), 2 * _SPEED**2)).sum(axis=1) - np.log(_ROOM)
    size = _size_ratio(tails.log_heights[before], heads.log_heights[after], gap)
    gone = (tails.sides[before] != 0) & (tails.sides[before] == heads.sides[after])
    cost = gap / _GAP_S + _LEFT_BY_EDGE * gone * (gap / _RETURN_S).clip(0, 1)
    return np.asarray(same - other + size - cost)


def _end(tracklet: Tracklet, fps: float, last: bool) -> list[float]:
    """Return the 11 numbers of one row of Ends: Bayesian linear regression with a prior of zero speed."""
    edge = -1 if last else 0
    ages = (tracklet.frames - tracklet.frames[edge]) / fps
    near = np.abs(ages) <= _WINDOW_S
    ages, boxes = ages[near], tracklet.boxes_xyxy[near]
    heights = np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    height = float(np.sort(heights)[len(heights) // 2])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    weights = 1 / (_NOISE**2 + (_ACCELERATION * ages**2 / 2) ** 2)
    total, first, second = weights.sum(), weights @ ages, weights @ ages**2 + 1 / _SPEED**2
    scale = 1 / (total * second - first**2)
    moments = np.stack([weights @ (centres - centres[edge]), (weights * ages) @ (centres - centres[edge])])
    place = scale * (second * moments[0] - first * moments[1]) + centres[edge]
    speed = scale * (total * moments[1] - first * moments[0])
    trust = 1 / (_SIZE_NOISE**2 + _SIZE_DRIFT * np.abs(ages))
    log_height = float(trust @ np.log(heights) / trust.sum())
    spread = [scale * second, -scale * first, scale * total]
    return [tracklet.frames[edge] / fps, *place, *speed, height, *spread, log_height, 1 / trust.sum()]


def _spread_after(spread: Float64Array, gap: Float64Array) -> Float64Array:
    """Return the variances (K, 3) of place and speed after a gap (K,) of a motion with random acceleration."""
    place, both, speed = spread.T
    return np.stack(
        [
            place + 2 * gap * both + gap**2 * speed + _DRIFT * gap**3 / 3,
            both + gap * speed + _DRIFT * gap**2 / 2,
            speed + _DRIFT * gap,
        ],
        axis=1,
    )


def _log_normal_2d(miss: Float64Array, turn: Float64Array, spread: Float64Array) -> Float64Array:
    """Return the log density of misses of place and speed (K, 2), x and y alike, under variances (K, 3)."""
    place, both, speed = spread.T[:, :, None]
    determinant = place * speed - both**2
    distance = (speed * miss**2 - 2 * both * miss * turn + place * turn**2) / determinant
    return np.asarray(-(distance + np.log(determinant)).sum(axis=1) / 2 - 2 * np.log(2 * np.pi))


def _log_normal_1d(values: Float64Array, variances: Float64Array) -> Float64Array:
    """Return the log density of values (K, C) under variances (K,)."""
    return np.asarray(-(values**2 / variances[:, None] + np.log(2 * np.pi * variances)[:, None]) / 2)


def _size_ratio(before: Float64Array, after: Float64Array, gap: Float64Array) -> Float64Array:
    """Return the log ratio of the heights' difference under the same person and under another."""
    difference = before[:, :1] - after[:, :1]
    same = before[:, 1] + after[:, 1] + _SIZE_DRIFT * gap
    ratio = _log_normal_1d(difference, same) - _log_normal_1d(difference, same + _SIZE_SPREAD**2)
    return np.asarray(ratio[:, 0])
