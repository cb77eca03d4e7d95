"""Turn detections of one video into tubes: MOTChallenge text in, MOTChallenge text out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stvg.cli import ExitCode, refuse

_FPS = 25.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Track the detections of a file, print how many tubes there are."""
    asked = _parser().parse_args(arguments)
    if asked.video is not None:
        refuse(asked, ["--fps"], "without --video, which tells its own")

    from spatial.detectors.postprocess import BoxFilterConfig
    from spatial.tracking.mot_tracks import track_file

    count = track_file(
        asked.detections,
        asked.out,
        asked.video,
        fps=_FPS if asked.fps is None else asked.fps,
        stride=asked.stride,
        keep=BoxFilterConfig(threshold=asked.threshold, min_side=asked.min_side),
    )
    print(f"{count} tubes: {asked.out}")
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    from spatial.detectors.postprocess import BoxFilterConfig

    kept = BoxFilterConfig()
    parser = argparse.ArgumentParser("stvg track", description=__doc__)
    parser.add_argument("--detections", type=Path, required=True, metavar="F", help="frame,id,x,y,w,h,score lines")
    parser.add_argument("--out", type=Path, required=True, metavar="F", help="the tubes, id 1 the longest")
    parser.add_argument("--video", type=Path, metavar="V", help="for appearance, shot cuts, frame rate, picture size")
    parser.add_argument("--fps", type=float, help=f"frames/s where no video is given (default: {_FPS})")
    parser.add_argument("--stride", type=int, default=1, help="use every n-th frame only (default: %(default)s)")
    for option, value, what in (
        ("--threshold", kept.threshold, "least detection score"),
        ("--min-side", kept.min_side, "least side of a box, pixels"),
    ):
        parser.add_argument(option, type=float, default=value, help=f"{what} (default: %(default)s)")
    return parser
