"""Ablation: the pipeline with one part replaced, on the same queries.

The matrix crosses {mmn, truth, whole, uniform} moments with {matcher, truth, confident, largest, random} tubes, for
two_stage and for joint; tube_mmn uses no temporal stage, so there only the tube is replaced. Two controls ground the
caption of another clip and an empty caption: the score that remains does not come from the sentence. Rows with a random
part (uniform, random, shuffled captions) are the mean of DRAWS draws, query by query, to reduce their variance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from stvg.evaluation.baselines import (
    FixedTubeMoments,
    FixedTubeOwnMap,
    PreferenceMatcher,
    SeededPreference,
    TruthLocalizer,
    TruthMatcher,
    UniformLocalizer,
    mean_area,
    mean_confidence,
)
from stvg.evaluation.bootstrap import bootstrap_interval, paired_bootstrap_interval
from stvg.evaluation.metrics import means_to_json, score
from stvg.fusion.score_fusion import ScoreFusion
from stvg.interfaces import MomentLocalizer, TubeMatcher
from stvg.pipeline import Grounder, WholeLocalizer
from stvg.prepare.memory_cache import CachedStages, Reader
from stvg.types import Annotation, FloatArray, IntArray, Prediction, Query, QueryScore, Scores

PARTS_TEMPORAL = ("mmn", "truth", "whole", "uniform")
PARTS_SPATIAL = ("matcher", "truth", "confident", "largest", "random")
DRAWS = 5
CONTROLS = ("shuffled_captions", "no_caption")
"""Modes of the two control rows: two_stage with other sentences."""


@dataclass(frozen=True, slots=True)
class AblationRow:
    """One combination of parts and its scores over all annotated queries, fractions in [0, 1]."""

    temporal: str
    spatial: str
    mode: str
    scores: Scores
    m_viou_ci: tuple[float, float]

    @property
    def name(self) -> str:
        """What the row is called in tables."""
        return f"{self.mode}: {self.temporal} x {self.spatial}"

    def to_json(self) -> dict[str, object]:
        """Return the row as the plain data of ablation.json."""
        parts = {"temporal": self.temporal, "spatial": self.spatial, "mode": self.mode}
        return {**parts, **means_to_json(self.scores), "m_viou_ci": list(self.m_viou_ci)}


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean m_vIoU of row `a` minus that of row `b` over the same queries, with its paired bootstrap 95 % interval."""

    a: str
    b: str
    difference: float
    ci: tuple[float, float]

    def to_json(self) -> dict[str, object]:
        """Return the difference as plain data."""
        return {"a": self.a, "b": self.b, "difference": self.difference, "ci": list(self.ci)}


@dataclass(frozen=True)
class Ablation:
    """Grounds the annotated queries with any combination of parts.

    `fusions` maps two_stage, joint and tube_mmn to their fusion; `cells` (K, 2) int64 are the first and last of
    `num_clips` clips of each candidate moment, from which the uniform prior draws; `seed` fixes all draws.
    """

    annotations: Sequence[Annotation]
    reader: Reader
    localizer: MomentLocalizer
    matcher: TubeMatcher
    fusions: Mapping[str, ScoreFusion]
    cells: IntArray
    num_clips: int
    seed: int

    def with_cache(self) -> "Ablation":
        """Return the same ablation, whose trained stages run once per query, however many rows need them."""
        stages = CachedStages(self.localizer, self.matcher)
        return replace(self, localizer=stages, matcher=stages)

    def run(self) -> list[AblationRow]:
        """Return the rows: the modes with the trained parts, the rest of each mode's matrix, the controls."""
        cached = self.with_cache()
        bar = tqdm(combinations(tuple(self.fusions)), desc="ablate", unit="row")
        return [cached.row(*combination) for combination in bar]

    def predict(self, mode: str) -> list[Prediction]:
        """Return the predictions of the trained parts in `mode`, one per query, a video's queries together."""
        grounder = Grounder(self.localizer, self.matcher, self.fusions[mode])
        return self._ground(grounder, self._queries(mode, self.seed))

    def row(self, temporal: str, spatial: str, mode: str) -> AblationRow:
        """Return one row; `mode` may be one of CONTROLS."""
        drawn = temporal == "uniform" or spatial == "random" or mode == "shuffled_captions"
        fusion = self.fusions["two_stage" if mode in CONTROLS else mode]
        draws = []
        for seed in range(self.seed, self.seed + (DRAWS if drawn else 1)):
            localizer = self._localizer(temporal, seed)
            grounder = Grounder(localizer, self._matcher(spatial, seed, fusion.config.mode, localizer), fusion)
            draws.append(score(self.annotations, self._ground(grounder, self._queries(mode, seed))))
        scores = mean_scores(draws)
        return AblationRow(temporal, spatial, mode, scores, bootstrap_interval(per_query_viou(scores), self.seed))

    def _queries(self, mode: str, seed: int) -> list[Query]:
        queries = [annotation.query for annotation in self.annotations]
        if mode == "no_caption":
            return [replace(query, text="") for query in queries]
        if mode == "shuffled_captions":
            return shuffle_captions(queries, seed)
        return queries

    def _ground(self, grounder: Grounder, queries: Sequence[Query]) -> list[Prediction]:
        by_video: dict[str, list[Query]] = {}
        for query in queries:
            by_video.setdefault(query.video_id, []).append(query)
        return [
            found.prediction
            for video_id, queries_of_video in by_video.items()
            for found in grounder.ground(queries_of_video, self.reader.read(video_id))
        ]

    def _localizer(self, name: str, seed: int) -> MomentLocalizer:
        truth = {annotation.query.query_id: annotation.tube for annotation in self.annotations}
        uniform = UniformLocalizer(self.cells, self.num_clips, seed)
        parts: tuple[MomentLocalizer, ...] = (self.localizer, TruthLocalizer(truth), WholeLocalizer(), uniform)
        return dict(zip(PARTS_TEMPORAL, parts, strict=True))[name]

    def _matcher(self, name: str, seed: int, mode: str, localizer: MomentLocalizer) -> TubeMatcher:
        truth = {annotation.query.query_id: annotation.tube for annotation in self.annotations}
        parts: tuple[TubeMatcher, ...] = (
            self.matcher,
            TruthMatcher(truth),
            PreferenceMatcher(mean_confidence),
            PreferenceMatcher(mean_area),
            PreferenceMatcher(SeededPreference(seed)),
        )
        part = dict(zip(PARTS_SPATIAL, parts, strict=True))[name]
        if part is self.matcher or mode == "two_stage":
            return part
        return FixedTubeMoments(part, localizer) if mode == "joint" else FixedTubeOwnMap(part, self.matcher)


