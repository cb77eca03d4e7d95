"""The offline linker: tracklets of a whole clip become the few gap-free tubes that a query chooses from.

An online tracker decides frame by frame; here both sides of every gap are known. Within one shot: tracklets that follow
the same person at the same time are merged, then all gaps are closed by one assignment on motion, then ghosts are
dropped. Tubes never cross a shot cut.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass
from scipy.optimize import linear_sum_assignment

from spatial.tracking import interpolate_tube, shots
from stvg.boxes import elementwise_iou
from stvg.config import STRICT
from stvg.interfaces import Footage
from stvg.types import FrameSpan, Tube

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LinkingConfig:
    """The offline linker."""

    max_gap_s: float = 2.0
    """Longest time, in seconds, without a detection over which tracklets are joined."""
    max_jump: float = 0.5
    """How far a person may be from where motion puts them after a short gap, in body heights."""
    jump_per_s: float = 0.5
    """What each second of gap adds to max_jump, in body heights."""
    motion_s: float = 0.7
    """Seconds of a tracklet, before and after a gap, from which its motion is measured."""
    same_iou: float = 0.6
    """Mean IoU in their common frames from which two tracklets are the same person."""
    same_share: float = 0.7
    """Share of the shorter of them that must be common frames with that IoU."""
    min_length_s: float = 1.0
    """Tubes whose detections cover less than this many seconds are ghosts."""
    min_score: float = 0.3
    """Tubes whose detections, the better half of them, have a mean score under this are ghosts."""


class MotionLinker:
    """Links tracklets by motion and overlap; see LinkingConfig for the arguments."""

    def __init__(
        self,
        *,
        max_gap_s: float = 2.0,
        max_jump: float = 0.5,
        jump_per_s: float = 0.5,
        motion_s: float = 0.7,
        same_iou: float = 0.6,
        same_share: float = 0.7,
        min_length_s: float = 1.0,
        min_score: float = 0.3,
    ) -> None:
        self._max_gap_s, self._max_jump, self._jump_per_s, self._motion_s = max_gap_s, max_jump, jump_per_s, motion_s
        self._same_iou, self._same_share = same_iou, same_share
        self._min_length_s, self._min_score = min_length_s, min_score

    def link(self, footage: Footage, tracklets: Sequence[Tube]) -> tuple[Tube, ...]:
        """Return gap-free tubes, longest first, `tube_id` 0, 1, ... in that order; perhaps none."""
        tubes: list[Tube] = []
        for shot in shot_spans(footage):
            parts = [part for tube in tracklets for part in _inside(tube, shot)]
            parts = self._merge(self._join(self._merge(parts), footage.meta.fps))
            tubes += [_held(tube, footage, shot) for tube in parts if self._is_real(tube, footage)]
        tubes.sort(key=lambda tube: (-tube.span.length, tube.start_frame, tube.tube_id))
        return tuple(
            Tube(index, tube.start_frame, tube.boxes_xyxy, tube.scores, tube.observed)
            for index, tube in enumerate(tubes)
        )

    def _merge(self, tubes: Sequence[Tube]) -> list[Tube]:
        """Return the tubes with duplicates merged, the longer of each pair leading."""
        kept: list[Tube] = []
        for tube in sorted(tubes, key=lambda tube: -int(tube.observed.sum())):
            for index, other in enumerate(kept):
                if self._are_same(other, tube):
                    kept[index] = _union(other, tube)
                    break
            else:
                kept.append(tube)
        return kept

    def _are_same(self, longer: Tube, shorter: Tube) -> bool:
        """Whether the two lie on each other for most of the shorter one."""
        start = max(longer.span.start, shorter.span.start)
        stop = min(longer.span.stop, shorter.span.stop)
        if stop - start < self._same_share * shorter.span.length:
            return False
        common = FrameSpan(start, stop)
        iou = elementwise_iou(longer.crop(common).boxes_xyxy, shorter.crop(common).boxes_xyxy)
        return bool(iou.mean() >= self._same_iou)

    def _join(self, tubes: Sequence[Tube], fps: float) -> list[Tube]:
        """Return the tubes with gaps closed: one assignment of tails to heads over all of them."""
        count = len(tubes)
        if count < 2:
            return list(tubes)
        costs = np.full((count, 2 * count), np.inf)
        costs[np.arange(count), count + np.arange(count)] = 1.0  # to stay without a successor
        for tail, before in enumerate(tubes):
            for head, after in enumerate(tubes):
                cost = self._gap_cost(before, after, fps)
                if cost < 1.0:
                    costs[tail, head] = cost
        rows, columns = linear_sum_assignment(costs)
        successor = {int(tail): int(head) for tail, head in zip(rows, columns, strict=True) if head < count}
        joined: list[Tube] = []
        for first in sorted(set(range(count)) - set(successor.values())):
            chain = [first]
            while chain[-1] in successor:
                chain.append(successor[chain[-1]])
            joined.append(_through([tubes[index] for index in chain]))
        return joined

    def _gap_cost(self, before: Tube, after: Tube, fps: float) -> float:
        """Return how badly `after` continues `before`: under 1 where they may be joined, 0 where they fit exactly.

        Each side's motion is drawn on to the middle of the gap; there the boxes' centres and heights are compared.
        """
        gap_s = (after.span.start - before.span.stop + 1) / fps
        if not 0 < gap_s <= self._max_gap_s:
            return np.inf
        frames = max(2, round(self._motion_s * fps))
        ends = np.stack([_drawn_on(before, frames, gap_s * fps / 2), _drawn_on(after, frames, -gap_s * fps / 2)])
        heights = ends[:, 3]
        jump = float(np.hypot(*(ends[0, :2] - ends[1, :2]))) / max(1.0, float(heights.mean()))
        growth = abs(float(np.log(heights[0] / heights[1])))
        return (jump + growth) / (self._max_jump + self._jump_per_s * gap_s)

    def _is_real(self, tube: Tube, footage: Footage) -> bool:
        """Whether the tube is long and sure enough to be no ghost; a whole clip shorter than the limit may do."""
        step = int(footage.frames[1] - footage.frames[0]) if len(footage.frames) > 1 else 1
        seen_s = int(tube.observed.sum()) * step / footage.meta.fps
        limit_s = min(self._min_length_s, footage.meta.num_frames / footage.meta.fps)
        scores = np.sort(tube.scores[tube.observed])
        return seen_s >= limit_s and float(scores[len(scores) // 2 :].mean()) >= self._min_score


def shot_spans(footage: Footage) -> list[FrameSpan]:
    """Return the frames of each shot that has a frame of the footage."""
    edges = np.array([0, *footage.cuts, footage.meta.num_frames])
    starts = [
        int(edges[np.searchsorted(edges, footage.frames[shot.start], side="right") - 1]) for shot in shots(footage)
    ]
    return [FrameSpan(start, int(edges[np.searchsorted(edges, start, side="right")])) for start in starts]


def _inside(tube: Tube, shot: FrameSpan) -> list[Tube]:
    """Return the part of the tube in the shot, from its first detection to its last, if there is any."""
    if tube.span.stop <= shot.start or tube.span.start >= shot.stop:
        return []
    part = tube.crop(shot)
    seen = np.flatnonzero(part.observed)
    if len(seen) == 0:
        return []
    return [part.crop(FrameSpan(part.start_frame + int(seen[0]), part.start_frame + int(seen[-1]) + 1))]


def _through(chain: Sequence[Tube]) -> Tube:
    """Return one tube through the detections of successive tubes."""
    if len(chain) == 1:
        return chain[0]
    frames = np.concatenate([tube.start_frame + np.flatnonzero(tube.observed) for tube in chain])
    boxes = np.concatenate([tube.boxes_xyxy[tube.observed] for tube in chain])
    scores = np.concatenate([tube.scores[tube.observed] for tube in chain])
    return interpolate_tube(chain[0].tube_id, frames, boxes, scores)


def _union(leading: Tube, other: Tube) -> Tube:
    """Return a tube through the detections of both; where both have one, the leading tube's."""
    frames, boxes, scores = [
        np.concatenate(columns)
        for columns in zip(
            *(
                (
                    tube.start_frame + np.flatnonzero(tube.observed),
                    tube.boxes_xyxy[tube.observed],
                    tube.scores[tube.observed],
                )
                for tube in (leading, other)
            ),
            strict=True,
        )
    ]
    frames, first = np.unique(frames, return_index=True)
    return interpolate_tube(leading.tube_id, frames, boxes[first], scores[first])


