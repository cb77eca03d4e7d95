"""The app in a browser: choose or upload a video, type a sentence, look at the answer. Needs the extra `app`."""

import argparse
import tempfile
from pathlib import Path

from stvg.cli import ExitCode, recipe_parser, run


def main() -> int:
    """Parse and serve."""
    arguments = _parser().parse_intermixed_args()

    from stvg.commands.app import build_app, make_service, serve

    with tempfile.TemporaryDirectory(prefix="stvg-app-") as work:
        answers, uploads = Path(work, "answers"), Path(work, "uploads")
        answers.mkdir()
        service = make_service(arguments.config, arguments.overrides, arguments.detector, answers)
        serve(build_app(service, uploads), arguments.host, arguments.port)
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = recipe_parser(__doc__)
    parser.add_argument(
        "--detector",
        action="append",
        default=[],
        metavar="YAML",
        help="a further detector to choose from, as '{kind: hog}' or '{kind: onnx, path: x.onnx}'; may be repeated",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default %(default)s: this machine alone; there is no log-in)",
    )
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (default %(default)s)")
    return parser


if __name__ == "__main__":
    run(main)
