"""Run every step on HC-STVG, from raw data to checked submission."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

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
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import prepare_files
from stvg.training.stages import train_both
from stvg.types import Failure
from stvg.workflows.ablate_split import ablate
from stvg.workflows.ground_split import ground_split

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


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
            "prepare: decode, detect, track, link, describe", lambda: prepare_files(recipe, None, None, options)
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
