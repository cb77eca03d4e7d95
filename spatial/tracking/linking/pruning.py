"""Drop duplicates, false positives and stray detections among the linked tracklets."""

from collections.abc import Sequence

import numpy as np

from spatial.tracking.linking.tracklets import Tracklet, chained, common_boxes, covered_share
from stvg.geometry.boxes import elementwise_iou

_INNER = ((0.5, 0.85), (0.8, 0.95))
"""(coverage, score ratio): a tracklet is a duplicate if at least this fraction of its boxes is covered by stronger ones
and its mean score is at most this fraction of theirs. Such are head and shoulders, a reflection, a box over two people;
a person who stands behind others scores as high as they do."""
_SHORT_EXTRA = 0.3
"""The minimum strength of a tracklet seen for t seconds, as a fraction of the strongest one's of the video, grows by
_SHORT_EXTRA x exp(-t)."""


def merge_duplicates(tracklets: Sequence[Tracklet], same_iou: float, same_share: float) -> list[Tracklet]:
    """Return the tracklets with duplicates merged, strongest first.

    Two of a shot are duplicates if they share at least `same_share` of the shorter one's time, and their mean IoU there
    is at least `same_iou`.
    """
    kept: list[Tracklet] = []
    for tracklet in sorted(tracklets, key=_mass, reverse=True):
        for index, leader in enumerate(kept):
            if _are_same(leader, tracklet, same_iou, same_share):
                kept[index] = chained([leader, tracklet.take(~np.isin(tracklet.frames, leader.frames))])
                break
        else:
            kept.append(tracklet)
    return kept


def drop_inner(tracklets: Sequence[Tracklet], same_share: float) -> list[Tracklet]:
    """Return the tracklets without those covered by stronger ones for `same_share` of the time, strongest first."""
    kept: list[Tracklet] = []
    for tracklet in sorted(tracklets, key=_mass, reverse=True):
        if not any(_is_inner(tracklet, kept, inner, weaker, same_share) for inner, weaker in _INNER):
            kept.append(tracklet)
    return kept


def _is_inner(tracklet: Tracklet, stronger: Sequence[Tracklet], inner: float, weaker: float, same_share: float) -> bool:
    """Tell whether stronger tracklets cover the fraction `inner` of most of its boxes and score higher."""
    inside = np.zeros(len(tracklet), dtype=np.bool_)
    score = 0.0
    for other in stronger:
        if other.shot == tracklet.shot and _common_length(other, tracklet) > 0:
            lasts = (tracklet.frames >= other.frames[0]) & (tracklet.frames <= other.frames[-1])
            covers = lasts & (covered_share(tracklet.boxes_xyxy, other.boxes_at(tracklet.frames)) >= inner)
            inside |= covers
            score = max(score, float(other.scores.mean())) if covers.any() else score
    return float(inside.mean()) >= same_share and float(tracklet.scores.mean()) <= weaker * score


def _mass(tracklet: Tracklet) -> float:
    return float(tracklet.scores.sum())


def _are_same(one: Tracklet, other: Tracklet, same_iou: float, same_share: float) -> bool:
    """Tell whether the two coincide for most of the shorter one."""
    if one.shot != other.shot:
        return False
    if _common_length(one, other) < same_share * min(_length(one), _length(other)):
        return False
    _, boxes, other_boxes = common_boxes(one, other)
    return float(elementwise_iou(boxes, other_boxes).mean()) >= same_iou


def is_real(
    tracklet: Tracklet,
    strongest: float,
    seen_s: float,
    *,
    least: int,
    least_s: float,
    min_score: float,
    min_relative_score: float,
) -> bool:
    """Tell whether a tracklet, seen for `seen_s` seconds, is a person and no false positive.

    False positives have under `least` detections that together last under `least_s`, a strength under `min_score`, or
    one under the fraction `min_relative_score` of the video's strongest tracklet's (`strongest`); the shorter one is,
    the stronger it must be.
    """
    if len(tracklet) < least and seen_s < least_s:
        return False
    least_strength = strongest * (min_relative_score + _SHORT_EXTRA * float(np.exp(-seen_s)))
    return tracklet.strength >= max(min_score, least_strength)


def dense_parts(tracklet: Tracklet, step: int, density: float) -> list[Tracklet]:
    """Return the tracklet cut at its longest gaps until each part is detected for the fraction `density` of its time.

    `step` is the number of frames between successive sampled ones. A tracklet with fewer detections was linked wrongly:
    its parts may be people, even if the whole is none.
    """
    if len(tracklet) * step >= density * (tracklet.frames[-1] - tracklet.frames[0] + step):
        return [tracklet]
    cut = int(np.diff(tracklet.frames).argmax()) + 1
    return [
        part for side in (slice(0, cut), slice(cut, None)) for part in dense_parts(tracklet.take(side), step, density)
    ]


def trim_ends(tracklet: Tracklet, max_gap: float, least: int) -> Tracklet:
    """Return the tracklet without stray detections at its ends.

    These are runs of under `least` detections beyond a gap of over `max_gap` frames.

    The longest run always stays.
    """
    breaks = np.flatnonzero(np.diff(tracklet.frames) > max_gap) + 1
    runs = np.split(np.arange(len(tracklet)), breaks)
    solid = [index for index, run in enumerate(runs) if len(run) >= min(least, max(map(len, runs)))]
    return tracklet.take(np.concatenate(runs[solid[0] : solid[-1] + 1]))


def _length(tracklet: Tracklet) -> int:
    return int(tracklet.frames[-1] - tracklet.frames[0]) + 1


def _common_length(one: Tracklet, other: Tracklet) -> int:
    """Return for how many frames both last; not over 0 where they never do."""
    return int(min(one.frames[-1], other.frames[-1]) - max(one.frames[0], other.frames[0])) + 1
