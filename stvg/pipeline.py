"""One sample's way through: video -> candidates and features -> moment map and tube maps -> prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stvg.interfaces import Detector, FeatureExtractor, Fusion, Linker, MomentLocalizer, Tracker, TubeMatcher
from stvg.io.video import read_footage
from stvg.stage_times import DECODE, Clock, StageTimes
from stvg.types import Prediction, PreparedVideo, Query


@dataclass(frozen=True)
class Preparer:
    """Decodes a video once and turns it into candidate tubes and features; knows nothing of sentences.

    Every `stride`-th frame is looked at, downscaled so that its longer side is at most `max_side` pixels.
    """

    detector: Detector
    tracker: Tracker
    linker: Linker
    features: FeatureExtractor
    stride: int
    max_side: int

    def prepare(self, path: Path, video_id: str) -> PreparedVideo:
        """Return the prepared video, with the time that each stage took.

        Raises:
            InputError: the file cannot be read as a video.
        """
        clock = Clock()
        with clock.stage(DECODE):
            footage = read_footage(path, video_id, self.stride, self.max_side)
        with clock.stage("detect"):
            detections = self.detector.detect(footage)
        with clock.stage("track"):
            tracklets = self.tracker.track(footage, detections)
        with clock.stage("link"):
            tubes = self.linker.link(footage, tracklets)
        with clock.stage("describe"):
            clip_features, tube_features = self.features.extract(footage, tubes)
        times = StageTimes(footage.meta.num_frames, len(footage.frames), clock.seconds)
        return PreparedVideo(footage.meta, clip_features, tubes, tube_features, times=times)


@dataclass(frozen=True)
class Grounder:
    """Answers sentences about a prepared video."""

    localizer: MomentLocalizer
    matcher: TubeMatcher
    fusion: Fusion

    def ground(self, queries: Sequence[Query], video: PreparedVideo) -> list[Prediction]:
        """Return one prediction per query of this video."""
        moments = self.localizer.localize(queries, video)
        maps = self.matcher.match(queries, video)
        return [
            self.fusion.fuse(*sample) for sample in zip(queries, [video] * len(queries), moments, maps, strict=True)
        ]
