"""Run every step on a synthetic data set, report included."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from spatial.detectors.onnx import OnnxConfig
from stvg.config import load_config, override
from stvg.datasets.synthetic.make import make_world
from stvg.evaluation.bootstrap import bootstrap_interval
from stvg.evaluation.metrics import means_to_json, score, summarise
from stvg.evaluation.tables import SCORE_HEAD, align, difference_to_text, rows_to_text, score_cells
from stvg.io.files import write_json_atomically
from stvg.io.hcstvg_annotations import read_annotations
from stvg.io.submission import read_submission, size_of, write_submission
from stvg.recipe.build import build_grounder
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import prepare_files, prepare_wherever, video_paths
from stvg.training.stages import train_both
from stvg.types import Annotation, Prediction, Scores
from stvg.viewer.page.results import read_results
from stvg.viewer.page.write import write_report
from stvg.workflows.ablate_split import Ablated, ablate
from stvg.workflows.ground_split import ground_split
from stvg.workflows.report_split import TrainedStages, read_answered, split_entries

logger = logging.getLogger(__name__)
CLIPS = 20
"""Test clips that the demo also grounds with a detector: two cores look at about 70 frames a second."""
STORE = "detector_comparison"


@dataclass(frozen=True, slots=True)
class DetectorRow:
    """The scores of the same queries on the tubes of one detector, fractions in [0, 1]."""

    detections: str
    scores: Scores
    m_viou_ci: tuple[float, float]

    def to_json(self) -> dict[str, object]:
        """Return the row as plain data."""
        of_row = {"detections": self.detections, "num_queries": len(self.scores.per_query)}
        return {**of_row, **means_to_json(self.scores), "m_viou_ci": list(self.m_viou_ci)}


def run_demo(
    config: Path, out: Path, submission: Path, counts: Mapping[str, int], seed: int, detector: Path | None = None
) -> None:
    """Run every stage under `out`, write the submission, print the table and where everything is.

    `counts` are the numbers of videos of train, val and test; `seed` makes the world. Finished work is not done again.
    With `detector`, an ONNX file that may be missing, the first test clips are also grounded on what it finds.

    Raises:
        InputError: as the stages.
    """
    recipe = load_config(Recipe, config, [override("data.root", out / "world"), override("output.root", out)])
    test, videos = recipe.data.annotations("test"), recipe.data.videos
    with _stage("make the demo world"):
        make_world(recipe.data.root, counts["train"], counts["val"], counts["test"], seed)
    with _stage("prepare: decode, detect, track, link, describe"):
        prepare_files(recipe, None, None)
    with _stage("train both stages, fit the joint weights on val"):
        train_both(recipe, resume=True)
    with _stage("ground the test split"):
        ground_split(recipe, recipe.data.root / "test_queries.json", videos, submission)
        scores = score(read_annotations(test), read_submission(submission))
        write_json_atomically(out / "scores.json", summarise(scores), indent=1)
    compared = _compare_detectors(recipe, detector, submission, out)
    with _stage("ablate"):
        ablated = ablate(recipe, test, videos, out)
    with _stage("report"):
        page = _report(recipe, submission, ablated, out)
    _print_results(ablated, compared, [submission, out / "scores.json", out / "ablation.json", page])


@contextmanager
def _stage(name: str) -> Iterator[None]:
    started = time.monotonic()
    logger.info("%s ...", name)
    yield
    logger.info("%s: %.1f s", name, time.monotonic() - started)


def _compare_detectors(recipe: Recipe, detector: Path | None, submission: Path, out: Path) -> list[DetectorRow]:
    if detector is None:
        return []
    if not detector.is_file():
        logger.info("no detector at %s (stvg models gets one): the demo's detections are files alone", detector)
        return []
    with _stage("ground the first test clips with a detector"):
        return compare_detectors(recipe, detector, submission, out)


def _report(recipe: Recipe, submission: Path, ablated: Ablated, out: Path) -> Path:
    split = read_answered(submission, recipe.data.annotations("test"))
    entries = split_entries(split, TrainedStages(build_grounder(recipe), ablated.reader, recipe.data.videos))
    results = read_results(out, split.scores)
    return write_report(out / "report", "stvg on the demo world, test split", entries, results)


def _print_results(ablated: Ablated, compared: list[DetectorRow], paths: list[Path]) -> None:
    detectors = ["by detector, the same queries:", detectors_to_text(compared), ""] if compared else []
    lines = [
        rows_to_text(ablated.rows),
        "",
        "differences in m_vIoU, points, with 95 % intervals:",
        *map(difference_to_text, ablated.differences),
        "",
        *detectors,
        *map(str, paths),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def compare_detectors(
    recipe: Recipe, model: Path, submission: Path, out: Path, clips: int = CLIPS
) -> list[DetectorRow]:
    """Ground the first `clips` clips of test with the ONNX detector `model` in place of the recipe's; score both.

    `submission` holds the answers with the recipe's own detections. Everything but the detector is the same, networks
    and stride too, so the rows differ by the tubes alone. Writes `out`/detectors.json and the other answers,
    `out`/detector_results.json.

    Raises:
        InputError: a file is missing or unusable, or a video could not be read.
    """
    annotations = read_annotations(recipe.data.annotations("test"))[:clips]
    asked = {item.query.query_id for item in annotations}
    before = [answer for answer in read_submission(submission) if answer.query_id in asked]
    after = _ground_with(replace(recipe, detector=OnnxConfig(path=model)), annotations, out / "detector_results.json")
    names = ("public detections, from files", f"{model.name}, run on the pixels")
    rows = [_row(name, annotations, answers, recipe.seed) for name, answers in zip(names, (before, after), strict=True)]
    write_json_atomically(out / "detectors.json", [row.to_json() for row in rows], indent=1)
    return rows


def detectors_to_text(rows: list[DetectorRow]) -> str:
    """Return the rows as an aligned table for a terminal."""
    body = [(row.detections, str(len(row.scores.per_query)), *score_cells(row.scores, row.m_viou_ci)) for row in rows]
    return align([("detections", "clips", *SCORE_HEAD), *body], num_words=1)


def _ground_with(recipe: Recipe, annotations: tuple[Annotation, ...], out: Path) -> tuple[Prediction, ...]:
    """Return the answers, as the file `out` then has them; a clip in which nobody is found gets the centre box."""
    paths = video_paths((item.query.video_id for item in annotations), recipe.data.videos)
    reader, failures = prepare_wherever(recipe, STORE, paths)
    for failure in failures:
        logger.warning("%s stays unanswered: %s", failure.video_id, failure.reason)
    failed = {failure.video_id for failure in failures}
    grounder, predictions, sizes = build_grounder(recipe), [], {}
    for item in annotations:
        if item.query.video_id not in failed:
            video = reader.read(item.query.video_id)
            sizes[item.query.video_id] = size_of(video.meta)
            predictions.append(grounder.ground([item.query], video)[0].prediction)
    write_submission(out, predictions, sizes)
    return read_submission(out)


def _row(name: str, annotations: tuple[Annotation, ...], answers: Sequence[Prediction], seed: int) -> DetectorRow:
    scores = score(annotations, answers)
    return DetectorRow(name, scores, bootstrap_interval([item.viou for item in scores.per_query], seed))
