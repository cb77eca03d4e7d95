"""Ground a whole split, or one sentence in one video.

Beside the results of a split stands their manifest: what they were made with. A run that was killed is taken up where
it was. Videos that cannot be read are listed (exit code 3) and left unanswered, or with --fallback answered with the
centre box over the whole clip.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stvg.cli import ExitCode, add_how_to_prepare, recipe_parser, refuse, refuse_without_ray, report_failures
from stvg.commands.prepare import prepare_options
from stvg.weights import FILM_RECIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Ground a split, or one sentence in one video; list what failed."""
    parser = _parser()
    asked = parser.parse_intermixed_args(arguments)
    split, single = (asked.annotations, asked.videos), (asked.video, asked.query)
    if (None in split) == (None in single) or any(split) == any(single):
        parser.error("expected either --annotations and --videos, or --video and --query")
    if asked.annotations is None:
        refuse(asked, ["--workers", "--ray", "--ray-gpus", "--retry-failed", "--fallback"], "with --annotations")
    refuse_without_ray(asked)

    from stvg.api import ground_video
    from stvg.config import load_config
    from stvg.pipeline import NOBODY
    from stvg.recipe.schema import Recipe
    from stvg.types import Failure
    from stvg.workflows.ground_split import ground_split

    recipe = load_config(Recipe, asked.config, asked.overrides)
    if asked.annotations is not None:
        options = prepare_options(asked)
        return report_failures(ground_split(recipe, *split, asked.out, options, asked.fallback).failures)
    found = ground_video(recipe, asked.video, asked.query, asked.out)
    if found is None:
        return report_failures([Failure(str(asked.video), NOBODY)])
    span, (start_s, end_s) = found.tube.span, found.seconds
    print(
        f"{asked.video.name}: frames {span.start + 1} to {span.stop} ({start_s:.1f} to {end_s:.1f} s), "
        f"tube {found.tube.tube_id}, score {found.score:.3g}; see {asked.out}"
    )
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = recipe_parser(__doc__, "stvg ground", FILM_RECIPE)
    parser.add_argument("--annotations", type=Path, metavar="F", help="annotations or test queries of a split")
    parser.add_argument("--videos", type=Path, metavar="DIR", help="folder of the split's videos")
    parser.add_argument("--video", type=Path, metavar="V", help="one video")
    parser.add_argument("--query", metavar="TEXT", help="one sentence")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="results.json of a split, or a folder")
    parser.add_argument("--fallback", action="store_true", help="answer also for videos that cannot be read")
    add_how_to_prepare(parser)
    return parser
