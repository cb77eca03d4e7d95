"""Detections linked over time by an online tracker of the package `trackers`.

The package's trackers know neither shot cuts nor original frame numbers: here each shot gets a fresh tracker at the
rate of the sampled frames, and its tracks become tubes on original frame numbers. Detections that it leaves without an
identity (tracker_id < 0) are no tracks.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from stvg.boxes import elementwise_iou
from stvg.config import STRICT
from stvg.errors import InputError
from stvg.interfaces import Footage
from stvg.types import Detections, Tube

Engine = Literal["bytetrack", "ocsort", "botsort"]
_BUFFER_FPS = 30.0
"""The package counts its memory of lost tracks in frames of a video of this rate."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TrackingConfig:
    """An online tracker."""

    engine: Engine = "bytetrack"
    """ByteTrack, OC-SORT or BoT-SORT, as the package `trackers` has them."""
    memory_s: float = 0.5
    """Seconds for which a person who is not detected is waited for."""
    min_hits: int = 1
    """Matches in a row that make a track; detections before are lost, and the linker drops ghosts anyway."""
    high_score: float = 0.35
    """Least score of a detection that starts a track, in [0, 1]. Weaker ones can only continue one, where no stronger
    one fits; OC-SORT ignores them."""
    min_iou: float = 0.2
    """Least IoU of a detection with the box that the tracker expects."""
    camera_motion: bool = True
    """Whether BoT-SORT makes up for camera motion, by optical flow; the others cannot."""


class EngineTracker:
    """Runs one of the package's trackers; see TrackingConfig for the arguments."""

    def __init__(
        self,
        *,
        engine: Engine = "bytetrack",
        memory_s: float = 0.5,
        min_hits: int = 1,
        high_score: float = 0.35,
        min_iou: float = 0.2,
        camera_motion: bool = True,
    ) -> None:
        self._engine, self._memory_s, self._min_hits, self._min_iou = engine, memory_s, min_hits, min_iou
        self._high_score, self._camera_motion = high_score, camera_motion

    def track(self, footage: Footage, detections: Sequence[Detections]) -> list[Tube]:
        """Return one tracklet per identity and shot, in order of appearance.

        `detections` holds one item per frame of the footage. Frames of a tracklet without a detection, between the
        footage's frames or where the tracker waited, are interpolated and marked so.

        Raises:
            ValueError: detections of other frames than the footage's.
        """
        if [item.frame for item in detections] != footage.frames.tolist():
            raise ValueError("detections: expected one item per frame of the footage, in its order")
        tubes: list[Tube] = []
        for shot in shots(footage):
            items = detections[shot]
            for track in self._track_shot(footage, items, footage.images[shot]):
                frames = [items[place].frame for place, _ in track]
                boxes = [items[place].boxes_xyxy[row] for place, row in track]
                scores = [items[place].scores[row] for place, row in track]
                tubes.append(interpolate_tube(len(tubes), frames, boxes, scores))
        return tubes

    def _track_shot(
        self, footage: Footage, items: Sequence[Detections], images: npt.NDArray[np.uint8]
    ) -> list[list[tuple[int, int]]]:
        """Return the tracks of one shot: for each, its detections as (place in `items`, row in that item)."""
        import supervision as sv

        tracker = self._new_tracker(sampled_fps(footage))
        sees = self._engine == "botsort" and self._camera_motion
        tracks: dict[int, list[tuple[int, int]]] = {}
        for place, (item, image) in enumerate(zip(items, images, strict=True)):
            boxes = item.boxes_xyxy.astype(np.float64) * footage.scale  # camera motion is measured on the images
            rows = sv.Detections(boxes, confidence=item.scores.copy(), data={"row": np.arange(len(item))})
            found = tracker.update(rows, frame=image[..., ::-1].copy()) if sees else tracker.update(rows)
            for track_id, row in zip(found.tracker_id, found.data.get("row", ()), strict=True):
                if track_id >= 0:
                    tracks.setdefault(int(track_id), []).append((place, int(row)))
        self._grow_back(items, list(tracks.values()))
        return list(tracks.values())

    def _grow_back(self, items: Sequence[Detections], tracks: list[list[tuple[int, int]]]) -> None:
        """Lengthen each track into the past, frame by frame, by free detections that overlap its first one.

        The package names a track when it is matched for the first time, so the detection that began it has no id; and
        weak detections before a strong one, which cannot start a track, belong to it as much as those after.
        """
        taken = {detection for track in tracks for detection in track}
        for track in tracks:
            while (found := self._before(items, *track[0], taken)) is not None:
                track.insert(0, found)
                taken.add(found)

    def _before(
        self, items: Sequence[Detections], place: int, row: int, taken: set[tuple[int, int]]
    ) -> tuple[int, int] | None:
        """Return the free detection in the frame before that overlaps this one most, if it does enough."""
        free = [r for r in range(len(items[place - 1])) if (place - 1, r) not in taken] if place else []
        if not free:
            return None
        iou = elementwise_iou(items[place - 1].boxes_xyxy[free], items[place].boxes_xyxy[row])
        return (place - 1, free[int(iou.argmax())]) if iou.max() >= self._min_iou else None

    def _new_tracker(self, fps: float) -> Any:
        """Return a fresh tracker of the package for frames at this rate.

        Raises:
            InputError: the package is missing.
        """
        try:
            from trackers import BoTSORTTracker, ByteTrackTracker, OCSORTTracker
        except ImportError as error:
            raise InputError("tracking: expected the package trackers: pip install trackers") from error
        common = {
            "lost_track_buffer": round(self._memory_s * _BUFFER_FPS),
            "frame_rate": fps,
            "minimum_consecutive_frames": self._min_hits,
            "high_conf_det_threshold": self._high_score,
        }
        if self._engine == "ocsort":
            return OCSORTTracker(**common, minimum_iou_threshold=self._min_iou)
        common["track_activation_threshold"] = self._high_score
        if self._engine == "bytetrack":
            return ByteTrackTracker(**common, minimum_iou_threshold=self._min_iou)
        return BoTSORTTracker(**common, minimum_iou_threshold_first_assoc=self._min_iou, enable_cmc=self._camera_motion)


