"""Score a submission against HC-STVG annotations: m_tIoU, m_vIoU, vIoU@0.3, vIoU@0.5."""

import argparse
import logging
from pathlib import Path

from stvg.cli import ExitCode, run
from stvg.errors import InputError
from stvg.evaluation.metrics import PROTOCOLS, score, summarise
from stvg.io.annotations import read_annotated_clips
from stvg.io.files import write_json_atomically
from stvg.io.submission import read_submission

logger = logging.getLogger("evaluate")


def main() -> int:
    """Parse, score, print, write."""
    arguments = _parser().parse_args()
    clips = read_annotated_clips(arguments.annotations, on_bad_item="skip" if arguments.skip_bad_items else "raise")
    predictions = read_submission(arguments.predictions)
    logger.info("scoring %d predictions for %d queries", len(predictions), len(clips))
    if predictions and not {one.query_id for one in predictions} & {clip.annotation.query.query_id for clip in clips}:
        raise InputError(
            f"{arguments.predictions}: expected predictions for the queries of {arguments.annotations}, "
            f"got none, {predictions[0].query_id} for one"
        )
    annotations = [clip.annotation for clip in clips]
    num_frames = {clip.annotation.query.video_id: clip.size.num_frames for clip in clips}
    try:
        scores = score(annotations, predictions, arguments.protocol, num_frames)
    except ValueError as error:
        raise InputError(f"{arguments.annotations}: {error}") from error
    summary = summarise(scores)
    for name, value in summary.items():
        print(f"{name:12} {value:.4f}" if isinstance(value, float) else f"{name:12} {value}")
    if arguments.json is not None:
        write_json_atomically(arguments.json, summary, indent=1)
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
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


if __name__ == "__main__":
    run(main)
