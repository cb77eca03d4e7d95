"""HC-STVG from the authors' folder to a submission, in one command that can be stopped and taken up at any moment.

Checks and links the data, prepares the videos, trains both stages, grounds, scores and ablates val (v1: test), prints
the figures beside the published ones, grounds the test queries and checks the submission. --dry-run says what it will
take. Exit code 3: done, but some videos could not be read; they are listed.
"""

import argparse
from pathlib import Path

from stvg.cli import ExitCode, add_how_to_prepare, report_failures, run


def main() -> int:
    """Parse and run everything."""
    arguments = _parser().parse_intermixed_args()

    from stvg.commands.plan import plan
    from stvg.commands.reproduce import reproduce
    from stvg.config import load_config, override
    from stvg.datasets.hcstvg.layout import PrepareRequest
    from stvg.prepare.runner import PrepareOptions
    from stvg.prepare.workers import local_workers
    from stvg.recipe.schema import Recipe

    out = arguments.out or Path("runs") / arguments.dataset
    places = [override("output.root", out), override("data.root", out / "data")]
    recipe = load_config(Recipe, arguments.config, [*places, *arguments.overrides])
    share = 0.1 if arguments.dataset == "hcstvg_v1" else None
    request = PrepareRequest(arguments.dataset, arguments.data, recipe.data.root, val_share=share, seed=recipe.seed)
    if arguments.dry_run:
        workers = local_workers(arguments.workers).count
        print("\n".join(plan(recipe, request, workers, arguments.nodes, arguments.sample)))
        return ExitCode.DONE
    options = PrepareOptions(arguments.workers, arguments.ray, arguments.ray_gpus, arguments.retry_failed)
    submission = arguments.submission or Path("submissions") / f"{arguments.dataset}_test" / "results.json"
    done = reproduce(recipe, request, submission, options)
    print("\n".join([done.table, "", *map(str, done.paths)]))
    return report_failures(done.failures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=("hcstvg_v2", "hcstvg_v1"), help="which version")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="recipe values to replace, as device=cpu")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the data set, unpacked")
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("configs/pipeline/two_stage.yaml"),
        metavar="C",
        help="recipe (default %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of everything (default runs/DATASET)")
    parser.add_argument("--submission", type=Path, metavar="F", help="default submissions/DATASET_test/results.json")
    parser.add_argument("--dry-run", action="store_true", help="say what it will take, and stop")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="of --dry-run: machines (default 1)")
    parser.add_argument("--sample", type=int, default=3, metavar="N", help="of --dry-run: videos to measure with")
    add_how_to_prepare(parser)
    return parser


if __name__ == "__main__":
    run(main)
