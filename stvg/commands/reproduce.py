"""Reproduce HC-STVG, from the authors' folder to a submission, in one command.

It can be stopped and taken up at any moment. Checks and links the data, prepares the videos, trains both stages,
grounds, scores and ablates val (v1: test), prints the figures beside the published ones, grounds the test queries and
checks the submission. --dry-run says what it will take. Exit code 3: done, but some videos could not be read; they are
listed.
"""

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from stvg.cli import ExitCode, add_how_to_prepare, refuse, refuse_without_ray, report_failures
from stvg.commands.ablate import ablate
from stvg.commands.ground import ground_split
from stvg.commands.prepare import prepare_options, preprocess
from stvg.config import load_config, override
from stvg.datasets.hcstvg.index import index_path, read_index
from stvg.datasets.hcstvg.layout import PrepareRequest, prepare_hcstvg
from stvg.errors import InputError
from stvg.evaluation.metrics import score, summarise
from stvg.evaluation.tables import comparison
from stvg.io.files import read_json, write_json_atomically, write_text_atomically
from stvg.io.hcstvg_annotations import read_annotations, read_queries
from stvg.io.locks import locked
from stvg.io.submission import find_problems, read_submission
from stvg.prepare.runner import PrepareOptions
from stvg.prepare.workers import local_workers
from stvg.recipe.schema import Recipe
from stvg.training.plan import plan
from stvg.training.stages import train_both
from stvg.types import Failure

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
_NODES, _SAMPLE = 1, 3


@dataclass(frozen=True, slots=True)
class Reproduced:
    """What came of it: the table of figures, all files, and the items that failed somewhere."""

    table: str
    paths: tuple[Path, ...]
    failures: tuple[Failure, ...]


def with_data(recipe: Recipe, request: PrepareRequest) -> Recipe:
    """Return the recipe on the data as `request` lays them out."""
    return replace(recipe, data=replace(recipe.data, root=request.out))


def reproduce(recipe: Recipe, request: PrepareRequest, submission: Path, options: PrepareOptions) -> Reproduced:
    """Prepare, preprocess, train both stages, ground and score the split that has figures, ablate, ground the test.

    Figures are those of val, or of test where its annotations are public (v1). The submission answers every test
    query, with the centre box where a video cannot be read (stvg.datasets.hcstvg.fallback), and is checked.

    Raises:
        InputError: as the steps, another run is under way in this folder, or the submission is not valid.
    """
    recipe, out = with_data(recipe, request), recipe.output.root
    with locked(out):
        failures: list[Failure] = []
        wrong = _step(
            "check and lay out the data", lambda: prepare_hcstvg(request, options.make_workers(recipe.device))
        )
        failures += [Failure(one.key, f"{one.split}: {one.kind}: {one.message}") for one in wrong]
        failures += _step(
            "prepare: decode, detect, track, link, describe", lambda: preprocess(recipe, None, None, options)
        )
        failures += _step("train both stages, fit the joint weights", lambda: train_both(recipe, resume=True))
        split = "test" if recipe.data.annotations("test").is_file() else "val"
        table, paths = _score(recipe, split, request.dataset, options)
        queries = recipe.data.root / "test_queries.json"
        if queries.is_file():
            videos = recipe.data.videos
            found = _step(
                "ground test", lambda: ground_split(recipe, queries, videos, submission, options, fallback=True)
            )
            failures += found.failures
            _validate(submission, queries)
            paths.append(submission)
    return Reproduced(table, tuple(paths), tuple(dict.fromkeys(failures)))


def _step(name: str, run: Callable[[], Result]) -> Result:
    logger.info("%s ...", name)
    return run()


def _score(recipe: Recipe, split: str, dataset: str, options: PrepareOptions) -> tuple[str, list[Path]]:
    """Ground, score and ablate a split; return the table beside the published figures, and the files."""
    annotations, videos, out = recipe.data.annotations(split), recipe.data.videos, recipe.output.root / split
    results = out / "results.json"
    _step(f"ground {split}", lambda: ground_split(recipe, annotations, videos, results, options, fallback=True))
    scores = score(read_annotations(annotations), read_submission(results))
    write_json_atomically(out / "scores.json", summarise(scores), indent=1)
    _step(f"ablate on {split}", lambda: ablate(recipe, annotations, videos, out / "ablation"))
    ours = (scores.m_tiou, scores.m_viou, scores.viou_at[0.3], scores.viou_at[0.5])
    table = comparison(dataset, {f"ours, {recipe.fusion.mode}, {split}": ours})
    write_text_atomically(out / "comparison.md", table + "\n")
    return table, [out / name for name in ("results.json", "scores.json", "ablation/ablation.md", "comparison.md")]


def _validate(submission: Path, queries: Path) -> None:
    index = read_index(index_path(queries.parent))
    readable = {key: size for key, size in index.sizes().items() if not index.videos[key].problem}
    problems = find_problems(read_json(submission), read_queries(queries), readable)
    if problems:
        raise InputError(f"{submission}: expected a valid submission, got {len(problems)} problems: {problems[0]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything, or say what it will take; print the table and the files, list what failed."""
    asked = _parser().parse_intermixed_args(arguments)
    if asked.dry_run:
        refuse(asked, ["--submission", "--ray", "--ray-gpus", "--retry-failed"], "without --dry-run")
    else:
        refuse(asked, ["--nodes", "--sample"], "with --dry-run")
    refuse_without_ray(asked)
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
