"""Prepare videos once: detect, track, link, extract tube and clip features.

Finished videos are skipped. A video that cannot be prepared is recorded with its reason, listed each time (exit code
3), and tried again only when its file or the config changes, or with --retry-failed.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stvg.cli import add_how_to_prepare, recipe_parser, refuse_without_ray, report_failures

if TYPE_CHECKING:
    from stvg.prepare.runner import PrepareOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare one split, or all splits of the config's data.root; list the videos that failed."""
    parser = recipe_parser(__doc__, "stvg prepare")
    parser.add_argument("--annotations", type=Path, metavar="F", help="annotations or test queries of one split")
    parser.add_argument("--videos", type=Path, metavar="DIR", help="folder of the videos (default data.root/videos)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="in place of output.root; gets prepared/<split>.h5")
    parser.add_argument("--overwrite", action="store_true", help="prepare finished videos again")
    add_how_to_prepare(parser)
    asked = parser.parse_intermixed_args(arguments)
    refuse_without_ray(asked)

    from stvg.config import load_config, override
    from stvg.recipe.schema import Recipe
    from stvg.recipe.splits import prepare_files

    overrides = asked.overrides + ([override("output.root", asked.out)] if asked.out else [])
    recipe = load_config(Recipe, asked.config, overrides)
    options = replace(prepare_options(asked), overwrite=asked.overwrite)
    return report_failures(prepare_files(recipe, asked.annotations, asked.videos, options))


def prepare_options(asked: argparse.Namespace) -> "PrepareOptions":
    """Return the options of stvg.cli.add_how_to_prepare as an object.

    Raises:
        InputError: as PrepareOptions.
    """
    from stvg.prepare.runner import PrepareOptions

    return PrepareOptions(asked.workers, asked.ray, asked.ray_gpus, asked.retry_failed)