def shots(footage: Footage) -> Iterator[slice]:
    """Yield the footage's frames of each shot as a slice of indices; shots between two kept frames are passed over."""
    edges = [0, *np.searchsorted(footage.frames, footage.cuts).tolist(), len(footage.frames)]
    for start, stop in pairwise(edges):
        if start < stop:
            yield slice(start, stop)


def sampled_fps(footage: Footage) -> float:
    """Return how many frames of the footage make a second."""
    if len(footage.frames) < 2:
        return footage.meta.fps
    return footage.meta.fps / float(footage.frames[1] - footage.frames[0])


def interpolate_tube(tube_id: int, frames: npt.ArrayLike, boxes_xyxy: npt.ArrayLike, scores: npt.ArrayLike) -> Tube:
    """Return a gap-free tube through boxes at some frames, linear in between, where `observed` is false.

    `frames` (N,) increasing numbers, `boxes_xyxy` (N, 4), `scores` (N,).

    >>> tube = interpolate_tube(0, [10, 12], [[0, 0, 4, 8], [2, 0, 6, 8]], [1, 0.5])
    >>> tube.boxes_xyxy[1].tolist(), tube.observed.tolist()
    ([1.0, 0.0, 5.0, 8.0], [True, False, True])
    """
    known = np.asarray(frames, dtype=np.int64)
    wanted = np.arange(known[0], known[-1] + 1)
    columns = np.column_stack([np.asarray(boxes_xyxy, dtype=np.float64), np.asarray(scores, dtype=np.float64)])
    filled = np.column_stack([np.interp(wanted, known, column) for column in columns.T])
    return Tube(tube_id, int(known[0]), filled[:, :4], filled[:, 4], np.isin(wanted, known))
