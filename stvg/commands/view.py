"""Write the page of a submission, or serve a form in the browser to ask about videos."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stvg.cli import ExitCode, recipe_parser, refuse, report_failures
from stvg.weights import FILM_RECIPE

_VIEW = "Write a report of a submission, with overlay videos and plots."
_APP = "Serve a form in the browser: choose or upload a video, type a sentence, see the answer. Needs the extra `app`."


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a submission, print where it is."""
    parser = _parser()
    asked = parser.parse_intermixed_args(arguments)
    if asked.overrides and not asked.config:
        parser.error("key=value needs --config")
    if asked.page_only:
        refuse(asked, ["--overwrite", "--workers"], "without --page-only")

    from stvg.config import load_config
    from stvg.recipe.schema import Recipe
    from stvg.workflows.report_split import visualize

    recipe = load_config(Recipe, asked.config, asked.overrides) if asked.config else None
    page, failures = visualize(
        asked.predictions,
        asked.annotations,
        asked.videos,
        asked.out,
        recipe=recipe,
        ablation=asked.ablation,
        drawings=not asked.page_only,
        overwrite=asked.overwrite,
        workers=asked.workers,
    )
    code = report_failures(failures)
    if recipe is None:
        print("no --config: without the trained stages there are no maps and no candidates")
    print(f"see {page}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("stvg view", description=_VIEW)
    parser.add_argument("--predictions", type=Path, required=True, metavar="P", help="submission, a results.json")
    parser.add_argument("--annotations", type=Path, metavar="A", help="annotations, or test queries (sentences alone)")
    parser.add_argument("--videos", type=Path, required=True, metavar="DIR", help="folder of the split's videos")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--config", type=Path, metavar="C", help="recipe of trained stages, for the maps and candidates"
    )
    parser.add_argument("--ablation", type=Path, metavar="DIR", help="folder of stvg ablate, to show at the top")
    parser.add_argument("--page-only", action="store_true", help="write the report without videos and pictures")
    parser.add_argument("--overwrite", action="store_true", help="draw again what is there already")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that draw (default: all cores)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="values of the recipe to replace")
    return parser


def main_app(arguments: Sequence[str] | None = None) -> int:
    """Serve the app until it is interrupted."""
    asked = _app_parser().parse_intermixed_args(arguments)

    from stvg.workflows.app_form import build_app
    from stvg.workflows.app_service import make_service, serve

    with tempfile.TemporaryDirectory(prefix="stvg-app-") as work:
        answers, uploads = Path(work, "answers"), Path(work, "uploads")
        answers.mkdir()
        service = make_service(asked.config, asked.overrides, asked.detector, answers)
        serve(build_app(service, uploads), uploads, asked.host, asked.port)
    return ExitCode.DONE


def _app_parser() -> argparse.ArgumentParser:
    parser = recipe_parser(_APP, "stvg app", FILM_RECIPE)
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
