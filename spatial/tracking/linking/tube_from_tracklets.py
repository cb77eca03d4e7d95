"""Assemble the tracklets of one person, one per shot, into a gap-free tube."""

from collections.abc import Sequence

import numpy as np

from spatial.tracking.linking.smoothing import smooth_path
from spatial.tracking.linking.tracklets import Tracklet
from stvg.geometry.boxes import clip_boxes
from stvg.geometry.tubes import hold, interpolate_tube
from stvg.types import Float64Array, FrameSpan, Tube, VideoFrames


def make_tube(tube_id: int, tracklets: Sequence[Tracklet], video: VideoFrames, smooth: bool) -> Tube:
    """Return the tube through the detections of successive tracklets, each of another shot.

    Within a shot, boxes between detections are interpolated. At a cut inside the tube, the last box before is held up
    to the shot after, and the first box there back to its start. At the tube's ends boxes are held up to the shot's
    edge where no sampled frame lies between.
    """
    spans = video.shot_spans()
    parts = [_part(tube_id, tracklet, video, smooth) for tracklet in tracklets]
    starts = [
        _first_frame(parts[0], video, spans[tracklets[0].shot]),
        *(spans[tracklet.shot].start for tracklet in tracklets[1:]),
    ]
    stops = [*starts[1:], _stop_frame(parts[-1], video, spans[tracklets[-1].shot])]
    held = [hold(part, start, stop) for part, start, stop in zip(parts, starts, stops, strict=True)]
    if len(held) == 1:
        return held[0]
    return Tube(
        tube_id,
        starts[0],
        np.concatenate([part.boxes_xyxy for part in held]),
        np.concatenate([part.scores for part in held]),
        np.concatenate([part.observed for part in held]),
    )


def _part(tube_id: int, tracklet: Tracklet, video: VideoFrames, smooth: bool) -> Tube:
    """Return the tube of one tracklet, from its first to its last detection."""
    plain = interpolate_tube(tube_id, tracklet.frames, tracklet.boxes_xyxy, tracklet.scores)
    if not smooth:
        return plain
    step = video.step
    path = _inside(smooth_path(tracklet.frames // step, tracklet.boxes_xyxy), tracklet.boxes_xyxy, video)
    filled = interpolate_tube(tube_id, tracklet.frames[0] + step * np.arange(len(path)), path, np.ones(len(path)))
    return Tube(tube_id, plain.start_frame, filled.boxes_xyxy, plain.scores, plain.observed)


def _inside(boxes: Float64Array, raw: Float64Array, video: VideoFrames) -> Float64Array:
    """Return smoothed boxes cut at the picture's edges, beyond which none of the raw ones may lie."""
    width = max(video.meta.width, float(raw[:, 2].max()))
    height = max(video.meta.height, float(raw[:, 3].max()))
    return clip_boxes(boxes, width, height, min_size=min(1.0, width, height)) if raw.min() >= 0 else boxes


def _first_frame(tube: Tube, video: VideoFrames, shot: FrameSpan) -> int:
    """Return the frame from which the first box holds: the shot's start, or the tube's own."""
    earlier = (video.frames >= shot.start) & (video.frames < tube.start_frame)
    return tube.start_frame if earlier.any() else shot.start


def _stop_frame(tube: Tube, video: VideoFrames, shot: FrameSpan) -> int:
    """Return the frame up to which the last box holds: the shot's stop, or the tube's own."""
    later = (video.frames >= tube.span.stop) & (video.frames < shot.stop)
    return tube.span.stop if later.any() else shot.stop