def combinations(modes: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (temporal, spatial, mode) of every row, once each, for these modes of fusion and the controls.

    tube_mmn reads the tubes' own maps alone, so its temporal part has one name, "mmn", and nothing to replace.
    """
    trained = [("mmn", "matcher", mode) for mode in modes]
    matrix = [
        (temporal, spatial, mode)
        for mode in modes
        for temporal in (("mmn",) if mode == "tube_mmn" else PARTS_TEMPORAL)
        for spatial in PARTS_SPATIAL
    ]
    return list(dict.fromkeys([*trained, *matrix, *(("mmn", "matcher", control) for control in CONTROLS)]))


def mean_scores(draws: Sequence[Scores]) -> Scores:
    """Return the scores of one split averaged over several draws, means and each query alike."""
    per_query = tuple(
        QueryScore(same[0].query_id, float(np.mean([q.tiou for q in same])), float(np.mean([q.viou for q in same])))
        for same in zip(*(one.per_query for one in draws), strict=True)
    )
    viou_at = {level: float(np.mean([one.viou_at[level] for one in draws])) for level in draws[0].viou_at}
    m_tiou, m_viou = (float(np.mean([getattr(one, name) for one in draws])) for name in ("m_tiou", "m_viou"))
    return Scores(draws[0].protocol, m_tiou, m_viou, viou_at, per_query)


def shuffle_captions(queries: Sequence[Query], seed: int) -> list[Query]:
    """Return the queries with the texts moved among them so that none keeps its own (for two queries or more)."""
    order = np.random.default_rng(seed).permutation(len(queries))
    texts = {int(here): queries[int(there)].text for here, there in zip(order, np.roll(order, 1), strict=True)}
    return [replace(query, text=texts[index]) for index, query in enumerate(queries)]


def row_of(rows: Sequence[AblationRow], temporal: str, spatial: str, mode: str) -> AblationRow:
    """Return the row of that combination."""
    return next(row for row in rows if (row.temporal, row.spatial, row.mode) == (temporal, spatial, mode))


def compare(pairs: Sequence[tuple[AblationRow, AblationRow]], seed: int) -> list[Difference]:
    """Return the paired differences in m_vIoU of `pairs` of rows."""
    differences = []
    for a, b in pairs:
        first, second = per_query_viou(a.scores), per_query_viou(b.scores)
        interval = paired_bootstrap_interval(first, second, seed)
        differences.append(Difference(a.name, b.name, float(np.mean(first - second)), interval))
    return differences


def per_query_viou(scores: Scores) -> FloatArray:
    """Return each query's vIoU (Q,) float32, in the order of the annotations."""
    return np.array([query.viou for query in scores.per_query], dtype=np.float32)
