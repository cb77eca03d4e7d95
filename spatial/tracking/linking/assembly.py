"""From the detections of one person, perhaps in several shots, to a gap-free tube."""

from collections.abc import Sequence

import numpy as np

from spatial.tracking.linking.smoothing import smooth_path
from spatial.tracking.linking.tracklets import Piece
from stvg.geometry.boxes import clip_boxes
from stvg.geometry.tubes import hold, interpolate_tube
from stvg.types import Float64Array, FrameSpan, Tube, VideoFrames


def make_tube(tube_id: int, pieces: Sequence[Piece], footage: VideoFrames, smooth: bool) -> Tube:
    """Return the tube through the detections of successive pieces, each of another shot.

    Within a shot, boxes between detections are interpolated. At a cut inside the tube, the last box before is held up
    to the shot after, and the first box there back to its start. At the tube's ends boxes are held up to the shot's
    edge where no frame of the footage lies between.
    """
    spans = footage.shot_spans()
    parts = [_part(tube_id, piece, footage, smooth) for piece in pieces]
    starts = [
        _first_frame(parts[0], footage, spans[pieces[0].shot]),
        *(spans[piece.shot].start for piece in pieces[1:]),
    ]
    stops = [*starts[1:], _stop_frame(parts[-1], footage, spans[pieces[-1].shot])]
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


def _part(tube_id: int, piece: Piece, footage: VideoFrames, smooth: bool) -> Tube:
    """Return the tube of one piece, from its first to its last detection."""
    plain = interpolate_tube(tube_id, piece.frames, piece.boxes_xyxy, piece.scores)
    if not smooth:
        return plain
    step = footage.step
    path = _inside(smooth_path(piece.frames // step, piece.boxes_xyxy), piece.boxes_xyxy, footage)
    filled = interpolate_tube(tube_id, piece.frames[0] + step * np.arange(len(path)), path, np.ones(len(path)))
    return Tube(tube_id, plain.start_frame, filled.boxes_xyxy, plain.scores, plain.observed)


def _inside(boxes: Float64Array, raw: Float64Array, footage: VideoFrames) -> Float64Array:
    """Return smoothed boxes cut at the picture's edges, beyond which none of the raw ones may lie."""
    width = max(footage.meta.width, float(raw[:, 2].max()))
    height = max(footage.meta.height, float(raw[:, 3].max()))
    return clip_boxes(boxes, width, height, min_size=min(1.0, width, height)) if raw.min() >= 0 else boxes


def _first_frame(tube: Tube, footage: VideoFrames, shot: FrameSpan) -> int:
    """Return the frame from which the first box holds: the shot's start, or the tube's own."""
    earlier = (footage.frames >= shot.start) & (footage.frames < tube.start_frame)
    return tube.start_frame if earlier.any() else shot.start


def _stop_frame(tube: Tube, footage: VideoFrames, shot: FrameSpan) -> int:
    """Return the frame up to which the last box holds: the shot's stop, or the tube's own."""
    later = (footage.frames >= tube.span.stop) & (footage.frames < shot.stop)
    return tube.span.stop if later.any() else shot.stop
