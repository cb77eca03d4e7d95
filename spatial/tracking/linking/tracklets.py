"""Represent tracklets: the detections of one person in one shot, with gaps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from stvg.geometry.boxes import pairwise_iou
from stvg.types import BoolArray, Float64Array, IntArray, Tube, VideoFrames


@dataclass(frozen=True, slots=True, eq=False)
class Tracklet:
    """Detections of one person in one shot.

    `frames` (N,) int64, increasing; `boxes_xyxy` (N, 4) float64 pixels; `scores` (N,) float64; `covered` (N,) float64
    in [0, 1]: the largest share of the box that lies under another box of the frame, half of it where that other box
    stands behind (its lower edge is higher). `shot` is the number of the shot.
    """

    frames: IntArray
    boxes_xyxy: Float64Array
    scores: Float64Array
    covered: Float64Array
    shot: int

    def __len__(self) -> int:
        return len(self.frames)

    def take(self, rows: IntArray | BoolArray | slice) -> "Tracklet":
        """Return the tracklet with some of its detections."""
        return Tracklet(self.frames[rows], self.boxes_xyxy[rows], self.scores[rows], self.covered[rows], self.shot)

    def boxes_at(self, frames: IntArray) -> Float64Array:
        """Return boxes (K, 4) at frames (K,), linear between detections and held beyond the ends."""
        return np.stack([np.interp(frames, self.frames, column) for column in self.boxes_xyxy.T], axis=1)

    @property
    def strength(self) -> float:
        """Mean score of the better half of the detections."""
        return float(np.sort(self.scores)[len(self.scores) // 2 :].mean())


def tracklets_of(tubes: Sequence[Tube], video: VideoFrames) -> list[Tracklet]:
    """Return the detections of each tube that a tracker gave, one tracklet per shot that it has detections in."""
    tracklets: list[Tracklet] = []
    bounds = [(number, shot) for number, shot in enumerate(video.shots())]
    for tube in tubes:
        seen = np.flatnonzero(tube.observed)
        frames = tube.start_frame + seen
        for number, shot in bounds:
            first, last = video.frames[shot.start], video.frames[shot.stop - 1]
            rows = seen[(frames >= first) & (frames <= last)]
            if len(rows):
                boxes, scores = tube.boxes_xyxy[rows].astype(np.float64), tube.scores[rows].astype(np.float64)
                tracklets.append(Tracklet(tube.start_frame + rows, boxes, scores, np.zeros(len(rows)), number))
    return _with_cover(tracklets)


def chained(tracklets: Sequence[Tracklet]) -> Tracklet:
    """Return one tracklet of the detections of all; of two in the same frame, the one with the higher score."""
    if len(tracklets) == 1:
        return tracklets[0]
    frames = np.concatenate([tracklet.frames for tracklet in tracklets])
    scores = np.concatenate([tracklet.scores for tracklet in tracklets])
    order = np.lexsort((-scores, frames))
    _, first = np.unique(frames[order], return_index=True)
    rows = order[first]
    boxes = np.concatenate([tracklet.boxes_xyxy for tracklet in tracklets])
    covered = np.concatenate([tracklet.covered for tracklet in tracklets])
    return Tracklet(frames[rows], boxes[rows], scores[rows], covered[rows], tracklets[0].shot)


def common_boxes(one: Tracklet, other: Tracklet) -> tuple[IntArray, Float64Array, Float64Array]:
    """Return the frames (K,) of the time that both last at which either has a detection, and the boxes of both."""
    start, stop = max(one.frames[0], other.frames[0]), min(one.frames[-1], other.frames[-1])
    frames = np.union1d(one.frames, other.frames)
    frames = frames[(frames >= start) & (frames <= stop)]
    return frames, one.boxes_at(frames), other.boxes_at(frames)


def covered_share(boxes_xyxy: Float64Array, by_xyxy: Float64Array) -> Float64Array:
    """Return the share (...) of each box (..., 4) that lies under another, (..., 4), broadcast against each other.

    >>> covered_share(np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 50, 10])).tolist()
    0.5
    """
    low = np.maximum(boxes_xyxy[..., :2], by_xyxy[..., :2])
    high = np.minimum(boxes_xyxy[..., 2:], by_xyxy[..., 2:])
    areas = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).prod(axis=-1)
    return np.asarray((high - low).clip(0).prod(axis=-1) / np.maximum(areas, 1e-6))


def split_in_crowds(
    tracklets: Sequence[Tracklet], max_iou: float, least: int, *, strong: float = 0.0, second_share: float = 1.0
) -> list[Tracklet]:
    """Return the tracklets cut wherever identities could have been switched.

    That is before and after each detection whose IoU with one of another tracklet is over `max_iou`. Only tracklets of
    at least `least` detections count and are cut: stray boxes lie on people all the time. Two kinds of meetings cut
    nothing: those of the weaker of two tracklets that meets the other with more than `second_share` of its detections,
    as a second box on the same person does; and, of a tracklet with a strength of `strong` or more, those with one
    below, which the tracker would not have taken for it.
    """
    doubtful = [np.zeros(len(tracklet), dtype=np.bool_) for tracklet in tracklets]
    owners, rows, others = _meetings(tracklets, max_iou, least)
    _, pairs, counts = np.unique(owners * len(tracklets) + others, return_inverse=True, return_counts=True)
    lengths = np.array([len(tracklet) for tracklet in tracklets])
    strengths = np.array([tracklet.strength for tracklet in tracklets])
    own, other = strengths[owners], strengths[others]
    weaker = np.where(own < other, lengths[owners], lengths[others])
    second = (own != other) & (counts[pairs] > second_share * weaker)
    doubt = ~second & (other >= np.minimum(own, strong))
    for owner, row in zip(owners[doubt], rows[doubt], strict=True):
        doubtful[owner][row] = True
    parts: list[Tracklet] = []
    for tracklet, doubt in zip(tracklets, doubtful, strict=True):
        edges = [0, *(np.flatnonzero(doubt[:-1] | doubt[1:]) + 1).tolist(), len(tracklet)]
        parts += [tracklet.take(slice(start, stop)) for start, stop in pairwise(edges)]
    return parts


def _meetings(tracklets: Sequence[Tracklet], min_iou: float, least: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return owner and row of each detection, and the owner of each other one of the frame with an IoU over `min_iou`.

    (K,) each, both ways round. Only tracklets of at least `least` detections count.
    """
    found = [np.zeros((3, 0), dtype=np.int64)]
    for owners, rows, boxes in _together(tracklets, least):
        one, other = np.nonzero(pairwise_iou(boxes, boxes) - np.eye(len(boxes)) > min_iou)
        found.append(np.stack([owners[one], rows[one], owners[other]]))
    met = np.concatenate(found, axis=1)
    return met[0], met[1], met[2]


