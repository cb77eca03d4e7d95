"""Score a trained MMN on a benchmark of temporal grounding: R@n at IoU = m, mIoU, also by the length of moments."""

import sys
from pathlib import Path

from stvg.cli import ExitCode, recipe_parser, run


def main() -> int:
    """Parse, rank the moments of the split, print the table."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--checkpoint", type=Path, metavar="K", help="weights; default: the best under output.root")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--json", type=Path, metavar="F", help="where to write the recalls as fractions")
    arguments = parser.parse_intermixed_args()

    from stvg.config import load_config
    from stvg.recipe.schema import BenchmarkRecipe
    from stvg.training.benchmark import evaluate_benchmark, evaluated_to_text

    recipe = load_config(BenchmarkRecipe, arguments.config, arguments.overrides)
    evaluated = evaluate_benchmark(recipe, arguments.checkpoint, arguments.split, arguments.json)
    sys.stdout.write(evaluated_to_text(evaluated) + "\n")
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
