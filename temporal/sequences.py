"""Make the clip sequences to search: the whole video, or each person.

With one sequence per person a moment's score is the best over its sequences, so that "the man in red sits down" does
not match a clip in which the man in red stands and somebody else sits.
"""

from typing import Protocol

import numpy as np

from stvg.geometry.tubes import box_overlap
from stvg.types import Annotation, FloatArray, PreparedVideo
from temporal.mmn.clip_features import average_clips, clip_boundaries, normalise_features


class ClipSequences(Protocol):
    """Clip sequences of a video, and which of them shows an annotated person."""

    def of(self, video: PreparedVideo) -> FloatArray:
        """Return the sequences (S, P, D) float32, S >= 1."""
        ...

    def target(self, annotation: Annotation, video: PreparedVideo) -> int | None:
        """Return the index of the sequence that shows the annotated person, None where none does."""
        ...


def tube_rows(video: PreparedVideo) -> tuple[FloatArray, ...]:
    """Return the features (T_k, D') of each tube, rows of unit length."""
    rows = video.tube_features
    return rows if video.normalised else tuple(normalise_features(one).astype(np.float32, copy=False) for one in rows)


class VideoSequence:
    """The whole video as one sequence of `num_clips` P clips."""

    def __init__(self, num_clips: int) -> None:
        self.num_clips = num_clips

    def of(self, video: PreparedVideo) -> FloatArray:
        """Return the video's clip features, normalised and averaged to (1, P, D) float32."""
        return average_clips(normalise_features(video.clip_features), self.num_clips, clamp=False)[None].astype(
            np.float32
        )

    def target(self, annotation: Annotation, video: PreparedVideo) -> int | None:
        """Return 0: the one sequence shows everybody."""
        return 0


class PeopleSequences:
    """One sequence of `num_clips` P clips per person."""

    def __init__(self, num_clips: int) -> None:
        self.num_clips = num_clips

    def of(self, video: PreparedVideo) -> FloatArray:
        """Return one sequence per tube on the video's time line, (S, P, D') float32; zeros where the tube is absent.

        A video without tubes gives one sequence of zeros, (1, P, 1).
        """
        if not video.tubes:
            return np.zeros((1, self.num_clips, 1), dtype=np.float32)
        sequences = np.zeros((len(video.tubes), self.num_clips, video.tube_features[0].shape[1]), dtype=np.float32)
        edges = clip_boundaries(video.meta.num_frames, self.num_clips, clamp=False)
        for sequence, tube, features in zip(sequences, video.tubes, tube_rows(video), strict=True):
            starts = np.maximum(edges[:-1], tube.span.start) - tube.start_frame
            stops = np.minimum(edges[1:], tube.span.stop) - tube.start_frame
            present = starts < stops
            # Rows are equal parts of the tube: frame f is described by row f * rows // frames.
            first = starts[present] * len(features) // tube.span.length
            last = (stops[present] - 1) * len(features) // tube.span.length + 1
            sums = np.concatenate([np.zeros((1, features.shape[1])), features.cumsum(axis=0, dtype=np.float64)])
            sequence[present] = (sums[last] - sums[first]) / (last - first)[:, None]
        return sequences

    def target(self, annotation: Annotation, video: PreparedVideo) -> int | None:
        """Return the index of the tube that overlaps the true one best, None where none does."""
        overlaps = [box_overlap(tube, annotation.tube) for tube in video.tubes]
        return int(np.argmax(overlaps)) if any(overlaps) else None
