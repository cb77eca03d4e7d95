"""Run `stvg train temporal`, or with a recipe of a benchmark `stvg mmn train`."""

from stvg.cli import run
from stvg.commands.train import main_mmn, main_temporal, training_parser


def main() -> int:
    """Train what the recipe describes."""
    asked = training_parser(__doc__).parse_intermixed_args()

    from stvg.recipe.schema import BenchmarkRecipe, load_temporal_recipe

    recipe = load_temporal_recipe(asked.config, asked.overrides)
    return main_mmn() if isinstance(recipe, BenchmarkRecipe) else main_temporal()


if __name__ == "__main__":
    run(main)
