"""Protocols of the replaceable parts; stvg.recipe.build chooses their implementations."""

from collections.abc import Sequence
from typing import Protocol

from stvg.fusion.ranking import Ranking
from stvg.types import (
    Detections,
    FloatArray,
    FrameSpan,
    MomentMap,
    Prediction,
    PreparedVideo,
    Query,
    Tube,
    TubeMap,
    VideoFrames,
)


class Detector(Protocol):
    """Finds people in frames."""

    def detect(self, video: VideoFrames) -> list[Detections]:
        """Return one Detections per sampled frame of the video, in order, boxes in pixels of the original video."""
        ...


class Tracker(Protocol):
    """Links detections over time."""

    def track(self, video: VideoFrames, detections: Sequence[Detections]) -> list[Tube]:
        """Return tracklets, each of one identity in one shot; frames between the sampled ones are interpolated.

        Detections that belong to no track may come as tracklets of one box, for the linker to use.
        """
        ...


class Linker(Protocol):
    """Turns tracklets into the candidate tubes."""

    def link(self, video: VideoFrames, tracklets: Sequence[Tube]) -> tuple[Tube, ...]:
        """Return gap-free tubes, longest first, `tube_id` 0, 1, ... in that order."""
        ...


class FeatureExtractor(Protocol):
    """Describes a video and its tubes by arrays."""

    def extract(self, video: VideoFrames, tubes: Sequence[Tube]) -> tuple[FloatArray, tuple[FloatArray, ...]]:
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

    def rank(self, query: Query, video: PreparedVideo, moments: MomentMap, maps: Sequence[TubeMap]) -> Ranking:
        """Return the candidates of the video with their values, and which is best."""
        ...

    def predict(self, ranking: Ranking, video: PreparedVideo) -> Prediction:
        """Return the valid prediction that a ranking gives, also for a video without tubes."""
        ...

    def cover(self, tube: Tube, span: FrameSpan) -> Tube:
        """Return a candidate as it is answered over `span`, which it reaches."""
        ...

    def reaches(self, tube: Tube, span: FrameSpan) -> bool:
        """Tell whether a candidate can be answered in at least one frame of `span`."""
        ...
