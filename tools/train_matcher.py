"""Train the spatial stage, an MMN over person tubes.

Where the temporal stage is trained already, the weights of the joint mode are then fitted on val.
"""

from stvg.cli import recipe_parser, report_failures, run


def main() -> int:
    """Parse and train."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--resume", action="store_true", help="take an interrupted training up again")
    arguments = parser.parse_intermixed_args()

    from stvg.config import load_config
    from stvg.recipe.schema import Recipe
    from stvg.training.stages import fit_fusion, train_matcher

    recipe = load_config(Recipe, arguments.config, arguments.overrides)
    failures = train_matcher(recipe, arguments.resume)
    fit_fusion(recipe)
    return report_failures(failures)


if __name__ == "__main__":
    run(main)
