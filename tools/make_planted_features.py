"""Plant features in the real annotations of a benchmark, with a known answer: to see whether training learns at all.

Writes what the config's `data` names (annotations of the drawn videos, features) and bounds.json: what a matched filter
reaches on them, the best moment for all sentences, and chance.
"""

import json
import sys
from pathlib import Path

from stvg.cli import ExitCode, recipe_parser, run


def main() -> int:
    """Parse, plant, print the bounds."""
    parser = recipe_parser(__doc__)
    for split in ("train", "val", "test"):
        parser.add_argument(f"--{split}", type=Path, metavar="F", required=split != "val", help=f"{split} annotations")
        parser.add_argument(f"--{split}-videos", type=int, metavar="N", help="how many of its videos; default: all")
    parser.add_argument("--sentences", type=int, metavar="N", help="sentences kept of each video; default: all")
    parser.add_argument("--width", type=int, default=64, metavar="D", help="columns of a feature (default %(default)s)")
    parser.add_argument("--rate", type=float, default=2.0, metavar="HZ", help="features a second (default %(default)s)")
    parser.add_argument(
        "--snr",
        type=float,
        default=1.0,
        help="power of an image over that of the noise, of one row (default %(default)s)",
    )
    parser.add_argument(
        "--rank",
        type=int,
        default=16,
        metavar="R",
        help="directions of the sentences that are shown, fewer than sentences and at most --width "
        "(default %(default)s)",
    )
    arguments = parser.parse_intermixed_args()

    from planted.features import Planting
    from planted.make import make_planted
    from stvg.config import load_config
    from stvg.errors import InputError
    from stvg.recipe.schema import BenchmarkRecipe

    for name, least in (("width", arguments.rank), ("rate", 0.0), ("snr", 0.0), ("rank", 1)):
        value = getattr(arguments, name)
        if value < least or value == 0:
            raise InputError(
                f"--{name}: expected a number {'above 0' if least == 0 else f'of at least {least}'}, got {value}"
            )
    recipe = load_config(BenchmarkRecipe, arguments.config, arguments.overrides)
    planting = Planting(arguments.width, arguments.rate, arguments.snr, arguments.rank, recipe.seed)
    given = {split: getattr(arguments, split) for split in ("train", "val", "test")}
    counts = {split: getattr(arguments, f"{split}_videos") for split in given}
    annotations = {split: path for split, path in given.items() if path is not None}
    found = make_planted(recipe, annotations, counts, arguments.sentences, planting)["test"]
    for name in ("matched_filter", "prior", "chance"):
        sys.stdout.write(f"{name}: {json.dumps(getattr(found, name).to_json())}\n")
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
