"""Pieces: what the offline linker joins, the detections of one person in one shot, gaps left open."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from stvg.geometry.boxes import pairwise_iou
from stvg.types import BoolArray, Float64Array, IntArray, Tube, VideoFrames


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
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

    def take(self, rows: IntArray | BoolArray | slice) -> "Piece":
        """Return the piece with some of its detections."""
        return Piece(self.frames[rows], self.boxes_xyxy[rows], self.scores[rows], self.covered[rows], self.shot)

    def boxes_at(self, frames: IntArray) -> Float64Array:
        """Return boxes (K, 4) at frames (K,), linear between detections and held beyond the ends."""
        return np.stack([np.interp(frames, self.frames, column) for column in self.boxes_xyxy.T], axis=1)

    @property
    def strength(self) -> float:
        """Mean score of the better half of the detections."""
        return float(np.sort(self.scores)[len(self.scores) // 2 :].mean())


def pieces_of(tracklets: Sequence[Tube], footage: VideoFrames) -> list[Piece]:
    """Return the detections of each tracklet, one piece per shot that it has detections in."""
    pieces: list[Piece] = []
    bounds = [(number, shot) for number, shot in enumerate(footage.shots())]
    for tube in tracklets:
        seen = np.flatnonzero(tube.observed)
        frames = tube.start_frame + seen
        for number, shot in bounds:
            first, last = footage.frames[shot.start], footage.frames[shot.stop - 1]
            rows = seen[(frames >= first) & (frames <= last)]
            if len(rows):
                boxes, scores = tube.boxes_xyxy[rows].astype(np.float64), tube.scores[rows].astype(np.float64)
                pieces.append(Piece(tube.start_frame + rows, boxes, scores, np.zeros(len(rows)), number))
    return _with_cover(pieces)


def chained(pieces: Sequence[Piece]) -> Piece:
    """Return one piece through the detections of all; where two have the same frame, the one with the higher score."""
    if len(pieces) == 1:
        return pieces[0]
    frames = np.concatenate([piece.frames for piece in pieces])
    scores = np.concatenate([piece.scores for piece in pieces])
    order = np.lexsort((-scores, frames))
    _, first = np.unique(frames[order], return_index=True)
    rows = order[first]
    boxes = np.concatenate([piece.boxes_xyxy for piece in pieces])
    covered = np.concatenate([piece.covered for piece in pieces])
    return Piece(frames[rows], boxes[rows], scores[rows], covered[rows], pieces[0].shot)


def common_boxes(one: Piece, other: Piece) -> tuple[IntArray, Float64Array, Float64Array]:
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


def split_in_crowds(pieces: Sequence[Piece], max_iou: float, least: int) -> list[Piece]:
    """Return the pieces cut wherever they could have changed person.

    That is before and after each detection whose IoU with one of another piece is over `max_iou`. Only pieces of at
    least `least` detections count and are cut: stray boxes lie on people all the time.
    """
    doubtful = [np.zeros(len(piece), dtype=np.bool_) for piece in pieces]
    for owners, rows, boxes in _together(pieces, least):
        crowded = (pairwise_iou(boxes, boxes) - np.eye(len(boxes))).max(axis=1) > max_iou
        for owner, row in zip(owners[crowded], rows[crowded], strict=True):
            doubtful[owner][row] = True
    parts: list[Piece] = []
    for piece, doubt in zip(pieces, doubtful, strict=True):
        edges = [0, *(np.flatnonzero(doubt[:-1] | doubt[1:]) + 1).tolist(), len(piece)]
        parts += [piece.take(slice(start, stop)) for start, stop in pairwise(edges)]
    return parts


def _with_cover(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces with `covered` filled in."""
    covers = [piece.covered.copy() for piece in pieces]
    for owners, rows, boxes in _together(pieces, 1):
        share = covered_share(boxes[:, None], boxes[None])
        share *= np.where(boxes[None, :, 3] > boxes[:, None, 3], 1.0, 0.5)
        np.fill_diagonal(share, 0.0)
        for owner, row, value in zip(owners, rows, share.max(axis=1), strict=True):
            covers[owner][row] = value
    return [replace(piece, covered=cover) for piece, cover in zip(pieces, covers, strict=True)]


def _together(pieces: Sequence[Piece], least: int) -> Iterator[tuple[IntArray, IntArray, Float64Array]]:
    """Yield, for each frame with two or more detections of pieces of at least `least`: owners, rows, boxes (K, 4)."""
    chosen = [index for index, piece in enumerate(pieces) if len(piece) >= least]
    if not chosen:
        return
    frames = np.concatenate([pieces[index].frames for index in chosen])
    owners = np.repeat(chosen, [len(pieces[index]) for index in chosen])
    rows = np.concatenate([np.arange(len(pieces[index])) for index in chosen])
    boxes = np.concatenate([pieces[index].boxes_xyxy for index in chosen])
    order = np.argsort(frames, kind="stable")
    edges = np.flatnonzero(np.diff(frames[order])) + 1
    for group in np.split(order, edges):
        if len(group) > 1:
            yield owners[group], rows[group], boxes[group]
