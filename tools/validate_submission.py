"""List every problem of a submission, with its video and frame; exit code 1 if there is any."""

import argparse
import logging
from pathlib import Path

from stvg.cli import ExitCode, run
from stvg.io.annotations import read_annotated_clips, read_queries
from stvg.io.files import read_json
from stvg.io.submission import find_problems
from stvg.types import ClipSize

logger = logging.getLogger("validate_submission")


def main() -> int:
    """Parse, check, print."""
    arguments = _parser().parse_args()
    queries = read_queries(arguments.queries)
    sizes = _sizes(arguments.queries)
    if not sizes:
        logger.info("%s tells no image sizes: boxes beyond the right and lower border go unnoticed", arguments.queries)
    problems = find_problems(read_json(arguments.predictions), queries, sizes)
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems in {arguments.predictions}, {len(queries)} queries")
    return ExitCode.CHECK_FAILED if problems else ExitCode.DONE


def _sizes(path: Path) -> dict[str, ClipSize]:
    """Return the sizes of the videos where the file of queries is one of annotations."""
    if any(isinstance(item, str) for item in read_json(path).values()):
        return {}
    return {clip.annotation.query.video_id: clip.size for clip in read_annotated_clips(path)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=Path, required=True, metavar="P", help="submission, results.json")
    parser.add_argument(
        "--queries",
        type=Path,
        required=True,
        metavar="Q",
        help="test queries, or annotations (tells image sizes)",
    )
    return parser


if __name__ == "__main__":
    run(main)
