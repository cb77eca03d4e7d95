"""Score every combination of temporal and spatial parts, oracles and controls included; say where the error is."""

from pathlib import Path

from stvg.cli import recipe_parser, report_failures, run


def main() -> int:
    """Parse, ablate, print the table."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, metavar="F", help="HC-STVG annotations of the split")
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR", help="folder of its videos")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets ablation.json, .md, .png and more")
    arguments = parser.parse_intermixed_args()

    from stvg.commands.ablate import ablate
    from stvg.config import load_config
    from stvg.evaluation.tables import rows_to_text
    from stvg.recipe.schema import Recipe

    recipe = load_config(Recipe, arguments.config, arguments.overrides)
    ablated = ablate(recipe, arguments.annotations, arguments.videos, arguments.out)
    print(rows_to_text(ablated.rows))
    print(f"see {arguments.out}")
    return report_failures(ablated.failures)


if __name__ == "__main__":
    run(main)
