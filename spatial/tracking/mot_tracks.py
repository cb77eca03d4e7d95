"""Track a MOTChallenge file of detections into a file of tubes."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spatial.detectors.detections_file import detections_in
from spatial.detectors.postprocess import BoxFilterConfig
from spatial.tracking.tracker import BidirectionalTracker
from spatial.tracking.tracklet_linker import OfflineLinker
from stvg.errors import InputError
from stvg.geometry.boxes import warn_of_fractions
from stvg.io.files import refuse_overwriting
from stvg.io.mot_text import MotRows, read_mot, write_mot
from stvg.io.video import read_footage
from stvg.types import Tube, VideoFrames, VideoMeta

logger = logging.getLogger(__name__)
_FRAMES, _FRAMES_PER_ROW = 1000, 20
"""Without a video as many frames are gone through, and that many more for each row of detections."""
_PICTURE_SIDE = 320
"""Pixels of the pictures' longer side: enough for shot boundaries and the colours of clothes."""


def track_file(
    detections: Path, out: Path, video: Path | None, *, fps: float, stride: int, keep: BoxFilterConfig
) -> int:
    """Track and link the detections of the file, write the tubes to `out`, and return how many there are.

    With the video its cuts, frame rate and size are known, and people's appearance; else `fps` counts, there are no
    cuts, motion alone tells people apart, and boxes are not clipped on the right and at the bottom. Only every
    `stride`-th frame's detections are used, from the first on, of these the boxes that `keep` lets through.

    Raises:
        InputError: files that cannot be read or written, an `out` that is read too, a row past the video's end, an
            fps or stride not over 0, or without a video a frame far beyond what so few rows would fill.
    """
    if not (0 < fps < np.inf) or stride < 1:
        raise InputError(f"arguments: expected fps > 0 and stride >= 1, got {fps} and {stride}")
    refuse_overwriting(out, [detections, *([video] if video else [])])
    rows = read_mot(detections)
    warn_of_fractions(detections, rows.boxes_xyxy)
    frames = read_footage(video, video.name, stride, _PICTURE_SIDE) if video else _blank(rows, detections, fps, stride)
    items = detections_in(rows, frames, detections, keep)
    tubes = OfflineLinker().link(frames, BidirectionalTracker().track(frames, items))
    write_mot(out, tube_rows(tubes))
    logger.info("%s: %d detections, %d tubes", detections, len(rows), len(tubes))
    return len(tubes)


def tube_rows(tubes: Sequence[Tube]) -> MotRows:
    """Return all boxes of the tubes by frame; a tube's track id is its tube_id + 1, as MOT files count from 1."""
    rows = sorted(
        (frame, tube.tube_id + 1, *box, score)
        for tube in tubes
        for frame, box, score in zip(
            range(tube.span.start, tube.span.stop), tube.boxes_xyxy.tolist(), tube.scores.tolist(), strict=True
        )
    )
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    return MotRows(
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        table[:, 2:6].astype(np.float32),
        table[:, 6].astype(np.float32),
    )


def _blank(rows: MotRows, path: Path, fps: float, stride: int) -> VideoFrames:
    """Return frames without pictures for as long as the detections last."""
    count = int(rows.frames.max()) + 1 if len(rows) else 1
    if count > _FRAMES + _FRAMES_PER_ROW * len(rows):
        raise InputError(
            f"{path}: expected detections in most frames, got {len(rows)} rows and frame {count}; "
            "with --video the video's own length counts"
        )
    sides = np.ceil(rows.boxes_xyxy[:, 2:].max(axis=0, initial=1.0)).astype(int)
    meta = VideoMeta(path.name, path, count, fps, int(sides[0]), int(sides[1]))
    frames = np.arange(0, count, stride, dtype=np.int64)
    return VideoFrames(meta, frames, None, 1 / meta.height, ())
