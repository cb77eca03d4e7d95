"""Random crops and concatenations of training videos."""

from dataclasses import replace

import numpy as np

from stvg.geometry.tubes import shift_tube
from stvg.types import Annotation, FloatArray, FrameSpan, IntArray, PreparedVideo


def crop_randomly(
    annotation: Annotation, video: PreparedVideo, max_share: float, rng: np.random.Generator
) -> tuple[Annotation, PreparedVideo]:
    """Return the annotation and video cut to a random window of frames that holds the whole moment.

    At most `max_share` of the video, in [0, 1), is cut off at either end. Frame numbers begin anew at the window.
    """
    frames, moment = video.meta.num_frames, annotation.tube.span
    most = int(max_share * frames)
    start = int(rng.integers(0, min(moment.start, most) + 1))
    stop = int(rng.integers(max(moment.stop, frames - most), frames + 1))
    return crop_to(annotation, video, FrameSpan(start, stop))


def crop_to(annotation: Annotation, video: PreparedVideo, window: FrameSpan) -> tuple[Annotation, PreparedVideo]:
    """Return the annotation and video cut to `window`, which holds the whole moment; tubes outside are dropped."""
    tubes, features = [], []
    for tube, rows in zip(video.tubes, video.tube_features, strict=True):
        if tube.span.start < window.stop and tube.span.stop > window.start:
            inside = tube.crop(window)
            tubes.append(shift_tube(inside, window.start))
            features.append(_rows_of(rows, tube.span, inside.span))
    whole = FrameSpan(0, video.meta.num_frames)
    cut = replace(
        video,
        meta=replace(video.meta, num_frames=window.length),
        clip_features=_rows_of(video.clip_features, whole, window),
        tubes=tuple(tubes),
        tube_features=tuple(features),
    )
    return replace(annotation, tube=shift_tube(annotation.tube, window.start)), cut


def concatenate_randomly(
    annotation: Annotation, video: PreparedVideo, other: PreparedVideo, rng: np.random.Generator
) -> tuple[Annotation, PreparedVideo]:
    """Return the annotation and video with `other` before or after it, each order with the same probability."""
    if rng.random() < 0.5:
        return annotation, concatenate(video, other)
    moved = replace(annotation, tube=shift_tube(annotation.tube, -other.meta.num_frames))
    return moved, concatenate(other, video)


def concatenate(first: PreparedVideo, second: PreparedVideo) -> PreparedVideo:
    """Return both videos one after the other as one, with the tubes of both; names and size are those of the first.

    The rows of the clip features are again equal parts of the whole, as many per frame as the denser video has.
    """
    shift = first.meta.num_frames
    total = shift + second.meta.num_frames
    density = max(len(video.clip_features) / video.meta.num_frames for video in (first, second))
    rows = max(1, round(density * total))
    centres = (2 * np.arange(rows) + 1) * total // (2 * rows)
    clips = [_clips_at(first, centres[centres < shift]), _clips_at(second, centres[centres >= shift] - shift)]
    later = [replace(shift_tube(tube, -shift), tube_id=tube.tube_id + len(first.tubes)) for tube in second.tubes]
    return replace(
        first,
        meta=replace(first.meta, num_frames=total),
        clip_features=np.concatenate(clips),
        tubes=(*first.tubes, *later),
        tube_features=(*first.tube_features, *second.tube_features),
    )


def _clips_at(video: PreparedVideo, frames: IntArray) -> FloatArray:
    """Return the rows of the clip features that show these frames."""
    return video.clip_features[frames * len(video.clip_features) // video.meta.num_frames]


def _rows_of(rows: FloatArray, whole: FrameSpan, part: FrameSpan) -> FloatArray:
    """Return those of `rows`, equal parts of the frames `whole`, that show frames of `part`; at least one."""
    first = (part.start - whole.start) * len(rows) // whole.length
    last = (part.stop - 1 - whole.start) * len(rows) // whole.length
    return rows[first : last + 1]
