"""Prepare videos once: detect, track, link, extract tube and clip features.

Finished videos are skipped. A video that cannot be prepared is recorded with its reason, listed each time (exit code
3), and tried again only when its file or the config changes, or with --retry-failed.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stvg.cli import add_how_to_prepare, recipe_parser, refuse_without_ray, report_failures
from stvg.config import load_config, override
from stvg.errors import InputError
from stvg.io.hcstvg_annotations import read_queries
from stvg.prepare.runner import PrepareOptions
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import SPLITS, prepare_split, video_paths
from stvg.types import Failure


def preprocess(
    recipe: Recipe, annotations: Path | None, videos: Path | None, options: PrepareOptions | None = None
) -> list[Failure]:
    """Prepare the videos of the file `annotations`, or of train.json, val.json and test.json under data.root.

    Raises:
        InputError: the file cannot be read, or data.root has none of the three.
    """
    files = [annotations] if annotations else [recipe.data.annotations(split) for split in SPLITS]
    present = [file for file in files if annotations or file.is_file()]
    if not present:
        raise InputError(f"{recipe.data.root}: expected train.json, val.json or test.json, found none of them")
    queries = [(file.stem, read_queries(file)) for file in present]
    failures: list[Failure] = []
    for name, of_split in queries:
        paths = video_paths((query.video_id for query in of_split), videos or recipe.data.videos)
        failures += prepare_split(recipe, name, paths, options)
    return failures


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
    overrides = asked.overrides + ([override("output.root", asked.out)] if asked.out else [])
    recipe = load_config(Recipe, asked.config, overrides)
    options = replace(prepare_options(asked), overwrite=asked.overwrite)
    return report_failures(preprocess(recipe, asked.annotations, asked.videos, options))


def prepare_options(asked: argparse.Namespace) -> PrepareOptions:
    """Return the options of stvg.cli.add_how_to_prepare as an object.

    Raises:
        InputError: as PrepareOptions.
    """
    return PrepareOptions(asked.workers, asked.ray, asked.ray_gpus, asked.retry_failed)
