"""Ground a whole split, or one sentence in one video.

Beside the results of a split stands their manifest: what they were made with. A run that was killed is taken up where
it was. Videos that cannot be read are listed (exit code 3) and left unanswered, or with --fallback answered with the
centre box over the whole clip.
"""

import argparse
from pathlib import Path

from stvg.cli import ExitCode, add_how_to_prepare, recipe_parser, report_failures, run


def main() -> int:
    """Parse and ground."""
    arguments = _parser().parse_intermixed_args()
    split, single = (arguments.annotations, arguments.videos), (arguments.video, arguments.query)
    if (None in split) == (None in single) or any(split) == any(single):
        _parser().error("expected either --annotations and --videos, or --video and --query")

    from stvg.commands.ground import ground_split, ground_video
    from stvg.config import load_config
    from stvg.pipeline import NOBODY
    from stvg.prepare.runner import PrepareOptions
    from stvg.recipe.schema import Recipe
    from stvg.types import Failure

    recipe = load_config(Recipe, arguments.config, arguments.overrides)
    if arguments.annotations:
        options = PrepareOptions(arguments.workers, arguments.ray, arguments.ray_gpus, arguments.retry_failed)
        return report_failures(ground_split(recipe, *split, arguments.out, options, arguments.fallback).failures)
    found = ground_video(recipe, arguments.video, arguments.query, arguments.out)
    if found is None:
        return report_failures([Failure(str(arguments.video), NOBODY)])
    span = found.tube.span
    print(
        f"{arguments.video.name}: frames {span.start + 1} to {span.stop}, tube {found.tube.tube_id}, "
        f"score {found.score:.3g}; see {arguments.out}"
    )
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = recipe_parser(__doc__)
    parser.add_argument("--annotations", type=Path, metavar="F", help="annotations or test queries of a split")
    parser.add_argument("--videos", type=Path, metavar="DIR", help="folder of the split's videos")
    parser.add_argument("--video", type=Path, metavar="V", help="one video")
    parser.add_argument("--query", metavar="TEXT", help="one sentence")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="results.json of a split, or a folder")
    parser.add_argument("--fallback", action="store_true", help="answer also for videos that cannot be read")
    add_how_to_prepare(parser)
    return parser


if __name__ == "__main__":
    run(main)
