"""Train the temporal stage, an MMN over the moments of videos: that of a pipeline, or of a benchmark.

In a pipeline whose matcher is trained already, the weights of the joint mode are then fitted on val.
"""

from stvg.cli import ExitCode, recipe_parser, report_failures, run


def main() -> int:
    """Parse and train."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--resume", action="store_true", help="take an interrupted training up again")
    arguments = parser.parse_intermixed_args()

    from stvg.recipe.schema import BenchmarkRecipe, load_temporal_recipe
    from stvg.training.benchmark import train_benchmark
    from stvg.training.stages import fit_fusion, train_temporal

    recipe = load_temporal_recipe(arguments.config, arguments.overrides)
    if isinstance(recipe, BenchmarkRecipe):
        train_benchmark(recipe, arguments.resume)
        return ExitCode.DONE
    failures = train_temporal(recipe, arguments.resume)
    fit_fusion(recipe)
    return report_failures(failures)


if __name__ == "__main__":
    run(main)
