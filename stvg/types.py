"""Frozen data types of all packages, their arrays validated and read-only.

Frames are 0-based and spans half-open everywhere; only format readers and writers know 1-based frames, inclusive ends
and xywh boxes. Boxes are `xyxy` in pixels of the original video.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Image = npt.NDArray[np.uint8]
"""An RGB image, (H, W, 3) uint8."""


def _freeze(item: object, name: str, dtype: npt.DTypeLike, shape: tuple[int | None, ...]) -> None:
    """Make a field of a frozen item a read-only array of `dtype`; None in `shape` allows any length.

    Raises:
        ValueError: where the shape differs, naming the field, the expected and the found shape.
    """
    array = np.array(getattr(item, name), dtype=dtype)
    if array.size == 0 and array.ndim != len(shape):
        array = array.reshape([n or 0 for n in shape])
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        expected = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise ValueError(f"{name}: expected shape {expected}, got {array.shape}")
    array.setflags(write=False)
    object.__setattr__(item, name, array)


@dataclass(frozen=True, slots=True)
class VideoMeta:
    """What is known of a video file before looking at its pixels.

    `video_id` is the key of the annotation file, with its extension (`55_x.mp4`); `width` and `height` are in pixels.
    """

    video_id: str
    path: Path
    num_frames: int
    fps: float
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Query:
    """A sentence about one person in one video. `query_id` is unique in its file; in HC-STVG it is the video's key."""

    query_id: str
    video_id: str
    text: str


@dataclass(frozen=True, slots=True)
class FrameSpan:
    """Frames `start` to `stop`, 0-based, `stop` not included; `0 <= start < stop`.

    >>> FrameSpan(3, 10).length
    7
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"span: expected 0 <= start < stop, got start {self.start}, stop {self.stop}")

    @property
    def length(self) -> int:
        """Number of frames."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """People found in one frame: `boxes_xyxy` (N, 4) float32 pixels, `scores` (N,) float32 in [0, 1]."""

    frame: int
    boxes_xyxy: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        _freeze(self, "boxes_xyxy", np.float32, (None, 4))
        _freeze(self, "scores", np.float32, (len(self.boxes_xyxy),))

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """One person's boxes in T >= 1 consecutive frames from `start_frame` on, without gaps.

    `boxes_xyxy` (T, 4) float32 pixels; `scores` (T,) float32 in [0, 1]; `observed` (T,) bool, false where the box was
    interpolated between detections.
    """

    tube_id: int
    start_frame: int
    boxes_xyxy: FloatArray
    scores: FloatArray
    observed: BoolArray

    def __post_init__(self) -> None:
        _freeze(self, "boxes_xyxy", np.float32, (None, 4))
        length = len(self.boxes_xyxy)
        if length == 0 or self.start_frame < 0:
            raise ValueError(
                f"tube {self.tube_id}: expected at least one box from a frame >= 0 on, "
                f"got {length} boxes from frame {self.start_frame}"
            )
        _freeze(self, "scores", np.float32, (length,))
        _freeze(self, "observed", np.bool_, (length,))

    @property
    def span(self) -> FrameSpan:
        """The frames that the tube covers."""
        return FrameSpan(self.start_frame, self.start_frame + len(self.boxes_xyxy))

    def crop(self, span: FrameSpan) -> "Tube":
        """Return the part of the tube inside `span`.

        Raises:
            ValueError: if no frame of the tube is inside.
        """
        start, stop = max(span.start, self.span.start), min(span.stop, self.span.stop)
        if start >= stop:
            raise ValueError(f"tube {self.tube_id}: expected a span that meets frames {self.span}, got {span}")
        part = slice(start - self.start_frame, stop - self.start_frame)
        return Tube(self.tube_id, start, self.boxes_xyxy[part], self.scores[part], self.observed[part])


@dataclass(frozen=True, slots=True, eq=False)
class MomentMap:
    """The temporal stage's answer: candidate `spans` (K, 2) int64 frames and their `scores` (K,) float32 in [0, 1]."""

    spans: IntArray
    scores: FloatArray

    def __post_init__(self) -> None:
        _freeze(self, "spans", np.int64, (None, 2))
        _freeze(self, "scores", np.float32, (len(self.spans),))