def _with_cover(tracklets: list[Tracklet]) -> list[Tracklet]:
    """Return the tracklets with `covered` filled in."""
    covers = [tracklet.covered.copy() for tracklet in tracklets]
    for owners, rows, boxes in _together(tracklets, 1):
        share = covered_share(boxes[:, None], boxes[None])
        share *= np.where(boxes[None, :, 3] > boxes[:, None, 3], 1.0, 0.5)
        np.fill_diagonal(share, 0.0)
        for owner, row, value in zip(owners, rows, share.max(axis=1), strict=True):
            covers[owner][row] = value
    return [replace(tracklet, covered=cover) for tracklet, cover in zip(tracklets, covers, strict=True)]


def _together(tracklets: Sequence[Tracklet], least: int) -> Iterator[tuple[IntArray, IntArray, Float64Array]]:
    """Yield owners, rows and boxes (K, 4) of each frame with two or more detections.

    Only tracklets of at least `least` detections count.
    """
    chosen = [index for index, tracklet in enumerate(tracklets) if len(tracklet) >= least]
    if not chosen:
        return
    frames = np.concatenate([tracklets[index].frames for index in chosen])
    owners = np.repeat(chosen, [len(tracklets[index]) for index in chosen])
    rows = np.concatenate([np.arange(len(tracklets[index])) for index in chosen])
    boxes = np.concatenate([tracklets[index].boxes_xyxy for index in chosen])
    order = np.argsort(frames, kind="stable")
    edges = np.flatnonzero(np.diff(frames[order])) + 1
    for group in np.split(order, edges):
        if len(group) > 1:
            yield owners[group], rows[group], boxes[group]
