"""Train the spatial stage, an MMN over person tubes, and fit the joint weights on val where the temporal stage is trained."""

from stvg.cli import ExitCode, recipe_parser, run


def main() -> int:
    """Parse and train."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--resume", action="store_true", help="take an interrupted training up again")
    arguments = parser.parse_intermixed_args()

    from stvg.commands.train import train_matcher
    from stvg.config import load_config
    from stvg.recipe import Recipe

    train_matcher(load_config(Recipe, arguments.config, arguments.overrides), arguments.resume)
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
