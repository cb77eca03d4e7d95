"""What does not deserve to be a tube: second boxes on the same person, ghosts, stray detections at the ends."""

from collections.abc import Sequence

import numpy as np

from spatial.tracking.linking.tracklets import Piece, chained, common_boxes, covered_share
from stvg.geometry.boxes import elementwise_iou

_INNER = ((0.5, 0.85), (0.8, 0.95))
"""Boxes of which so much lies under other ones are nobody's own if their mean score is at most so much of theirs: head
and shoulders, a reflection, a box over two people. Who stands behind others is found as surely as they are."""
_LONG_GHOST, _SHORT_GHOST = 0.6, 0.3
"""The strength asked of a tube, as a share of the strongest tube's of the clip: the first plus the second, of which
e times less is left with each second that the tube is seen."""


def merge_duplicates(pieces: Sequence[Piece], same_iou: float, same_share: float) -> list[Piece]:
    """Return the pieces with those merged that follow one person at the same time, surest first.

    Two of a shot do if they last at the same time for `same_share` of the shorter one's time, and their mean IoU there
    is at least `same_iou`.
    """
    kept: list[Piece] = []
    for piece in sorted(pieces, key=_mass, reverse=True):
        for index, leader in enumerate(kept):
            if _are_same(leader, piece, same_iou, same_share):
                kept[index] = chained([leader, piece.take(~np.isin(piece.frames, leader.frames))])
                break
        else:
            kept.append(piece)
    return kept


def drop_inner(pieces: Sequence[Piece], same_share: float) -> list[Piece]:
    """Return the pieces without those whose boxes lie inside surer ones for `same_share` of the time, surest first."""
    kept: list[Piece] = []
    for piece in sorted(pieces, key=_mass, reverse=True):
        if not any(_is_inner(piece, kept, inner, weaker, same_share) for inner, weaker in _INNER):
            kept.append(piece)
    return kept


def _is_inner(piece: Piece, surer: Sequence[Piece], inner: float, weaker: float, same_share: float) -> bool:
    """Whether surer pieces cover the share `inner` of most of its boxes, and score higher in these frames."""
    inside = np.zeros(len(piece), dtype=np.bool_)
    score = 0.0
    for other in surer:
        if other.shot == piece.shot and _common_length(other, piece) > 0:
            lasts = (piece.frames >= other.frames[0]) & (piece.frames <= other.frames[-1])
            covers = lasts & (covered_share(piece.boxes_xyxy, other.boxes_at(piece.frames)) >= inner)
            inside |= covers
            score = max(score, float(other.scores.mean())) if covers.any() else score
    return float(inside.mean()) >= same_share and float(piece.scores.mean()) <= weaker * score


def _mass(piece: Piece) -> float:
    return float(piece.scores.sum())


def _are_same(one: Piece, other: Piece, same_iou: float, same_share: float) -> bool:
    """Whether the two lie on each other for most of the shorter one."""
    if one.shot != other.shot:
        return False
    if _common_length(one, other) < same_share * min(_length(one), _length(other)):
        return False
    _, boxes, other_boxes = common_boxes(one, other)
    return float(elementwise_iou(boxes, other_boxes).mean()) >= same_iou


def is_real(piece: Piece, strongest: float, seen_s: float, *, least: int, least_s: float, min_score: float) -> bool:
    """Tell whether a piece, seen for `seen_s` seconds, is no ghost.

    It is one with under `least` detections that together last under `least_s`, with a strength under `min_score`, or
    much weaker than the clip's `strongest` piece; the shorter it is, the stronger it must be.
    """
    if len(piece) < least and seen_s < least_s:
        return False
    least_strength = strongest * (_LONG_GHOST + _SHORT_GHOST * float(np.exp(-seen_s)))
    return piece.strength >= max(min_score, least_strength)


def dense_parts(piece: Piece, step: int, density: float) -> list[Piece]:
    """Return the piece cut at its longest gaps until each part is seen for the share `density` of its time, or more.

    `step` frames lie from one detection to the next at best. Who is seen so little was joined wrongly: the parts may be
    people, even if the whole is none.
    """
    if len(piece) * step >= density * (piece.frames[-1] - piece.frames[0] + step):
        return [piece]
    cut = int(np.diff(piece.frames).argmax()) + 1
    return [part for side in (slice(0, cut), slice(cut, None)) for part in dense_parts(piece.take(side), step, density)]


def trim_ends(piece: Piece, max_gap: float, least: int) -> Piece:
    """Return the piece without stray detections at its ends: runs of under `least` beyond a gap over `max_gap` frames.

    The longest run always stays.
    """
    breaks = np.flatnonzero(np.diff(piece.frames) > max_gap) + 1
    runs = np.split(np.arange(len(piece)), breaks)
    solid = [index for index, run in enumerate(runs) if len(run) >= min(least, max(map(len, runs)))]
    return piece.take(np.concatenate(runs[solid[0] : solid[-1] + 1]))


def _length(piece: Piece) -> int:
    return int(piece.frames[-1] - piece.frames[0]) + 1


def _common_length(one: Piece, other: Piece) -> int:
    """Return for how many frames both last; not over 0 where they never do."""
    return int(min(one.frames[-1], other.frames[-1]) - max(one.frames[0], other.frames[0])) + 1
