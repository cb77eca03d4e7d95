"""Look at the answers of a split: a report to open in a browser, and an overlay video and pictures of each query."""

import argparse
from pathlib import Path

from stvg.cli import ExitCode, report_failures, run


def main() -> int:
    """Parse and visualize."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=Path, required=True, metavar="P", help="submission, a results.json")
    parser.add_argument("--annotations", type=Path, metavar="A", help="annotations, or test queries (sentences alone)")
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR", help="folder of the split's videos")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--config", type=Path, metavar="C", help="recipe of trained stages, for the maps and candidates"
    )
    parser.add_argument("--ablation", type=Path, metavar="DIR", help="folder of tools/ablate.py, to show at the top")
    parser.add_argument("--page-only", action="store_true", help="write the report without videos and pictures")
    parser.add_argument("--overwrite", action="store_true", help="draw again what is there already")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that draw (default: all cores)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="values of the recipe to replace")
    arguments = parser.parse_intermixed_args()
    if arguments.overrides and not arguments.config:
        parser.error("key=value needs --config")

    from stvg.commands.view import visualize
    from stvg.config import load_config
    from stvg.recipe.schema import Recipe

    recipe = load_config(Recipe, arguments.config, arguments.overrides) if arguments.config else None
    page, failures = visualize(
        arguments.predictions,
        arguments.annotations,
        arguments.videos,
        arguments.out,
        recipe=recipe,
        ablation=arguments.ablation,
        drawings=not arguments.page_only,
        overwrite=arguments.overwrite,
        workers=arguments.workers,
    )
    code = report_failures(failures)
    if recipe is None:
        print("no --config: without the trained stages there are no maps and no candidates")
    print(f"see {page}")
    return code if failures else ExitCode.DONE


if __name__ == "__main__":
    run(main)
