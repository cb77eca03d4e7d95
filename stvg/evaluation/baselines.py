"""Oracle and trivial baselines of one stage, for ablations.

A temporal baseline is a MomentLocalizer whose map holds one span; a spatial baseline is a TubeMatcher whose maps hold
one cell per tube, the whole tube, with the baseline's score. Such maps rank the tubes and say nothing about time, which
is all that `two_stage` needs of a matcher. The other modes find the moment in the tubes' maps, so there the baseline
fixes the tube and the cells come from elsewhere: see FixedTubeMoments and FixedTubeOwnMap.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from stvg.geometry.tubes import box_overlap
from stvg.interfaces import Fusion, MomentLocalizer, TubeMatcher
from stvg.types import FrameSpan, IntArray, MomentMap, PreparedVideo, Query, Tube, TubeMap


class TruthLocalizer:
    """The true moment of each query; the oracle of the temporal stage."""

    def __init__(self, truth: Mapping[str, Tube]) -> None:
        self.truth = truth

    def localize(self, queries: Sequence[Query], video: PreparedVideo) -> list[MomentMap]:
        """Return the span of each query's true tube."""
        return [_one_span(self.truth[query.query_id].span) for query in queries]


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
    """The candidate with the highest vIoU with the truth inside the true moment; the oracle of the spatial stage.

    With a `fusion` the boxes are those that it answers with: held beyond the candidate's ends, and smoothed. Without,
    they are the candidate's own.
    """

    def __init__(self, truth: Mapping[str, Tube], fusion: Fusion | None = None) -> None:
        self.truth = truth
        self.fusion = fusion

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return each tube's share of box overlap with the truth, in [0, 1]."""
        return [
            _one_cell_maps(video, [self._overlap(tube, self.truth[query.query_id]) for tube in video.tubes])
            for query in queries
        ]

    def _overlap(self, tube: Tube, truth: Tube) -> float:
        if self.fusion is not None and self.fusion.reaches(tube, truth.span):
            tube = self.fusion.cover(tube, truth.span)
        return box_overlap(tube, truth)


class PreferenceMatcher:
    """A choice that ignores the sentence: `preference(tube, query)` in [0, 1]; the highest is taken."""

    def __init__(self, preference: Callable[[Tube, Query], float]) -> None:
        self.preference = preference

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return one cell per tube, scored by the preference."""
        return [_one_cell_maps(video, [self.preference(tube, query) for tube in video.tubes]) for query in queries]


class FixedTubeMoments:
    """A spatial baseline for `joint`: fixes one tube, whose map is the moment map clipped to it with constant scores.

    The fixed tube is the one that `baseline` scores highest, the first on ties, among those that overlap a moment. Its
    cells have iou and contrastive 1, so the trained matcher has no influence; other tubes have no cells. Where no
    moment overlaps any tube, the maps of `baseline` stay as they are: its top-scoring tube over its whole length.
    """

    def __init__(self, baseline: TubeMatcher, localizer: MomentLocalizer) -> None:
        self.baseline = baseline
        self.localizer = localizer

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return cells for the fixed tube alone."""
        baseline_maps, moments = self.baseline.match(queries, video), self.localizer.localize(queries, video)
        return [self._cells(*answer, video) for answer in zip(baseline_maps, moments, strict=True)]

    def _cells(
        self, baseline_maps: tuple[TubeMap, ...], moments: MomentMap, video: PreparedVideo
    ) -> tuple[TubeMap, ...]:
        cut = [np.clip(moments.spans, tube.span.start, tube.span.stop) for tube in video.tubes]
        cut = [spans[spans[:, 0] < spans[:, 1]] for spans in cut]
        overlapping = [index for index, spans in enumerate(cut) if len(spans)]
        if not overlapping:
            return baseline_maps
        fixed = max(overlapping, key=lambda index: float(baseline_maps[index].iou[0]))
        ones = np.ones(len(cut[fixed]), dtype=np.float32)
        return _only(baseline_maps, fixed, TubeMap(baseline_maps[fixed].tube_id, cut[fixed], ones, ones))


class FixedTubeOwnMap:
    """A spatial baseline for `tube_mmn`: `baseline` fixes the tube, the trained `matcher`'s map of it gives the span.

    The fixed tube is the one that `baseline` scores highest, the first on ties. Other tubes have no cells.
    """

    def __init__(self, baseline: TubeMatcher, matcher: TubeMatcher) -> None:
        self.baseline = baseline
        self.matcher = matcher

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return the matcher's map for the fixed tube alone."""
        answers = zip(self.baseline.match(queries, video), self.matcher.match(queries, video), strict=True)
        return [self._own_map(*answer) for answer in answers]

    def _own_map(self, baseline_maps: tuple[TubeMap, ...], trained: tuple[TubeMap, ...]) -> tuple[TubeMap, ...]:
        if not baseline_maps:
            return ()
        fixed = int(np.argmax([one.iou[0] for one in baseline_maps]))
        return _only(trained, fixed, trained[fixed])


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


def _generator(seed: int, query: Query) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}/{query.query_id}/{query.video_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _only(maps: Sequence[TubeMap], fixed: int, its_map: TubeMap) -> tuple[TubeMap, ...]:
    """Return `its_map` at index `fixed` and maps without cells elsewhere."""
    nothing = np.zeros(0, dtype=np.float32)
    empty = np.zeros((0, 2), dtype=np.int64)
    return tuple(
        its_map if index == fixed else TubeMap(one.tube_id, empty, nothing, nothing) for index, one in enumerate(maps)
    )


def _one_span(span: FrameSpan) -> MomentMap:
    return MomentMap(np.array([[span.start, span.stop]]), np.ones(1, dtype=np.float32))


def _one_cell_maps(video: PreparedVideo, scores: Sequence[float]) -> tuple[TubeMap, ...]:
    spans = [np.array([[tube.span.start, tube.span.stop]]) for tube in video.tubes]
    columns = [np.array([score], dtype=np.float32) for score in scores]
    ones = np.ones(1, dtype=np.float32)
    return tuple(
        TubeMap(tube.tube_id, span, column, ones)
        for tube, span, column in zip(video.tubes, spans, columns, strict=True)
    )
