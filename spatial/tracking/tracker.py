"""Run an online tracker over each shot in both directions.

The trackers are those of the package `trackers`. They know neither shot cuts nor original frame numbers: here each shot
gets fresh ones at the rate of the sampled frames, and their tracks become tubes on original frame numbers. An online
tracker errs where people meet, and in the other direction it often errs otherwise: a step from one detection to the
next counts only if neither direction contradicts it. So tracklets are shorter than tracks, and purer; the linker joins
them. Detections that belong to no track (tracker_id < 0) become tracklets of one box, which the linker may use to fill
gaps.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from stvg.config import STRICT
from stvg.errors import InputError
from stvg.geometry.tubes import interpolate_tube
from stvg.types import Detections, Image, Tube, VideoFrames

Engine = Literal["bytetrack", "ocsort", "botsort"]
_Place = tuple[int, int]
"""(index of the sampled frame in its shot, row in its Detections) of one detection."""
_BUFFER_FPS = 30.0
"""Frame rate, in frames/s, at which the package counts how long it keeps lost tracks."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TrackingConfig:
    """An online tracker."""

    engine: Engine = "bytetrack"
    """ByteTrack, OC-SORT or BoT-SORT, as the package `trackers` has them."""
    memory_s: float = 0.5
    """Longest time, in seconds, for which a track is kept without a detection."""
    min_hits: int = 1
    """Matches in a row that make a track; the linker drops false positives anyway."""
    high_score: float = 0.35
    """Least score of a detection that starts a track, in [0, 1]. Weaker ones can only continue one, where no stronger
    one fits; OC-SORT ignores them."""
    min_iou: float = 0.3
    """Least IoU of a detection with the box that the tracker predicts."""
    camera_motion: bool = True
    """Whether BoT-SORT compensates camera motion, by optical flow; the others cannot."""


class BidirectionalTracker:
    """Runs one of the package's trackers over each shot, forwards and backwards."""

    def __init__(self, config: TrackingConfig = TrackingConfig()) -> None:
        self._config = config

    def track(self, video: VideoFrames, detections: Sequence[Detections]) -> list[Tube]:
        """Return the tracklets of each shot, in order of appearance; every detection belongs to exactly one.

        `detections` holds one item per sampled frame of the video. Frames of a tracklet without a detection, between
        the sampled frames or where the tracker waited, are interpolated and marked so.

        Raises:
            ValueError: detections of other frames than the video's.
        """
        if [item.frame for item in detections] != video.frames.tolist():
            raise ValueError("detections: expected one item per sampled frame of the video, in order")
        tubes: list[Tube] = []
        for shot in video.shots():
            items = detections[shot]
            images = None if video.images is None else video.images[shot]
            steps = [self._steps(video, items, images, backwards) for backwards in (False, True)]
            for track in _chains(items, _agreed(*steps)):
                frames = [items[place].frame for place, _ in track]
                boxes = [items[place].boxes_xyxy[row] for place, row in track]
                scores = [items[place].scores[row] for place, row in track]
                tubes.append(interpolate_tube(len(tubes), frames, boxes, scores))
        return tubes

    def _steps(
        self, video: VideoFrames, items: Sequence[Detections], images: Image | None, backwards: bool
    ) -> dict[_Place, _Place]:
        """Return, for one shot and direction of the tracker, the next detection in time of those that have one."""
        import supervision as sv

        tracker = self._new_tracker(video.sampled_fps)
        pictures = images if self._config.engine == "botsort" and self._config.camera_motion else None
        last: dict[int, _Place] = {}
        steps: dict[_Place, _Place] = {}
        for place in range(len(items))[:: -1 if backwards else 1]:
            item = items[place]
            boxes = item.boxes_xyxy.astype(np.float64) * video.scale  # camera motion is measured on the images
            rows = sv.Detections(boxes, confidence=item.scores.copy(), data={"row": np.arange(len(item))})
            frame = {} if pictures is None else {"frame": pictures[place][..., ::-1].copy()}
            found = tracker.update(rows, **frame)
            for track_id, row in zip(found.tracker_id, found.data.get("row", ()), strict=True):
                if track_id < 0:
                    continue
                here = place, int(row)
                if (there := last.get(int(track_id))) is not None:
                    steps |= {here: there} if backwards else {there: here}
                last[int(track_id)] = here
        return steps

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
            "lost_track_buffer": round(self._config.memory_s * _BUFFER_FPS),
            "frame_rate": fps,
            "minimum_consecutive_frames": self._config.min_hits,
            "high_conf_det_threshold": self._config.high_score,
        }
        min_iou = self._config.min_iou
        if self._config.engine == "ocsort":
            return OCSORTTracker(**common, minimum_iou_threshold=min_iou)
        common["track_activation_threshold"] = self._config.high_score
        if self._config.engine == "bytetrack":
            return ByteTrackTracker(**common, minimum_iou_threshold=min_iou)
        return BoTSORTTracker(
            **common, minimum_iou_threshold_first_assoc=min_iou, enable_cmc=self._config.camera_motion
        )


def _agreed(forwards: dict[_Place, _Place], backwards: dict[_Place, _Place]) -> dict[_Place, _Place]:
    """Return the steps from detection to detection that neither direction contradicts.

    >>> _agreed({(0, 0): (1, 0), (1, 0): (2, 0)}, {(1, 0): (2, 0), (0, 1): (1, 1)})
    {(0, 0): (1, 0), (1, 0): (2, 0), (0, 1): (1, 1)}
    >>> _agreed({(0, 0): (1, 0)}, {(0, 1): (1, 0)})
    {}
    """
    both = forwards, backwards
    sources = [{after: before for before, after in steps.items()} for steps in both]
    return {
        before: after
        for before, after in {**forwards, **backwards}.items()
        if all(steps.get(before, after) == after for steps in both)
        and all(source.get(after, before) == before for source in sources)
    }


def _chains(items: Sequence[Detections], steps: dict[_Place, _Place]) -> Iterator[list[_Place]]:
    """Yield the detections of each tracklet in order, each detection in exactly one."""
    inner = set(steps.values())
    for place, item in enumerate(items):
        for row in range(len(item)):
            if (place, row) in inner:
                continue
            chain = [(place, row)]
            while chain[-1] in steps:
                chain.append(steps[chain[-1]])
            yield chain
