"""Reproduce HC-STVG, from the authors' folder to a submission, in one command.

It can be stopped and taken up at any moment. Checks and links the data, prepares the videos, trains both stages,
grounds, scores and ablates val (v1: test), prints the figures beside the published ones, grounds the test queries and
checks the submission. --dry-run says what it will take. Exit code 3: done, but some videos could not be read; they are
listed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stvg.cli import ExitCode, add_how_to_prepare, refuse, refuse_without_ray, report_failures
from stvg.commands.prepare import prepare_options

_NODES, _SAMPLE = 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything, or say what it will take; print the table and the files, list what failed."""
    asked = _parser().parse_intermixed_args(arguments)
    if asked.dry_run:
        refuse(asked, ["--submission", "--ray", "--ray-gpus", "--retry-failed"], "without --dry-run")
    else:
        refuse(asked, ["--nodes", "--sample"], "with --dry-run")
    refuse_without_ray(asked)

    from stvg.config import load_config, override
    from stvg.datasets.hcstvg.layout import PrepareRequest
    from stvg.prepare.workers import local_workers
    from stvg.recipe.schema import Recipe
    from stvg.workflows.hcstvg_plan import plan
    from stvg.workflows.hcstvg_run import reproduce

    out = asked.out or Path("runs") / asked.dataset
    places = [override("output.root", out), override("data.root", out / "data")]
    recipe = load_config(Recipe, asked.config, [*places, *asked.overrides])
    share = 0.1 if asked.dataset == "hcstvg_v1" else None
    request = PrepareRequest(asked.dataset, asked.data, recipe.data.root, val_share=share, seed=recipe.seed)
    if asked.dry_run:
        nodes = _NODES if asked.nodes is None else asked.nodes
        sample = _SAMPLE if asked.sample is None else asked.sample
        print("\n".join(plan(recipe, request, local_workers(asked.workers).count, nodes, sample)))
        return ExitCode.DONE
    submission = asked.submission or Path("submissions") / f"{asked.dataset}_test" / "results.json"
    done = reproduce(recipe, request, submission, prepare_options(asked))
    print("\n".join([done.table, "", *map(str, done.paths)]))
    return report_failures(done.failures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("stvg reproduce", description=__doc__)
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
    parser.add_argument("--nodes", type=int, metavar="N", help=f"of --dry-run: machines (default {_NODES})")
    parser.add_argument(
        "--sample", type=int, metavar="N", help=f"of --dry-run: videos to measure with (default {_SAMPLE})"
    )
    add_how_to_prepare(parser)
    return parser
