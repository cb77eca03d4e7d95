"""Ablate a split and write tables, plots and an error analysis."""

from collections.abc import Sequence
from pathlib import Path

from stvg.cli import recipe_parser, report_failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Ablate a split, print the table."""
    parser = recipe_parser(__doc__, "stvg ablate")
    parser.add_argument("--annotations", type=Path, required=True, metavar="F", help="HC-STVG annotations of the split")
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR", help="folder of its videos")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets ablation.json, .md, .png and more")
    asked = parser.parse_intermixed_args(arguments)

    from stvg.config import load_config
    from stvg.evaluation.tables import rows_to_text
    from stvg.recipe.schema import Recipe
    from stvg.workflows.ablate_split import ablate

    recipe = load_config(Recipe, asked.config, asked.overrides)
    ablated = ablate(recipe, asked.annotations, asked.videos, asked.out)
    print(rows_to_text(ablated.rows))
    print(f"see {asked.out}")
    return report_failures(ablated.failures)
