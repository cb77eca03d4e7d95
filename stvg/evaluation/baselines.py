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
from stvg.interfaces import MomentLocalizer, TubeMatcher
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
    """The candidate with the highest vIoU with the truth inside the true moment; the oracle of the spatial stage."""

    def __init__(self, truth: Mapping[str, Tube]) -> None:
        self.truth = truth

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return each tube's share of box overlap with the truth, in [0, 1]."""
        return [
            _one_cell_maps(video, [box_overlap(tube, self.truth[query.query_id]) for tube in video.tubes])
            for query in queries
        ]


class PreferenceMatcher:
    """A choice that ignores the sentence: `preference(tube, query)` in [0, 1]; the highest is taken."""

    def __init__(self, preference: Callable[[Tube, Query], float]) -> None:
        self.preference = preference

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return one cell per tube, scored by the preference."""
        return [_one_cell_maps(video, [self.preference(tube, query) for tube in video.tubes]) for query in queries]


class FixedTubeMoments:
    """A spatial stand-in for `joint`: it names one tube, whose cells are the moments of the moment map, all alike.

    Named is the tube that `stand_in` scores highest, the first on ties, among those that a moment meets. Its cells are
    the moments cut to the tube, with iou and contrastive 1, so the moment map alone says when; other tubes have no
    cells. Where no moment meets any tube, the maps of `stand_in` stay as they are: the tube that it likes best, whole.
    """

    def __init__(self, stand_in: TubeMatcher, localizer: MomentLocalizer) -> None:
        self.stand_in = stand_in
        self.localizer = localizer

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return cells for the named tube alone."""
        graded, moments = self.stand_in.match(queries, video), self.localizer.localize(queries, video)
        return [self._cells(*answer, video) for answer in zip(graded, moments, strict=True)]

    def _cells(self, graded: tuple[TubeMap, ...], moments: MomentMap, video: PreparedVideo) -> tuple[TubeMap, ...]:
        cut = [np.clip(moments.spans, tube.span.start, tube.span.stop) for tube in video.tubes]
        cut = [spans[spans[:, 0] < spans[:, 1]] for spans in cut]
        met = [index for index, spans in enumerate(cut) if len(spans)]
        if not met:
            return graded
        named = max(met, key=lambda index: float(graded[index].iou[0]))
        ones = np.ones(len(cut[named]), dtype=np.float32)
        return _only(graded, named, TubeMap(graded[named].tube_id, cut[named], ones, ones))


class FixedTubeOwnMap:
    """A spatial stand-in for `tube_mmn`: `stand_in` names the tube, the trained `matcher`'s map of it says when.

    Named is the tube that `stand_in` scores highest, the first on ties. Other tubes have no cells.
    """

    def __init__(self, stand_in: TubeMatcher, matcher: TubeMatcher) -> None:
        self.stand_in = stand_in
        self.matcher = matcher

    def match(self, queries: Sequence[Query], video: PreparedVideo) -> list[tuple[TubeMap, ...]]:
        """Return the matcher's map for the named tube alone."""
        answers = zip(self.stand_in.match(queries, video), self.matcher.match(queries, video), strict=True)
        return [self._own_map(*answer) for answer in answers]

    def _own_map(self, graded: tuple[TubeMap, ...], trained: tuple[TubeMap, ...]) -> tuple[TubeMap, ...]:
        if not graded:
            return ()
        named = int(np.argmax([one.iou[0] for one in graded]))
        return _only(trained, named, trained[named])


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


def _only(maps: Sequence[TubeMap], named: int, its_map: TubeMap) -> tuple[TubeMap, ...]:
    """Return `its_map` in the place `named` and maps without cells in all others."""
    nothing = np.zeros(0, dtype=np.float32)
    empty = np.zeros((0, 2), dtype=np.int64)
    return tuple(
        its_map if index == named else TubeMap(one.tube_id, empty, nothing, nothing) for index, one in enumerate(maps)
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