@dataclass(frozen=True, slots=True, eq=False)
class TubeMap:
    """One tube's own moment map: candidate `spans` (K, 2) int64 frames inside the tube.

    `iou` (K,) float32 in [0, 1] estimates the spatio-temporal IoU with the described tube; `contrastive` (K,) float32
    in [-1, 1] is the cosine of moment and sentence.
    """

    tube_id: int
    spans: IntArray
    iou: FloatArray
    contrastive: FloatArray

    def __post_init__(self) -> None:
        _freeze(self, "spans", np.int64, (None, 2))
        for name in ("iou", "contrastive"):
            _freeze(self, name, np.float32, (len(self.spans),))


@dataclass(frozen=True, slots=True)
class Annotation:
    """A query with its ground-truth tube; the tube's span is the moment."""

    query: Query
    tube: Tube


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to a query: a tube cropped to the predicted span, and a score (higher is surer, any unit)."""

    query_id: str
    video_id: str
    tube: Tube
    score: float


@dataclass(frozen=True, slots=True)
class QueryScore:
    """One query's temporal and spatio-temporal IoU with the truth, each in [0, 1]."""

    query_id: str
    tiou: float
    viou: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over all annotated queries, fractions in [0, 1]; `viou_at` maps a threshold (0.3, 0.5) to the share."""

    protocol: str
    m_tiou: float
    m_viou: float
    viou_at: dict[float, float]
    per_query: tuple[QueryScore, ...]


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrames:
    """The decoded frames that detection and features look at: every `stride`-th frame of a video, held in memory.

    `frames` (N,) int64 original frame numbers; `images` (N, h, w, 3) uint8 RGB, perhaps smaller than the video, or None
    where only detections are known; `scale` = h / video height, so that a box in pixels of the video times `scale` lies
    on the images. `cuts` are the frames at which a new shot begins (frame 0 not among them).
    """

    meta: VideoMeta
    frames: IntArray
    images: Image | None
    scale: float
    cuts: tuple[int, ...]

    @property
    def pictures(self) -> Image:
        """The images, for those who cannot do without.

        Raises:
            ValueError: there are none.
        """
        if self.images is None:
            raise ValueError(f"images of {self.meta.video_id}: expected pictures, got None")
        return self.images

    @property
    def step(self) -> int:
        """How many frames of the video lie from one kept frame to the next; 1 where there is but one."""
        return int(self.frames[1] - self.frames[0]) if len(self.frames) > 1 else 1

    @property
    def sampled_fps(self) -> float:
        """How many kept frames make a second."""
        return self.meta.fps / self.step

    def shots(self) -> Iterator[slice]:
        """Yield the kept frames of each shot as a slice of indices; shots between two kept frames are passed over."""
        edges = [0, *np.searchsorted(self.frames, self.cuts).tolist(), len(self.frames)]
        for start, stop in pairwise(edges):
            if start < stop:
                yield slice(start, stop)

    def shot_spans(self) -> list[FrameSpan]:
        """Return the frames of each shot that has a kept frame."""
        edges = [0, *self.cuts, self.meta.num_frames]
        firsts = (self.frames[shot.start] for shot in self.shots())
        return [FrameSpan(edges[k - 1], edges[k]) for k in np.searchsorted(edges, list(firsts), side="right")]

    def shot_of(self) -> IntArray:
        """Return the number of each kept frame's shot, (N,) int64; shots without a kept frame count too."""
        return np.searchsorted(self.cuts, self.frames, side="right")


@dataclass(frozen=True, slots=True, eq=False)
class PreparedVideo:
    """All that grounding needs of a video, without its pixels.

    `clip_features` (C, D) float32: C equal parts of the whole video, D = 0 where it came without; `tubes` the
    candidates; `tube_features` one (T_k, D') float32 for each tube: T_k equal parts of the tube. Videos with the same
    content, such as clips of one file, have the same `source_id`; None where it is not known. `normalised` says that
    the rows of `tube_features` have the lengths that networks are to see; else each is divided by its length.
    """

    meta: VideoMeta
    clip_features: FloatArray
    tubes: tuple[Tube, ...]
    tube_features: tuple[FloatArray, ...]
    source_id: str | None = None
    normalised: bool = False


@dataclass(frozen=True, slots=True)
class ClipSize:
    """What an annotation file says of a video: `width`, `height` in pixels; `num_frames` only roughly true."""

    width: int
    height: int
    num_frames: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A video that could not be prepared, and the one-line reason."""

    video_id: str
    reason: str
