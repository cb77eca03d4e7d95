"""The whole road on the demo world, as the command lines walk it one by one."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stvg.commands.ablate import Ablated, ablate
from stvg.commands.compare_detectors import DetectorRow, compare_detectors
from stvg.commands.compare_detectors import rows_to_text as detectors_to_text
from stvg.commands.ground import ground_split
from stvg.commands.prepare import preprocess
from stvg.commands.view import TrainedStages, read_answered, split_entries
from stvg.config import load_config, override
from stvg.datasets.synthetic.make import make_world
from stvg.evaluation.metrics import score, summarise
from stvg.evaluation.tables import difference_to_text, rows_to_text
from stvg.io.annotations import read_annotations
from stvg.io.files import write_json_atomically
from stvg.io.submission import read_submission
from stvg.recipe.build import build_grounder
from stvg.recipe.schema import Recipe
from stvg.training.stages import train_both
from stvg.viewer.page.results import read_results
from stvg.viewer.page.write import write_report

logger = logging.getLogger(__name__)


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
        preprocess(recipe, None, None)
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
        logger.info(
            "no detector at %s (tools/get_detector.py gets one): the demo's detections are files alone", detector
        )
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
