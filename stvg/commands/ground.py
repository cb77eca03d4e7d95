"""Ground a whole split, or one sentence in one video, with the trained stages."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from stvg.annotations import ClipSize, read_queries
from stvg.build import build_grounder, build_preparer
from stvg.commands.splits import prepare_wherever, video_paths
from stvg.errors import InputError
from stvg.files import key_problem
from stvg.overlay import write_overlay
from stvg.preprocess import Failure
from stvg.recipe import Recipe
from stvg.submission import write_submission
from stvg.types import Prediction, Query, VideoMeta
from stvg.video import read_meta

logger = logging.getLogger(__name__)
NOBODY = "expected at least one person, the detector found none"


@dataclass(frozen=True, slots=True)
class Grounded:
    """The answers to a split's queries, and what could not be answered as it should."""

    predictions: tuple[Prediction, ...]
    failures: tuple[Failure, ...]


def ground_split(recipe: Recipe, annotations: Path, videos: Path, out: Path, workers: int | None = None) -> Grounded:
    """Ground every query of a file (annotations or test queries) and write the submission `out`.

    Videos that are not prepared yet are prepared first, into the store named after the file. A video that cannot be
    read is a failure and stays unanswered; one in which nobody is found is a failure too, answered by the documented
    fallback, the centre box (stvg.fusion).

    Raises:
        InputError: the file cannot be read, a checkpoint is missing, or no video at all could be prepared.
    """
    queries = read_queries(annotations)
    grounder = build_grounder(recipe)
    paths = video_paths((query.video_id for query in queries), videos)
    read, failures = prepare_wherever(recipe, annotations.stem, paths, workers)
    unreadable = {failure.video_id for failure in failures}
    if len(unreadable) == len(paths):
        raise InputError(
            f"{videos}: expected the videos of {annotations}, none could be prepared; {failures[0].reason}"
        )
    started = time.monotonic()
    predictions, sizes = [], {}
    for query in tqdm(queries, desc="ground", unit="query"):
        if query.video_id in unreadable:
            continue
        video = read(query.video_id)
        if not video.tubes:
            failures.append(Failure(query.video_id, f"{NOBODY}; answered with the centre box"))
        sizes[query.video_id] = _size(video.meta)
        predictions.extend(grounder.ground([query], video))
    write_submission(out, predictions, sizes)
    logger.info("grounded %d of %d queries into %s in %.1f s", len(predictions), len(queries), out,
                time.monotonic() - started)  # fmt: skip
    return Grounded(tuple(predictions), tuple(failures))


def ground_video(recipe: Recipe, video: Path, text: str, out: Path) -> Prediction | None:
    """Ground one sentence in one video; write `out`/results.json and `out`/<video>_overlay.mp4.

    Return None, and write nothing, where the detector found nobody.

    Raises:
        InputError: the video cannot be read or its name be used as a key, the sentence is empty, or a checkpoint is
            missing.
    """
    if not text.strip():
        raise InputError(f"--query: expected a sentence, got {text!r}")
    if (problem := key_problem(video.name)) is not None:
        raise InputError(f"{video}: {problem}")
    read_meta(video, video.name)  # so that a file of another kind is refused before anything is loaded
    grounder = build_grounder(recipe)
    started = time.monotonic()
    prepared = build_preparer(recipe).prepare(video, video.name)
    if not prepared.tubes:
        return None
    logger.info("found %d people's tubes in %s in %.1f s", len(prepared.tubes), video, time.monotonic() - started)
    query = Query(video.name, video.name, text)
    prediction = grounder.ground([query], prepared)[0]
    write_overlay(video, out / f"{video.stem}_overlay.mp4", prediction.tube, text, None, prepared.tubes)
    write_submission(out / "results.json", [prediction], {video.name: _size(prepared.meta)})
    return prediction


def _size(meta: VideoMeta) -> ClipSize:
    return ClipSize(meta.width, meta.height, meta.num_frames)
