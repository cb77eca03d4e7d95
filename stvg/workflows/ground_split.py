"""Ground every query of a split; resume, log answers, write the manifest."""

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stvg.config import dump_config
from stvg.datasets.hcstvg.fallback import centre_answer, likely_size
from stvg.datasets.hcstvg.index import index_path, read_index
from stvg.errors import InputError
from stvg.io.answer_log import AnswerLog, LoggedAnswer, answer_log
from stvg.io.files import refuse_overwriting, remove_leftovers, write_json_atomically
from stvg.io.hcstvg_annotations import read_queries, read_sizes
from stvg.io.locks import locked
from stvg.io.manifest import commit, file_hash, make_manifest, manifest_path
from stvg.io.submission import size_of, to_item, write_items
from stvg.pipeline import NOBODY, Grounder
from stvg.prepare.memory_cache import RECENT_BYTES, CachedReader, Reader
from stvg.prepare.runner import PrepareOptions
from stvg.recipe.build import build_grounder
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import prepare_wherever, video_paths
from stvg.recipe.workspace import fusion_file, weights_file
from stvg.types import ClipSize, Failure, Query

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Grounded:
    """How many queries of a split are answered, and what could not be answered as it should."""

    answered: int
    failures: tuple[Failure, ...]


def ground_split(
    recipe: Recipe,
    annotations: Path,
    videos: Path,
    out: Path,
    options: PrepareOptions | None = None,
    fallback: bool = False,
) -> Grounded:
    """Ground every query of a file (annotations or test queries); write the submission `out` and its manifest.

    Videos that are not prepared yet are prepared first, into the store named after the file. A video that cannot be
    read is a failure and stays unanswered, or with `fallback` gets the centre box over the whole clip
    (stvg.datasets.hcstvg.fallback); one in which nobody is found is a failure too, answered by the centre box over
    the best moment (stvg.fusion.score_fusion). A run that was killed is taken up where it was.

    Raises:
        InputError: the file cannot be read, a checkpoint is missing, another run writes `out`, `out` is read too, or
            no video at all could be prepared and `fallback` is off.
    """
    queries = read_queries(annotations)
    grounder = build_grounder(recipe)
    paths = video_paths((query.video_id for query in queries), videos)
    files = {**_trained_files(recipe), "queries": annotations, "index": index_path(videos.parent)}
    for target in (out, manifest_path(out)):
        refuse_overwriting(target, [*files.values(), *paths.values()])
    with locked(out):
        for target in (out, manifest_path(out)):
            remove_leftovers(target)
        stores, failures = prepare_wherever(recipe, annotations.stem, paths, options)
        reader = CachedReader(stores, RECENT_BYTES, evict=True)
        if len(failures) == len(paths) and not fallback:
            raise InputError(
                f"{videos}: expected the videos of {annotations}, none could be prepared; {failures[0].reason}"
            )
        started = time.monotonic()
        with answer_log(out, _setting(recipe, files)) as log:
            answered = _Answered(log, grounder, reader, {failure.video_id for failure in failures})
            for query in tqdm(queries, desc="ground", unit="query"):
                answered.answer(query)
            problems = [*failures, *answered.problems]
            if fallback:
                sizes = {**read_sizes(annotations), **answered.sizes}
                sizes |= {key: size for key, size in _indexed_sizes(videos).items() if key not in sizes}
                problems = answered.fall_back(queries, sizes, problems)
            items = {
                query.query_id: answered.items[query.query_id] for query in queries if query.query_id in answered.items
            }
            outcome = {"answered": len(items), "problems": {one.video_id: one.reason for one in problems}}
            write_items(out, items)
            manifest = make_manifest(dump_config(recipe), {**files, "results": out}, answered.sources, outcome)
            write_json_atomically(manifest_path(out), manifest, indent=1)
    logger.info(
        "grounded %d of %d queries into %s in %.1f s", len(items), len(queries), out, time.monotonic() - started
    )
    return Grounded(len(items), tuple(problems))


class _Answered:
    """The answers to the queries of a split; those in the log are not computed again."""

    def __init__(self, log: AnswerLog, grounder: Grounder, reader: Reader, unreadable: set[str]) -> None:
        self._log, self._grounder, self._reader, self._unreadable = log, grounder, reader, unreadable
        self.items: dict[str, dict[str, Any]] = {}
        self.sizes: dict[str, ClipSize] = {}
        self.sources: dict[str, str] = {}
        self.problems: list[Failure] = []

    def answer(self, query: Query) -> None:
        """Answer a query of a readable video."""
        if query.video_id in self._unreadable:
            return
        video = self._reader.read(query.video_id)
        size = self.sizes[query.video_id] = size_of(video.meta)
        source_id = self.sources[query.video_id] = video.source_id or ""
        found = self._log.get(query.query_id, query.text, source_id)
        if found is None:
            problem = "" if video.tubes else f"{NOBODY}; answered with the centre box"
            item = to_item(self._grounder.ground([query], video)[0].prediction, size)
            found = LoggedAnswer(query.query_id, query.text, source_id, item, problem)
            self._log.add(found)
        self.items[query.query_id] = found.item
        if found.problem:
            self.problems.append(Failure(query.video_id, found.problem))

    def fall_back(
        self, queries: Sequence[Query], sizes: Mapping[str, ClipSize], problems: Sequence[Failure]
    ) -> list[Failure]:
        """Answer what is left with the centre box; return the problems with a note on it."""
        for query in queries:
            if query.query_id not in self.items:
                size = likely_size(query.video_id, sizes)
                self.items[query.query_id] = to_item(centre_answer(query, size), size)
        note = "; answered with the centre box over the whole clip"
        return [
            Failure(one.video_id, one.reason + note) if one.video_id in self._unreadable else one for one in problems
        ]


def _trained_files(recipe: Recipe) -> dict[str, Path]:
    """Return what training left, and grounding reads."""
    return {
        "temporal": weights_file(recipe, recipe.temporal),
        "matcher": weights_file(recipe, recipe.matcher),
        "fusion": fusion_file(recipe),
    }


def _setting(recipe: Recipe, files: Mapping[str, Path]) -> str:
    """Return a hash of all but the videos that the answers depend on."""
    read = {name: file_hash(path) for name, path in files.items() if name != "index" and path.is_file()}
    text = json.dumps([dump_config(recipe), read, commit()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _indexed_sizes(videos: Path) -> dict[str, ClipSize]:
    """Return what the index of the data set beside the folder of videos says, where there is one."""
    path = index_path(videos.parent)
    return read_index(path).sizes() if path.is_file() else {}
