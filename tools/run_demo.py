"""The whole road on the demo world: make it, prepare, train both stages, ground test, score, ablate, report."""

import argparse
from pathlib import Path

from stvg.cli import ExitCode, add_world_sizes, run


def main() -> int:
    """Parse and run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"), help="recipe (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of everything but the submission")
    parser.add_argument("--submission", type=Path, default=Path("submissions/demo/results.json"))
    add_world_sizes(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the world (default %(default)s)")
    parser.add_argument(
        "--detector",
        type=Path,
        metavar="ONNX",
        default=Path("runs/models/nanodet_416_coco.onnx"),
        help="also ground the first test clips with this NanoDet, if it is there (default %(default)s)",
    )
    arguments = parser.parse_args()

    from stvg.commands.demo import run_demo

    run_demo(
        arguments.config,
        arguments.out,
        arguments.submission,
        {"train": arguments.train, "val": arguments.val, "test": arguments.test},
        arguments.seed,
        arguments.detector,
    )
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
