"""The pipeline: prepare videos, ground sentences in them."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stvg.fusion.ranking import Ranking
from stvg.interfaces import Detector, FeatureExtractor, Fusion, Linker, MomentLocalizer, Tracker, TubeMatcher
from stvg.io.frame_sampling import VideoConfig
from stvg.types import MomentMap, Prediction, PreparedVideo, Query

NOBODY = "expected at least one person, the detector found none"
DECODE = "decode"
"""The stage that sees every frame; the others see only those looked at."""
MATCH = "match"
"""The stage that sees sentences; it follows those of `Preparer`."""
Follow = Callable[[str], None]
"""Called with the name of each stage as it begins."""


def follow_nothing(stage: str) -> None:
    """Do nothing: a `Follow` for those who do not want to know."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """How long each stage took for some videos, in the order of the stages.

    `frames` were decoded, `looked_at` of them went on to the other stages; `seconds` are wall time of one process.
    """

    frames: int
    looked_at: int
    seconds: Mapping[str, float]

    def throughput(self, stage: str) -> float:
        """Return how many frames a second the stage saw.

        >>> StageTimes(600, 100, {"decode": 2.0, "detect": 5.0}).throughput("detect")
        20.0
        """
        return (self.frames if stage == DECODE else self.looked_at) / max(self.seconds[stage], 1e-9)

    def __str__(self) -> str:
        """Return one line: frames a second of each stage and its share of the time.

        >>> print(StageTimes(600, 100, {"decode": 2.0, "detect": 6.0}))
        600 frames decoded, 100 looked at, 8.0 s: decode 300.0 frames/s (25 %), detect 16.7 frames/s (75 %)
        """
        total = max(sum(self.seconds.values()), 1e-9)
        stages = (
            f"{stage} {self.throughput(stage):,.1f} frames/s ({100 * own / total:.0f} %)"
            for stage, own in self.seconds.items()
        )
        return f"{self.frames} frames decoded, {self.looked_at} looked at, {total:.1f} s: {', '.join(stages)}"


def total(times: Iterable[StageTimes]) -> StageTimes:
    """Return the sum over several videos."""
    frames = looked_at = 0
    seconds: dict[str, float] = {}
    for one in times:
        frames, looked_at = frames + one.frames, looked_at + one.looked_at
        for stage, own in one.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + own
    return StageTimes(frames, looked_at, seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """Adds up the seconds of named stages; tells `follow` as each begins."""

    follow: Follow = follow_nothing
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block to `name`."""
        self.follow(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Preparation:
    """A prepared video, and how long each stage took."""

    video: PreparedVideo
    times: StageTimes


@dataclass(frozen=True)
class Preparer:
    """Decodes a video once and turns it into candidate tubes and features, whatever the sentence.

    Detection and features see the frames, and the sizes, that `sampling` says.
    """

    detector: Detector
    tracker: Tracker
    linker: Linker
    features: FeatureExtractor
    sampling: VideoConfig

    def prepare(self, path: Path, video_id: str, follow: Follow = follow_nothing) -> Preparation:
        """Return the prepared video, with the time that each stage took; `follow` hears of the stages.

        Raises:
            InputError: the file cannot be read as a video.
        """
        clock = Clock(follow)
        with clock.stage(DECODE):
            footage = self.sampling.read(path, video_id)
        with clock.stage("detect"):
            detections = self.detector.detect(footage)
        with clock.stage("track"):
            tracklets = self.tracker.track(footage, detections)
        with clock.stage("link"):
            tubes = self.linker.link(footage, tracklets)
        with clock.stage("describe"):
            clip_features, tube_features = self.features.extract(footage, tubes)
        times = StageTimes(footage.meta.num_frames, len(footage.frames), clock.seconds)
        return Preparation(PreparedVideo(footage.meta, clip_features, tubes, tube_features), times)


class WholeLocalizer:
    """MomentLocalizer that proposes the whole video."""

    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return all frames for each query."""
        whole = MomentMap(np.array([[0, video.meta.num_frames]]), np.ones(1, dtype=np.float32))
        return [whole] * len(queries)


@dataclass(frozen=True, slots=True, eq=False)
class GroundedQuery:
    """The answer to a query, and the ranking of the candidates that gave it."""

    prediction: Prediction
    ranking: Ranking


@dataclass(frozen=True)
class Grounder:
    """Answers sentences about a prepared video."""

    localizer: MomentLocalizer
    matcher: TubeMatcher
    fusion: Fusion

    def ground(self, queries: Sequence[Query], video: PreparedVideo) -> list[GroundedQuery]:
        """Return one answer per query of this video."""
        moments = self.localizer.localize(queries, video)
        maps = self.matcher.match(queries, video)
        rankings = [
            self.fusion.rank(query, video, own_moments, own_maps)
            for query, own_moments, own_maps in zip(queries, moments, maps, strict=True)
        ]
        return [GroundedQuery(self.fusion.predict(ranking, video), ranking) for ranking in rankings]
