"""Score a submission, list its problems, or score an MMN on a benchmark of temporal grounding."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from stvg.cli import ExitCode, recipe_parser
from stvg.errors import InputError
from stvg.evaluation.metrics import PROTOCOLS, score, summarise
from stvg.geometry.boxes import warn_of_fractions
from stvg.io.files import read_json, refuse_overwriting, write_json_atomically
from stvg.io.hcstvg_annotations import read_annotated_clips, read_queries, read_sizes
from stvg.io.submission import find_problems, read_submission, usable_boxes

logger = logging.getLogger(__name__)
_EVALUATE = "Score a submission against HC-STVG annotations: m_tIoU, m_vIoU, vIoU@0.3, vIoU@0.5."
_VALIDATE = "List every problem of a submission, with its video and frame; exit code 1 if there is any."
_MMN = "Score a trained MMN on a benchmark of temporal grounding: R@n at IoU = m, mIoU, also by the length of moments."


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a submission, print the figures, write them."""
    asked = _parser().parse_args(arguments)
    if asked.json is not None:
        refuse_overwriting(asked.json, [asked.annotations, asked.predictions])
    clips = read_annotated_clips(asked.annotations, on_bad_item="skip" if asked.skip_bad_items else "raise")
    predictions = read_submission(asked.predictions)
    warn_of_fractions(asked.predictions, [box for one in predictions for box in one.tube.boxes_xyxy])
    logger.info("scoring %d predictions for %d queries", len(predictions), len(clips))
    if predictions and not {one.query_id for one in predictions} & {clip.annotation.query.query_id for clip in clips}:
        raise InputError(
            f"{asked.predictions}: expected predictions for the queries of {asked.annotations}, "
            f"got none, {predictions[0].query_id} for one"
        )
    annotations = [clip.annotation for clip in clips]
    num_frames = {clip.annotation.query.video_id: clip.size.num_frames for clip in clips}
    try:
        scores = score(annotations, predictions, asked.protocol, num_frames)
    except ValueError as error:
        raise InputError(f"{asked.annotations}: {error}") from error
    summary = summarise(scores)
    for name, value in summary.items():
        print(f"{name:12} {value:.4f}" if isinstance(value, float) else f"{name:12} {value}")
    if asked.json is not None:
        write_json_atomically(asked.json, summary, indent=1)
    return ExitCode.DONE


def main_validate(arguments: Sequence[str] | None = None) -> int:
    """Check a submission, print its problems."""
    asked = _validate_parser().parse_args(arguments)
    queries = read_queries(asked.queries)
    sizes = read_sizes(asked.queries)
    if not sizes:
        logger.info("%s tells no image sizes: boxes beyond the right and lower border go unnoticed", asked.queries)
    submission = read_json(asked.predictions)
    warn_of_fractions(asked.predictions, list(usable_boxes(submission)))
    problems = find_problems(submission, queries, sizes)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems in {asked.predictions}, {len(queries)} queries")
    return ExitCode.CHECK_FAILED if problems else ExitCode.DONE


def main_mmn(arguments: Sequence[str] | None = None) -> int:
    """Rank the moments of a benchmark's split, print the table of recalls."""
    parser = recipe_parser(_MMN, "stvg mmn evaluate")
    parser.add_argument("--checkpoint", type=Path, metavar="K", help="weights; default: the best under output.root")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--json", type=Path, metavar="F", help="where to write the recalls as fractions")
    asked = parser.parse_intermixed_args(arguments)

    from stvg.config import load_config
    from stvg.recipe.schema import BenchmarkRecipe
    from stvg.training.benchmark import evaluate_benchmark, evaluated_to_text

    recipe = load_config(BenchmarkRecipe, asked.config, asked.overrides)
    print(evaluated_to_text(evaluate_benchmark(recipe, asked.checkpoint, asked.split, asked.json)))
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("stvg evaluate", description=_EVALUATE)
    parser.add_argument("--predictions", type=Path, required=True, metavar="P", help="submission, results.json")
    parser.add_argument("--annotations", type=Path, required=True, metavar="A", help="HC-STVG annotations, v1 or v2")
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default="official", help="the rule to score by (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="F", help="also write the figures to this file")
    parser.add_argument(
        "--skip-bad-items", action="store_true", help="leave annotations with unusable boxes out of the average"
    )
    return parser


def _validate_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("stvg validate", description=_VALIDATE)
    parser.add_argument("--predictions", type=Path, required=True, metavar="P", help="submission, results.json")
    parser.add_argument(
        "--queries", type=Path, required=True, metavar="Q", help="test queries, or annotations (tells image sizes)"
    )
    return parser
