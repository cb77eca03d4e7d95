"""Measure training and inference of a recipe's temporal network beside the authors' way of computing the same.

Prints throughput, step time by part, peak memory and share of the device's peak; --json writes them all.
"""

import os
import sys
from pathlib import Path

from stvg.cli import ExitCode, recipe_parser, run


def main() -> int:
    """Parse, measure, print."""
    parser = recipe_parser(__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="F", help="where to write all figures")
    parser.add_argument("--videos", type=int, metavar="B", help="videos of a batch; default: the recipe's batch_size")
    parser.add_argument("--sentences", type=int, default=3, metavar="S", help="of each video; default: %(default)s")
    parser.add_argument("--tokens", type=int, default=12, metavar="W", help="of a sentence; default: %(default)s")
    parser.add_argument(
        "--width", type=int, default=4096, metavar="D", help="columns of a feature; default: %(default)s"
    )
    parser.add_argument("--repeats", type=int, default=3, metavar="R", help="the fastest counts; default: %(default)s")
    parser.add_argument("--threads", type=int, metavar="T", help="of the CPU; default: all")
    parser.add_argument("--without-official", action="store_true", help="leave out the authors' way, which is slow")
    arguments = parser.parse_intermixed_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # speed does not depend on weights: nothing is downloaded for it

    import torch

    from speed.benchmark import benchmark_speed, speed_to_text
    from speed.task import BatchSizes
    from stvg.errors import InputError
    from stvg.io.files import write_json_atomically
    from stvg.recipe.schema import load_temporal_recipe

    for name in ("videos", "sentences", "tokens", "width", "repeats", "threads"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise InputError(f"--{name}: expected a number of at least 1, got {value}")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device: expected a GPU that torch can use, found none")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    recipe = load_temporal_recipe(arguments.config, arguments.overrides)
    videos = arguments.videos or recipe.temporal.training.batch_size
    sizes = BatchSizes(videos, arguments.sentences, arguments.tokens, arguments.width)
    official = not arguments.without_official
    figures = benchmark_speed(recipe, arguments.device, sizes, arguments.repeats, official=official)
    result = {"config": str(arguments.config), **figures}
    if arguments.json is not None:
        write_json_atomically(arguments.json, result, indent=1)
    sys.stdout.write(speed_to_text(result, arguments.config) + "\n")
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
