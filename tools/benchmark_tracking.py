"""Compare the offline linker with the online trackers it builds on, on clips whose people are all known."""

import argparse
from pathlib import Path

from stvg.cli import ExitCode, run


def main() -> int:
    """Parse, compare, print the table."""
    arguments = _parser().parse_args()

    from tracking.benchmark import benchmark_tracking

    table = benchmark_tracking(
        arguments.out,
        arguments.filmed,
        arguments.seeds,
        (arguments.train, arguments.val, arguments.test),
        arguments.world_seed,
        arguments.nanodet,
    )
    print(table)
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets tracking.json and tracking.md")
    parser.add_argument(
        "--filmed", type=Path, metavar="DIR", help="holds TUD-Campus/gt.txt ... (default: the package motmetrics' data)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], metavar="S", help="of the filmed clips' detections"
    )
    for split, count in (("train", 2), ("val", 2), ("test", 30)):
        parser.add_argument(
            f"--{split}", type=int, default=count, help="footages of the demo world; test is used (default %(default)s)"
        )
    parser.add_argument(
        "--world-seed", type=int, default=5, metavar="S", help="seed of the world (default %(default)s)"
    )
    parser.add_argument("--nanodet", type=Path, metavar="F", help="an ONNX file whose detections are compared too")
    return parser


if __name__ == "__main__":
    run(main)
