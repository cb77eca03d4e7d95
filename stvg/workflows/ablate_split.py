"""Ablate a split and write tables, plots and an error analysis."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stvg.errors import InputError
from stvg.evaluation.ablation import Ablation, AblationRow, Difference, compare, row_of
from stvg.evaluation.breakdown import Group, break_down, query_properties
from stvg.evaluation.error_analysis import ErrorBudget, error_budget, error_shares
from stvg.evaluation.plots import draw_error_bars, draw_heat_map
from stvg.evaluation.tables import errors_to_markdown, groups_to_markdown, rows_to_markdown
from stvg.fusion.score_fusion import MODES, ScoreFusion
from stvg.io.files import write_json_atomically, write_text_atomically
from stvg.io.hcstvg_annotations import read_annotations
from stvg.prepare.memory_cache import CachedReader, Reader
from stvg.recipe.build import build_fusion, load_localizer, load_matcher
from stvg.recipe.schema import Recipe
from stvg.recipe.splits import prepare_wherever, video_paths
from stvg.types import Annotation, Failure
from temporal.mmn.moment_map import moment_cells

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ablated:
    """An ablation's rows and the differences that matter; its groups of queries and error budgets (one per mode).

    `failures` are the videos that could not be read, `reader` reads the others.
    """

    rows: list[AblationRow]
    differences: list[Difference]
    groups: list[Group]
    budgets: list[ErrorBudget]
    failures: list[Failure]
    reader: Reader


def ablate(recipe: Recipe, annotations: Path, videos: Path, out: Path) -> Ablated:
    """Score all combinations on the annotated queries and write them under `out`.

    ablation.json and .png hold the rows, differences.json, breakdown.json and errors.json what follows from them,
    error_bar.png the causes of error, and ablation.md all of it. Queries whose video cannot be read are left out and
    returned as failures.

    Raises:
        InputError: the annotations cannot be read, a checkpoint is missing, or no video could be prepared.
    """
    truth = read_annotations(annotations)
    localizer, matcher = load_localizer(recipe), load_matcher(recipe)
    paths = video_paths((item.query.video_id for item in truth), videos)
    stores, failures = prepare_wherever(recipe, annotations.stem, paths)
    reader = CachedReader(stores, recipe.data.memory_bytes)
    unreadable = {failure.video_id for failure in failures}
    readable = [item for item in truth if item.query.video_id not in unreadable]
    if not readable:
        raise InputError(
            f"{videos}: expected the videos of {annotations}, none could be prepared; {failures[0].reason}"
        )
    fusions: dict[str, ScoreFusion] = {mode: build_fusion(recipe, mode) for mode in MODES}
    mask = localizer.model.mask
    cells = moment_cells(mask.numpy())
    ablation = Ablation(readable, reader, localizer, matcher, fusions, cells, len(mask), recipe.seed).with_cache()
    rows = ablation.run()
    groups = _groups(rows, readable, reader, recipe.seed)
    budgets = [_budget(ablation, mode) for mode in MODES]
    ablated = Ablated(rows, compare(_questions(rows), recipe.seed), groups, budgets, failures, reader)
    _write(ablated, out)
    return ablated


def _questions(rows: Sequence[AblationRow]) -> list[tuple[AblationRow, AblationRow]]:
    """Return the pairs of rows whose difference says something."""
    main = row_of(rows, "mmn", "matcher", "two_stage")
    temporal_only = row_of(rows, "mmn", "random", "two_stage")
    spatial_only = row_of(rows, "whole", "matcher", "two_stage")
    others = [row_of(rows, "mmn", "matcher", mode) for mode in ("joint", "tube_mmn")]
    controls = [row for row in rows if row.mode not in MODES]
    pairs = [(main, temporal_only), (main, spatial_only), *((other, main) for other in others)]
    chance = row_of(rows, "uniform", "random", "two_stage")
    return pairs + [(control, level) for control in controls for level in (temporal_only, chance)]


def _groups(rows: Sequence[AblationRow], annotations: Sequence[Annotation], reader: Reader, seed: int) -> list[Group]:
    """Return the groups of queries, each with the trained parts in every mode and the oracle."""
    main = [row_of(rows, "mmn", "matcher", mode) for mode in MODES]
    properties = query_properties(annotations, (reader.read(item.query.video_id) for item in annotations))
    return break_down([*main, row_of(rows, "truth", "truth", "two_stage")], properties, seed)


def _budget(ablation: Ablation, mode: str) -> ErrorBudget:
    """Return where the error of the trained parts in `mode` comes from."""
    predictions = {one.query_id: one for one in ablation.predict(mode)}
    shares = [
        error_shares(
            item.tube,
            predictions[item.query.query_id],
            ablation.reader.read(item.query.video_id),
            ablation.fusions[mode],
        )
        for item in ablation.annotations
    ]
    return error_budget(mode, shares, ablation.seed)


def _write(ablated: Ablated, out: Path) -> None:
    plain = {
        "ablation": [row.to_json() for row in ablated.rows],
        "differences": [item.to_json() for item in ablated.differences],
        "breakdown": [group.to_json() for group in ablated.groups],
        "errors": [budget.to_json() for budget in ablated.budgets],
    }
    for name, items in plain.items():
        write_json_atomically(out / f"{name}.json", items, indent=1)
    draw_heat_map(ablated.rows, out / "ablation.png")
    draw_error_bars(ablated.budgets, out / "error_bar.png")
    sections = (
        rows_to_markdown(ablated.rows, ablated.differences),
        errors_to_markdown(ablated.budgets, "error_bar.png"),
        groups_to_markdown(ablated.groups),
    )
    write_text_atomically(out / "ablation.md", "\n".join(sections))
