"""Stand-ins for one stage, for ablations: the same code with one part replaced.

A temporal stand-in is a MomentLocalizer whose map holds the one span that it stands for; a spatial stand-in is a
TubeMatcher whose maps hold one cell per tube, the whole tube, scored by what it prefers.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from stvg.boxes import elementwise_iou
from stvg.interfaces import PreparedVideo
from stvg.types import FrameSpan, IntArray, MomentMap, Query, Tube, TubeMap


class TruthLocalizer:
    """The true moment of each query; the oracle of the temporal stage."""

    def __init__(self, truth: Mapping[str, Tube]) -> None:
        self.truth = truth

    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return the span of each query's true tube."""
        return [_one_span(self.truth[query.query_id].span) for query in queries]


class WholeLocalizer:
    """The whole clip."""

    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return all frames for each query."""
        return [_one_span(FrameSpan(0, video.meta.num_frames))] * len(queries)


class UniformLocalizer:
    """A span drawn uniformly over the candidate cells of a moment map; the same for one query and seed.

    `cells` (K, 2) int64: first and last clip of each candidate, of a video of `num_clips` clips.
    """

    def __init__(self, cells: IntArray, num_clips: int, seed: int) -> None:
        self.cells = cells
        self.num_clips = num_clips
        self.seed = seed

    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return one drawn span per query."""
        spans = []
        for query in queries:
            first, last = self.cells[_generator(self.seed, query).integers(len(self.cells))].tolist()
            edges = np.round(np.array([first, last + 1]) / self.num_clips * video.meta.num_frames)
            start = min(int(edges[0]), video.meta.num_frames - 1)
            spans.append(_one_span(FrameSpan(start, max(int(edges[1]), start + 1))))
        return spans


class TruthMatcher:
    """The candidate with the highest vIoU with the truth inside the true moment; the oracle of the spatial stage."""

    def __init__(self, truth: Mapping[str, Tube]) -> None:
        self.truth = truth

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return each tube's share of box overlap with the truth, in [0, 1]."""
        return [_one_cell_maps(video, [box_overlap(tube, self.truth[query.query_id]) for tube in video.tubes])
                for query in queries]  # fmt: skip


class PreferenceMatcher:
    """A choice that ignores the sentence: `preference(tube, query)` in [0, 1]; the highest is taken."""

    def __init__(self, preference: Callable[[Tube, Query], float]) -> None:
        self.preference = preference

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return one cell per tube, scored by the preference."""
        return [_one_cell_maps(video, [self.preference(tube, query) for tube in video.tubes]) for query in queries]


def mean_confidence(tube: Tube, query: Query) -> float:
    """Prefer the tube with the highest mean detection score over its observed boxes."""
    return float(tube.scores[tube.observed].mean()) if tube.observed.any() else 0.0


def mean_area(tube: Tube, query: Query) -> float:
    """Prefer the largest mean area; pixels are brought to [0, 1) without changing their order."""
    area = float(np.prod(tube.boxes_xyxy[:, 2:] - tube.boxes_xyxy[:, :2], axis=1).mean())
    return area / (area + 1e4)


class SeededPreference:
    """A random preference, the same for one query, tube and seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, tube: Tube, query: Query) -> float:
        """Return a number drawn uniformly from [0, 1)."""
        return float(_generator(self.seed, query).random(tube.tube_id + 1)[tube.tube_id])


def box_overlap(tube: Tube, truth: Tube) -> float:
    """Return the sum of the box IoUs with `truth` over its frames, divided by their number: vIoU at the true span."""
    start, stop = max(tube.span.start, truth.span.start), min(tube.span.stop, truth.span.stop)
    if start >= stop:
        return 0.0
    common = FrameSpan(start, stop)
    return float(elementwise_iou(tube.crop(common).boxes_xyxy, truth.crop(common).boxes_xyxy).sum()) / truth.span.length


def _generator(seed: int, query: Query) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}/{query.query_id}/{query.video_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _one_span(span: FrameSpan) -> MomentMap:
    return MomentMap(np.array([[span.start, span.stop]]), np.ones(1, dtype=np.float32))


def _one_cell_maps(video: PreparedVideo, scores: Sequence[float]) -> tuple[TubeMap, ...]:
    spans = [np.array([[tube.span.start, tube.span.stop]]) for tube in video.tubes]
    columns = [np.array([score], dtype=np.float32) for score in scores]
    ones = np.ones(1, dtype=np.float32)
    return tuple(TubeMap(tube.tube_id, span, column, ones)
                 for tube, span, column in zip(video.tubes, spans, columns, strict=True))  # fmt: skip
