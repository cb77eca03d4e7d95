"""The trackers of the package `trackers` as they come, to compare with: no second direction, no linker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spatial.tracking.tracker import Engine
from stvg.geometry.tubes import interpolate_tube
from stvg.types import Detections, Tube, VideoFrames


@dataclass(frozen=True, slots=True)
class OnlineTracker:
    """One tracker; `settings` are the arguments of its class, the rest are the package's defaults.

    `knows_cuts`: whether each shot gets a fresh one.
    """

    engine: Engine
    settings: dict[str, Any] = field(default_factory=dict)
    knows_cuts: bool = False

    def track(self, footage: VideoFrames, detections: Sequence[Detections]) -> tuple[Tube, ...]:
        """Return its tracks as tubes, with straight lines over frames without a detection."""
        tubes: list[Tube] = []
        for shot in footage.shots() if self.knows_cuts else [slice(0, len(footage.frames))]:
            for rows in self._track(footage, detections[shot], shot).values():
                frames, boxes, scores = zip(*rows, strict=True)
                tubes.append(interpolate_tube(len(tubes), frames, np.stack(boxes), scores))
        return tuple(tubes)

    def _track(
        self, footage: VideoFrames, items: Sequence[Detections], shot: slice
    ) -> dict[int, list[tuple[int, Any, float]]]:
        """Return frame, box and score of each detection with an identity, by identity."""
        import supervision as sv

        tracker = self._new(footage)
        images = footage.images[shot] if self.engine == "botsort" and footage.images is not None else None
        tracks: dict[int, list[tuple[int, Any, float]]] = {}
        for place, item in enumerate(items):
            boxes = item.boxes_xyxy.astype(np.float64) * footage.scale
            frame = {} if images is None else {"frame": images[place][..., ::-1].copy()}
            found = tracker.update(sv.Detections(boxes, confidence=item.scores.copy()), **frame)
            for track_id, box, score in zip(found.tracker_id, found.xyxy, found.confidence, strict=True):
                if track_id >= 0:
                    tracks.setdefault(int(track_id), []).append((item.frame, box / footage.scale, float(score)))
        return tracks

    def _new(self, footage: VideoFrames) -> Any:
        from trackers import BoTSORTTracker, ByteTrackTracker, OCSORTTracker

        kind = {"bytetrack": ByteTrackTracker, "ocsort": OCSORTTracker, "botsort": BoTSORTTracker}[self.engine]
        return kind(frame_rate=footage.sampled_fps, **self.settings)
