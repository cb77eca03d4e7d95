"""Prepare videos once: detect, track, link, extract tube and clip features. Finished videos are skipped.

A video that cannot be prepared is recorded with its reason, listed each time (exit code 3), and tried again only when
its file or the config changes, or with --retry-failed.
"""

from pathlib import Path

from stvg.cli import add_how_to_prepare, recipe_parser, report_failures, run


def main() -> int:
    """Parse and prepare one split, or all splits of the config's data.root."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--annotations", type=Path, metavar="F", help="annotations or test queries of one split")
    parser.add_argument("--videos", type=Path, metavar="DIR", help="folder of its videos (default data.root/videos)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="in place of output.root; gets prepared/<split>.h5")
    parser.add_argument("--overwrite", action="store_true", help="prepare finished videos again")
    add_how_to_prepare(parser)
    arguments = parser.parse_intermixed_args()

    from stvg.commands.prepare import preprocess
    from stvg.config import load_config, override
    from stvg.prepare.runner import PrepareOptions
    from stvg.recipe.schema import Recipe

    overrides = arguments.overrides + ([override("output.root", arguments.out)] if arguments.out else [])
    recipe = load_config(Recipe, arguments.config, overrides)
    choices = arguments.workers, arguments.ray, arguments.ray_gpus, arguments.retry_failed, arguments.overwrite
    return report_failures(preprocess(recipe, arguments.annotations, arguments.videos, PrepareOptions(*choices)))


if __name__ == "__main__":
    run(main)
