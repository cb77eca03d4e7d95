"""Turn detections of one video into tubes: MOTChallenge text in, MOTChallenge text out."""

import argparse
from pathlib import Path

from spatial.tracking.mot_files import track_file
from stvg.cli import ExitCode, run


def main() -> int:
    """Parse, track, print."""
    arguments = _parser().parse_args()
    count = track_file(
        arguments.detections,
        arguments.out,
        arguments.video,
        fps=arguments.fps,
        stride=arguments.stride,
        threshold=arguments.threshold,
        min_side=arguments.min_side,
    )
    print(f"{count} tubes: {arguments.out}")
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detections", type=Path, required=True, metavar="F", help="frame,id,x,y,w,h,score lines")
    parser.add_argument("--out", type=Path, required=True, metavar="F", help="the tubes, id 1 the longest")
    parser.add_argument("--video", type=Path, metavar="V", help="for appearance, shot cuts, frame rate, picture size")
    parser.add_argument(
        "--fps", type=float, default=25.0, help="frames/s where no video is given (default: %(default)s)"
    )
    parser.add_argument("--stride", type=int, default=1, help="use every n-th frame only (default: %(default)s)")
    parser.add_argument("--threshold", type=float, default=0.2, help="least detection score (default: %(default)s)")
    parser.add_argument(
        "--min-side", type=float, default=8.0, help="least side of a box, pixels (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    run(main)
