"""Run every step on a synthetic data set: make it, prepare, train, ground test, score, ablate, report.

`stvg demo world` makes the data set alone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stvg.cli import ExitCode, add_world_sizes
from stvg.models.fetch import DETECTOR

_WORLD = "Make the demo world: a small HC-STVG with mp4 files, annotations, test queries and public detections."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser("stvg demo", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"), help="recipe (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of everything but the submission")
    parser.add_argument("--submission", type=Path, default=Path("submissions/demo/results.json"))
    add_world_sizes(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the world (default %(default)s)")
    parser.add_argument(
        "--detector",
        type=Path,
        metavar="ONNX",
        default=DETECTOR,
        help="also ground the first test clips with this NanoDet, if it is there (default %(default)s)",
    )
    asked = parser.parse_args(arguments)

    from stvg.workflows.demo_run import run_demo

    counts = {"train": asked.train, "val": asked.val, "test": asked.test}
    run_demo(asked.config, asked.out, asked.submission, counts, asked.seed, asked.detector)
    return ExitCode.DONE


def main_world(arguments: Sequence[str] | None = None) -> int:
    """Make the demo world alone."""
    parser = argparse.ArgumentParser("stvg demo world", description=_WORLD)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the world to; finished clips are kept")
    add_world_sizes(parser)
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default %(default)s)")
    parser.add_argument("--workers", type=int, help="processes (default: all cores)")
    asked = parser.parse_args(arguments)

    from stvg.datasets.synthetic.make import make_world

    make_world(asked.out, asked.train, asked.val, asked.test, asked.seed, asked.workers)
    return ExitCode.DONE
