"""MMN's own ablation on a benchmark, over several seeds, as one table.

Losses as published and corrected, with and without negatives of other videos, with and without the contrastive branch.
"""

import sys
from pathlib import Path

from stvg.cli import ExitCode, recipe_parser, run


def main() -> int:
    """Parse, train and evaluate all variants, print the table."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="S")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets ablation.json, .md and the runs")
    parser.add_argument("--workers", type=int, metavar="N", help="runs at once; default: one a core")
    arguments = parser.parse_intermixed_args()

    from planted.ablation import ablate_temporal
    from stvg.config import load_config
    from stvg.recipe.schema import BenchmarkRecipe

    recipe = load_config(BenchmarkRecipe, arguments.config, arguments.overrides)
    sys.stdout.write(ablate_temporal(recipe, arguments.seeds, arguments.out, arguments.workers))
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
