"""What each replaceable part promises. Implementations are chosen in stvg.recipe.build alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stvg.stage_times import StageTimes
from stvg.types import Detections, FloatArray, Image, IntArray, MomentMap, Prediction, Query, Tube, TubeMap, VideoMeta


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """The decoded frames that detection and features look at: every `stride`-th frame of a video, held in memory.

    `frames` (N,) int64 original frame numbers; `images` (N, h, w, 3) uint8 RGB, perhaps smaller than the video;
    `scale` = h / video height, so that a box in pixels of the video times `scale` lies on the images. `cuts` are the
    frames at which a new shot begins (frame 0 not among them).
    """

    meta: VideoMeta
    frames: IntArray
    images: Image
    scale: float
    cuts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedVideo:
    """All that grounding needs of a video, without its pixels.

    `clip_features` (C, D) float32: C equal parts of the whole video, D = 0 where it came without; `tubes` the
    candidates; `tube_features` one (T_k, D') float32 for each tube: T_k equal parts of the tube. `footage` is the same
    for videos with the same content, such as clips that one footage carries; "" where nobody asked. `normalised` says
    that the rows of `tube_features` have the lengths that networks are to see; else each is divided by its length.
    """

    meta: VideoMeta
    clip_features: FloatArray
    tubes: tuple[Tube, ...]
    tube_features: tuple[FloatArray, ...]
    footage: str = ""
    normalised: bool = False
    times: StageTimes | None = None


class Detector(Protocol):
    """Finds people in frames."""

    def detect(self, footage: Footage) -> list[Detections]:
        """Return one Detections per frame of the footage, in its order, boxes in pixels of the original video."""
        ...


class Tracker(Protocol):
    """Links detections over time."""

    def track(self, footage: Footage, detections: Sequence[Detections]) -> list[Tube]:
        """Return tracklets, each of one identity in one shot; frames between the footage's frames are interpolated.

        Detections that belong to no track may come as tracklets of one box, for the linker to use.
        """
        ...


class Linker(Protocol):
    """Turns tracklets into the candidate tubes."""

    def link(self, footage: Footage, tracklets: Sequence[Tube]) -> tuple[Tube, ...]:
        """Return gap-free tubes, longest first, `tube_id` 0, 1, ... in that order."""
        ...


class FeatureExtractor(Protocol):
    """Describes a video and its tubes by arrays."""

    def extract(self, footage: Footage, tubes: Sequence[Tube]) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """Return clip features (C, D) of the whole video and, for each tube, its features (T_k, D')."""
        ...


class MomentLocalizer(Protocol):
    """The temporal stage: when."""

    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return one map per query of this video, with at least one span, all inside [0, num_frames)."""
        ...


class TubeMatcher(Protocol):
    """The spatial stage: which tube, and its own map over time."""

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return, per query, one map for each tube of the video, in the order of its tubes."""
        ...


class Fusion(Protocol):
    """Joins the answers of both stages."""

    def fuse(self, query: Query, video: PreparedVideo, moments: MomentMap, maps: Sequence[TubeMap]) -> Prediction:
        """Return one valid prediction, also for a video without tubes."""
        ...
