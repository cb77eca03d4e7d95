"""Train the temporal stage, an MMN over the moments of videos.

Where the matcher is trained already, the weights of the joint mode are then fitted on val.
"""

from stvg.cli import ExitCode, recipe_parser, run


def main() -> int:
    """Parse and train."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--resume", action="store_true", help="take an interrupted training up again")
    arguments = parser.parse_intermixed_args()

    from stvg.commands.train import fit_fusion, train_temporal
    from stvg.config import load_config
    from stvg.recipe import Recipe

    recipe = load_config(Recipe, arguments.config, arguments.overrides)
    train_temporal(recipe, arguments.resume)
    fit_fusion(recipe)
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
