"""What the temporal stage looks at: the whole video as one stream of clips, or every person's as one.

With one stream per person a moment's score is the best of its streams, so that "the man in red sits down" is not met
by a clip in which red stands and somebody else sits. Benchmarks without tubes have the one stream of the video.
"""

from typing import Protocol

import numpy as np

from stvg.geometry.tubes import box_overlap
from stvg.types import Annotation, FloatArray, PreparedVideo
from temporal.mmn.clip_features import average_clips, clip_boundaries, normalise_features


class Streams(Protocol):
    """Gives the streams of a video, and tells which of them an annotation is about."""

    def __call__(self, video: PreparedVideo) -> FloatArray:
        """Return the streams (S, P, D) float32, S >= 1."""
        ...

    def described(self, annotation: Annotation, video: PreparedVideo) -> int | None:
        """Return the number of the stream that shows the annotated person, None where none does."""
        ...


def tube_rows(video: PreparedVideo) -> tuple[FloatArray, ...]:
    """Return the features (T_k, D') of each tube, every row divided by its length where they did not come so."""
    rows = video.tube_features
    return rows if video.normalised else tuple(normalise_features(one).astype(np.float32, copy=False) for one in rows)


class VideoStream:
    """The whole video as one stream of `num_clips` P clips."""

    def __init__(self, num_clips: int) -> None:
        self.num_clips = num_clips

    def __call__(self, video: PreparedVideo) -> FloatArray:
        """Return the video's clip features, normalised and averaged to (1, P, D) float32."""
        return average_clips(normalise_features(video.clip_features), self.num_clips, clamp=False)[None].astype(
            np.float32
        )

    def described(self, annotation: Annotation, video: PreparedVideo) -> int | None:
        """Return 0: the video shows everybody."""
        return 0


class PeopleStreams:
    """One stream of `num_clips` P clips per person."""

    def __init__(self, num_clips: int) -> None:
        self.num_clips = num_clips

    def __call__(self, video: PreparedVideo) -> FloatArray:
        """Return one stream per tube on the video's time line, (S, P, D') float32; zeros where the tube is absent.

        A video without tubes gives one stream of zeros, (1, P, 1).
        """
        if not video.tubes:
            return np.zeros((1, self.num_clips, 1), dtype=np.float32)
        streams = np.zeros((len(video.tubes), self.num_clips, video.tube_features[0].shape[1]), dtype=np.float32)
        edges = clip_boundaries(video.meta.num_frames, self.num_clips, clamp=False)
        for stream, tube, features in zip(streams, video.tubes, tube_rows(video), strict=True):
            starts = np.maximum(edges[:-1], tube.span.start) - tube.start_frame
            stops = np.minimum(edges[1:], tube.span.stop) - tube.start_frame
            present = starts < stops
            # Rows are equal parts of the tube: frame f is described by row f * rows // frames.
            first = starts[present] * len(features) // tube.span.length
            last = (stops[present] - 1) * len(features) // tube.span.length + 1
            sums = np.concatenate([np.zeros((1, features.shape[1])), features.cumsum(axis=0, dtype=np.float64)])
            stream[present] = (sums[last] - sums[first]) / (last - first)[:, None]
        return streams

    def described(self, annotation: Annotation, video: PreparedVideo) -> int | None:
        """Return the number of the tube that overlaps the true one best, None where none does."""
        overlaps = [box_overlap(tube, annotation.tube) for tube in video.tubes]
        return int(np.argmax(overlaps)) if any(overlaps) else None
