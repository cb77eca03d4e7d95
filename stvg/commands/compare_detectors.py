"""The same queries grounded on the tubes of two detectors: the recipe's own, and a model over the pixels."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spatial.detectors.onnx import OnnxConfig
from stvg.evaluation.metrics import bootstrap_interval, score
from stvg.evaluation.tables import SCORE_HEAD, align, score_cells
from stvg.io.annotations import read_annotations
from stvg.io.files import write_json_atomically
from stvg.io.submission import read_submission, write_submission
from stvg.recipe.build import build_grounder
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import prepare_wherever, video_paths
from stvg.types import Annotation, ClipSize, Prediction, Scores

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
        s = self.scores
        return {
            "detections": self.detections,
            "num_queries": len(s.per_query),
            "m_tiou": s.m_tiou,
            "m_viou": s.m_viou,
            "viou@0.3": s.viou_at[0.3],
            "viou@0.5": s.viou_at[0.5],
            "m_viou_ci": list(self.m_viou_ci),
        }


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
    after = _ground(replace(recipe, detector=OnnxConfig(path=model)), annotations, out / "detector_results.json")
    names = ("public detections, from files", f"{model.name}, run on the pixels")
    rows = [_row(name, annotations, answers, recipe.seed) for name, answers in zip(names, (before, after), strict=True)]
    write_json_atomically(out / "detectors.json", [row.to_json() for row in rows], indent=1)
    return rows


def rows_to_text(rows: list[DetectorRow]) -> str:
    """Return the rows as an aligned table for a terminal."""
    body = [(row.detections, str(len(row.scores.per_query)), *score_cells(row.scores, row.m_viou_ci)) for row in rows]
    return align([("detections", "clips", *SCORE_HEAD), *body], num_words=1)


def _ground(recipe: Recipe, annotations: tuple[Annotation, ...], out: Path) -> tuple[Prediction, ...]:
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
            sizes[item.query.video_id] = ClipSize(video.meta.width, video.meta.height, video.meta.num_frames)
            predictions.append(grounder.ground([item.query], video)[0].prediction)
    write_submission(out, predictions, sizes)
    return read_submission(out)


def _row(name: str, annotations: tuple[Annotation, ...], answers: Sequence[Prediction], seed: int) -> DetectorRow:
    scores = score(annotations, answers)
    return DetectorRow(name, scores, bootstrap_interval([item.viou for item in scores.per_query], seed))
