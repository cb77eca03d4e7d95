"""Train the temporal stage, an MMN over the moments of videos."""

from stvg.cli import ExitCode, recipe_parser, run


def main() -> int:
    """Parse and train."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--resume", action="store_true", help="take an interrupted training up again")
    arguments = parser.parse_intermixed_args()

    from stvg.commands.train import train_temporal
    from stvg.config import load_config
    from stvg.recipe import Recipe

    train_temporal(load_config(Recipe, arguments.config, arguments.overrides), arguments.resume)
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
