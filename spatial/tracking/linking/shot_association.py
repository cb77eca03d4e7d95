"""Match the people before a shot cut with those after it.

Motion says nothing here, since the camera is another one. Two things do: appearance, and how people stand to each
other. The second is scored under hypotheses about the new view: that nothing is known of it; that it is the old one (a
jump cut); or that it is the old one moved and zoomed, where every pair of a person before and one after proposes a
translation and a zoom, and the other pairs are scored by how well they fit it.
"""

from collections.abc import Sequence

import numpy as np

from spatial.tracking.linking.appearance import Appearance, appearance_ratio
from spatial.tracking.linking.assignment import best_chains
from spatial.tracking.linking.tracklets import Tracklet
from stvg.types import Float64Array, IntArray

_PLACE, _SIZE = 0.35, 0.2
"""Standard deviations of a person's position in the new view, in body heights, and of the logarithm of the height."""
_FITS, _MISFIT = 1.5, -3.0
"""Log-likelihood ratio of a pair that fits a view exactly, and the lower bound for one that does not."""
_EVIDENCE = 1.0
"""Minimum log-likelihood ratio of a matched pair."""
_MARGIN = 1.0
"""Minimum lead of a matched pair's ratio over the next best match of either person: equal clothes decide nothing."""
_MOVED, _UNMOVED = 1.5, 0.5
"""Penalties of the hypotheses of a moved view and of the old one. A moved view needs two pairs: the one that proposes
it always fits."""


def pairs_across_cut(
    before: Sequence[Tracklet], after: Sequence[Tracklet], appearance: Appearance, max_gap: float
) -> list[tuple[int, int]]:
    """Return the pairs of a tracklet before a cut and one after it of the same person: indices into both lists.

    `appearance` holds those of `before`, then those of `after`. A pair's detections are at most `max_gap` frames apart.
    """
    if not before or not after:
        return []
    rows, columns = np.divmod(np.arange(len(before) * len(after)), len(after))
    alike = appearance_ratio(appearance, rows, len(before) + columns)
    gaps = np.array([[head.frames[0] - tail.frames[-1] for head in after] for tail in before])
    alike[gaps.ravel() > max_gap] = -np.inf
    tails, heads = _standing(before, last=True), _standing(after, last=False)
    proposals = [(tails[row], heads[column]) for row, column in zip(rows, columns, strict=True)]
    views = [_fit(tails, heads, *proposal) for proposal in [(tails[0], tails[0]), *proposals]]
    chosen, most = _joined(len(before), rows, columns, alike - _EVIDENCE)
    for number, fit in enumerate(views):
        pairs, worth = _joined(len(before), rows, columns, alike + fit - _EVIDENCE)
        worth -= _MOVED if number else _UNMOVED
        if worth > most and (len(pairs) > 1 or number == 0):
            chosen, most = pairs, worth
    return [(int(rows[pair]), int(columns[pair])) for pair in chosen]


def _joined(count: int, rows: IntArray, columns: IntArray, ratios: Float64Array) -> tuple[list[int], float]:
    """Return the pairs, as indices, of the best assignment in which no choice is close, and the sum of their ratios."""
    total = count + int(columns.max()) + 1
    chains = best_chains(total, rows, count + columns, ratios, _MARGIN)
    width = total - count
    pairs = [chain[0] * width + chain[1] - count for chain in chains if len(chain) > 1]
    return pairs, float(ratios[pairs].sum())


def _standing(tracklets: Sequence[Tracklet], *, last: bool) -> Float64Array:
    """Return centre x, lower edge and log height of each tracklet next to the cut, (N, 3): medians of 3 detections."""
    near = slice(-3, None) if last else slice(0, 3)
    boxes = np.stack([np.median(tracklet.boxes_xyxy[near], axis=0) for tracklet in tracklets])
    heights = np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3], np.log(heights)], axis=1)


def _fit(tails: Float64Array, heads: Float64Array, place: Float64Array, becomes: Float64Array) -> Float64Array:
    """Return how well each pair, row by row, fits the view in which who stands at `place` stands as `becomes`."""
    zoom = np.exp(becomes[2] - place[2])
    expected = becomes[:2] + zoom * (tails[:, :2] - place[:2])
    miss = np.linalg.norm(expected[:, None] - heads[None, :, :2], axis=2) / np.exp(heads[None, :, 2])
    growth = tails[:, None, 2] + np.log(zoom) - heads[None, :, 2]
    distance = (miss / _PLACE) ** 2 + (growth / _SIZE) ** 2
    return np.asarray((_FITS - distance / 2).clip(_MISFIT).ravel())
