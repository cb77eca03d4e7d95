"""Make the demo world: a small HC-STVG with mp4 files, annotations, test queries and public detections."""

import argparse
from pathlib import Path

from stvg.cli import ExitCode, add_world_sizes, run
from stvg.datasets.synthetic.make import make_world


def main() -> int:
    """Parse and make."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the world to; finished clips are kept")
    add_world_sizes(parser)
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default %(default)s)")
    parser.add_argument("--workers", type=int, help="processes (default: all cores)")
    arguments = parser.parse_args()
    make_world(arguments.out, arguments.train, arguments.val, arguments.test, arguments.seed, arguments.workers)
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