def _drawn_on(tube: Tube, frames: int, ahead: float) -> Float64Array:
    """Return centre x, centre y, width, height that the tube's motion gives `ahead` frames after its end.

    Negative: before its start. The motion of the centre is fitted to the `frames` frames at that end; the size stays.
    """
    end = slice(-frames, None) if ahead > 0 else slice(0, frames)
    boxes = tube.boxes_xyxy[end].astype(np.float64)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    sizes = boxes[:, 2:] - boxes[:, :2]
    edge = -1 if ahead > 0 else 0
    speed = np.zeros(2)
    if len(boxes) >= max(3, frames // 2):  # a few frames tell jitter rather than motion
        times = np.arange(len(boxes)) - (len(boxes) - 1) / 2
        speed = times @ (centres - centres.mean(axis=0)) / (times @ times)
    size = np.maximum(1.0, np.median(sizes, axis=0))
    return np.concatenate([centres[edge] + speed * ahead, size])


def _held(tube: Tube, footage: Footage, shot: FrameSpan) -> Tube:
    """Return the tube held up to the shot's edges where no further frame of the footage lies between."""
    first, last = tube.span.start, tube.span.stop - 1
    frames = footage.frames
    early = first - shot.start if not ((frames >= shot.start) & (frames < first)).any() else 0
    late = shot.stop - 1 - last if not ((frames > last) & (frames < shot.stop)).any() else 0
    return Tube(
        tube.tube_id,
        first - early,
        np.pad(tube.boxes_xyxy, ((early, late), (0, 0)), mode="edge"),
        np.pad(tube.scores, (early, late), mode="edge"),
        np.pad(tube.observed, (early, late), constant_values=False),
    )
