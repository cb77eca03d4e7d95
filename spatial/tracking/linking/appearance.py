"""How alike two pieces look: colours of head, torso and legs, from the crops in which a person is hidden least."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spatial.features.descriptors.colour import NUM_BINS, NUM_ZONES, zone_colours
from spatial.features.descriptors.crops import TubeSamples, cut_crops, fit_boxes
from spatial.tracking.linking.tracklets import Piece
from stvg.types import Float64Array, IntArray, VideoFrames

_CROPS = 6
"""Crops that describe a piece, spread over its time."""
_CROP_SIZE = (24, 48)
"""Width and height of a crop, pixels, without the surroundings."""
_MARGIN = 0.25
"""Surroundings on the left and right, as a fraction of the width; what shows there too counts less."""
_LEAST_SIDE = 16
"""Pictures with a side under this many pixels show nobody's clothes."""
_MOST_COVERED = 0.3
"""Crops that are hidden more are not looked at, unless there are no others."""
_EVEN = 0.31
"""Distance of two looks at which they speak neither for nor against the same person. Measured on drawn people with
six crops each: the same person 0.16 (median) to 0.29 (95 %), others 0.35 (5 %) to 0.65 (median)."""
_SLOPE = 20.0
_MOST, _LEAST = 3.0, -8.0
"""The ratio falls by _SLOPE per unit of distance, within these bounds: clothes can be alike, light can change."""
_FEW, _FEW_DAMPING = 0.05, 0.5
"""A single crop shakes: what it adds to _EVEN, and how much it damps the ratio."""


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """The looks of N pieces.

    `colours` (N, 4, 19): square roots of zone histograms; `crops` (N,): how many stand behind them, hidden ones counted
    in part.
    """

    colours: Float64Array
    crops: Float64Array


def looks_of(pieces: Sequence[Piece], footage: VideoFrames) -> Looks | None:
    """Return the looks of the pieces; None where the footage has no real pictures."""
    if min(footage.images.shape[1:3]) < _LEAST_SIDE:
        return None
    rows = [_clear_rows(piece) for piece in pieces]
    colours = _zone_colours(
        footage,
        np.concatenate([piece.frames[chosen] for piece, chosen in zip(pieces, rows, strict=True)]),
        np.concatenate([piece.boxes_xyxy[chosen] for piece, chosen in zip(pieces, rows, strict=True)]),
    )
    starts = np.cumsum([0, *(len(chosen) for chosen in rows[:-1])])
    counts = np.array([len(chosen) for chosen in rows])
    means = np.add.reduceat(colours, starts, axis=0) / counts[:, None, None]
    hidden = np.array([piece.covered[chosen].mean() for piece, chosen in zip(pieces, rows, strict=True)])
    return Looks(np.sqrt(means), counts * (1 - hidden).clip(0.01))


def look_ratio(looks: Looks, first: IntArray, second: IntArray) -> Float64Array:
    """Return, for pairs (K,) of pieces, a log likelihood ratio of the same person against another, by their looks.

    The distance is Hellinger's, the mean over the zones.
    """
    alike = (looks.colours[first] * looks.colours[second]).sum(axis=2)
    distance = np.sqrt((1 - alike).clip(0)).mean(axis=1)
    few = (1 / looks.crops[first].clip(0.2) + 1 / looks.crops[second].clip(0.2)) / 2
    ratio = (_SLOPE * (_EVEN + _FEW * few - distance)).clip(_LEAST, _MOST)
    return np.asarray(ratio / (1 + _FEW_DAMPING * few))


def _clear_rows(piece: Piece) -> IntArray:
    """Return the detections to look at: the least hidden one of each of _CROPS equal parts."""
    edges = np.linspace(0, len(piece), min(_CROPS, len(piece)) + 1).round().astype(int)
    best = [start + int(piece.covered[start:stop].argmin()) for start, stop in pairwise(edges)]
    rows = np.array(best, dtype=np.int64)
    hidden = piece.covered[rows]
    return np.asarray(rows[hidden <= max(_MOST_COVERED, float(hidden.min()) + 0.05)])


def _zone_colours(footage: VideoFrames, frames: IntArray, boxes_xyxy: Float64Array) -> Float64Array:
    """Return the zone histograms (K, 4, 19) of boxes (K, 4) at frames (K,) of the footage."""
    height, width = footage.images.shape[1:3]
    boxes = fit_boxes((boxes_xyxy * footage.scale).astype(np.float32), width, height)
    samples = TubeSamples(np.searchsorted(footage.frames, frames), boxes)
    side = round(_CROP_SIZE[0] * _MARGIN)
    crops = cut_crops(footage.images, samples, (_MARGIN, 0.0), (_CROP_SIZE[0] + 2 * side, _CROP_SIZE[1]))
    return zone_colours(crops, _MARGIN).astype(np.float64).reshape(-1, NUM_ZONES, NUM_BINS)
