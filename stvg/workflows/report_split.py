"""Write the report of a submission, with overlay videos and plots."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from stvg.errors import InputError
from stvg.evaluation.error_analysis import ErrorShares, error_shares
from stvg.evaluation.metrics import score
from stvg.io.files import read_json, refuse_overwriting
from stvg.io.hcstvg_annotations import read_annotations, read_queries
from stvg.io.submission import read_submission
from stvg.io.video import read_meta
from stvg.pipeline import GroundedQuery, Grounder
from stvg.prepare.memory_cache import RECENT_BYTES, CachedReader, Reader
from stvg.recipe.build import build_grounder
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import prepare_wherever, video_paths
from stvg.types import Failure, Prediction, Query, QueryScore, Scores, Tube, VideoMeta
from stvg.viewer.entry import ReportEntry, SplitResults
from stvg.viewer.export import draw_all
from stvg.viewer.page.results import read_results
from stvg.viewer.page.write import write_report

logger = logging.getLogger(__name__)
_OTHER_STAGES = "The stages of these maps give another answer than the predictions: other weights, or another mode."


@dataclass(frozen=True, slots=True)
class QueryDetails:
    """A query's video; with trained stages also their answer, and its error shares for a true tube."""

    meta: VideoMeta
    answer: GroundedQuery | None = None
    losses: Callable[[Tube], ErrorShares] | None = None


class DetailsSource(Protocol):
    """Gives the details of queries."""

    def details(self, query: Query) -> QueryDetails:
        """Return what is known of a query beside its sentence."""
        ...


@dataclass(frozen=True, slots=True)
class VideoFiles:
    """Details without trained stages: what the video files themselves tell."""

    metas: Mapping[str, VideoMeta]

    def details(self, query: Query) -> QueryDetails:
        """Return the video of a query."""
        return QueryDetails(self.metas[query.video_id])


@dataclass(frozen=True, slots=True)
class TrainedStages:
    """Details by the trained stages: each query is grounded again. The video files are in the folder `videos`."""

    grounder: Grounder
    reader: Reader
    videos: Path

    def details(self, query: Query) -> QueryDetails:
        """Return the video of a query and the stages' answer."""
        video = self.reader.read(query.video_id)
        (answer,) = self.grounder.ground([query], video)
        fusion = self.grounder.fusion
        losses = partial(error_shares, prediction=answer.prediction, video=video, fusion=fusion)
        return QueryDetails(replace(video.meta, path=self.videos / query.video_id), answer, losses)


@dataclass(frozen=True, slots=True)
class Answered:
    """A split: its queries, the answers by query id, and the truth and the scores where they are known."""

    queries: Sequence[Query]
    answers: Mapping[str, Prediction]
    truth: Mapping[str, Tube]
    scores: Scores | None


def visualize(
    predictions: Path,
    annotations: Path | None,
    videos: Path,
    out: Path,
    *,
    recipe: Recipe | None = None,
    ablation: Path | None = None,
    drawings: bool = True,
    overwrite: bool = False,
    workers: int | None = None,
) -> tuple[Path, list[Failure]]:
    """Write the report of a submission into `out`, and under `out`/queries the drawings of each query.

    `annotations` may be annotations or test queries; without them there are no sentences. `recipe` names the trained
    stages that ground the queries again for their maps; `ablation` is a folder of stvg ablate, shown at the top.
    `workers` processes draw; None: one per core. Return the page and what failed: queries whose video cannot be read
    are left out.

    Raises:
        InputError: a file cannot be read, a checkpoint is missing, no video can be read, a recipe without sentences,
            or `out` would take the place of what is read.
    """
    for target in (out / "index.html", out / "videos"):
        refuse_overwriting(target, [predictions, videos, *([annotations] if annotations else [])])
    split = read_answered(predictions, annotations)
    if recipe is not None and annotations is None:
        raise InputError("--config: expected --annotations too, for the sentences that the stages ground; got none")
    paths = video_paths((query.video_id for query in split.queries), videos)
    if recipe is not None and annotations is not None:
        grounder = build_grounder(recipe)  # first: a missing checkpoint is reported before videos are prepared
        stores, failures = prepare_wherever(recipe, annotations.stem, paths)
        source: DetailsSource = TrainedStages(grounder, CachedReader(stores, RECENT_BYTES, evict=True), videos)
    else:
        metas, failures = _read_metas(paths)
        source = VideoFiles(metas)
    unreadable = {failure.video_id for failure in failures}
    if len(unreadable) == len(paths):
        raise InputError(f"{videos}: expected the videos of {predictions}, none can be read; {failures[0].reason}")
    readable = replace(split, queries=[query for query in split.queries if query.video_id not in unreadable])
    results = read_results(ablation, split.scores) if ablation else SplitResults(split.scores)
    entries = split_entries(readable, source)
    if drawings:
        entries = draw_all(entries, out, overwrite, min(workers or len(os.sched_getaffinity(0)), len(readable.queries)))
    shown = tqdm(entries, total=len(readable.queries), desc="visualize", unit="query")
    return write_report(out, f"Answers of {predictions.name}", shown, results), failures


def read_answered(predictions: Path, annotations: Path | None) -> Answered:
    """Read a submission and what is known of its queries; without `annotations` they have no sentences.

    Raises:
        InputError: a file cannot be read, or no prediction answers one of the queries.
    """
    answers = {answer.query_id: answer for answer in read_submission(predictions)}
    if annotations is None:
        return Answered([Query(key, answer.video_id, "") for key, answer in answers.items()], answers, {}, None)
    queries = read_queries(annotations)
    if not any(query.query_id in answers for query in queries):
        raise InputError(f"{predictions}: expected answers to the queries of {annotations}, found none")
    items = read_json(annotations)
    if not all(isinstance(item, dict) for item in items.values()):
        return Answered(queries, answers, {}, None)
    truth = read_annotations(annotations)
    scores = score(truth, list(answers.values()))
    return Answered(queries, answers, {item.query.query_id: item.tube for item in truth}, scores)


def split_entries(split: Answered, source: DetailsSource) -> Iterator[ReportEntry]:
    """Yield the report's entries in the order of the queries."""
    scores: dict[str, QueryScore] = {item.query_id: item for item in split.scores.per_query} if split.scores else {}
    for query in split.queries:
        details, key = source.details(query), query.query_id
        submitted, truth = split.answers.get(key), split.truth.get(key)
        found = submitted.tube if submitted else None
        ranking = details.answer.ranking if details.answer else None
        entry = ReportEntry(query, details.meta, found, truth, scores.get(key), ranking)
        if found is not None and details.answer and found.span != details.answer.prediction.tube.span:
            entry = replace(entry, note=_OTHER_STAGES)
        elif found is not None and truth is not None and details.losses is not None:
            entry = replace(entry, losses=details.losses(truth))
        yield entry


def _read_metas(paths: Mapping[str, Path]) -> tuple[dict[str, VideoMeta], list[Failure]]:
    metas, failures = {}, []
    for video_id, path in paths.items():
        try:
            metas[video_id] = read_meta(path, video_id)
        except InputError as error:
            failures.append(Failure(video_id, str(error)))
    return metas, failures
