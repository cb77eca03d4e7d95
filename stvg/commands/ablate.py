"""The ablation of a split: every combination of parts, the controls, the differences that matter, as files."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stvg.ablation import Ablation, AblationRow, Difference, compare, row_of
from stvg.annotations import read_annotations
from stvg.build import build_fusion, load_localizer, load_matcher
from stvg.commands.splits import Reader, prepare_wherever, video_paths
from stvg.errors import InputError
from stvg.files import write_json_atomically, write_text_atomically
from stvg.preprocess import Failure
from stvg.recipe import Recipe
from stvg.tables import draw_heat_map, rows_to_markdown
from temporal.moment_map import moment_cells

logger = logging.getLogger(__name__)
MODES = ("two_stage", "joint", "tube_mmn")


@dataclass(frozen=True, slots=True)
class Ablated:
    """All rows of an ablation, the differences that matter, the videos that failed and how to read the others."""

    rows: list[AblationRow]
    differences: list[Difference]
    failures: list[Failure]
    read: Reader


def ablate(recipe: Recipe, annotations: Path, videos: Path, out: Path) -> Ablated:
    """Score all combinations on the annotated queries; write `out`/ablation.json, .md, .png and differences.json.

    Queries whose video cannot be read are left out and returned as failures.

    Raises:
        InputError: the annotations cannot be read, a checkpoint is missing, or no video could be prepared.
    """
    truth = read_annotations(annotations)
    localizer, matcher = load_localizer(recipe), load_matcher(recipe)
    paths = video_paths((item.query.video_id for item in truth), videos)
    read, failures = prepare_wherever(recipe, annotations.stem, paths)
    unreadable = {failure.video_id for failure in failures}
    readable = [item for item in truth if item.query.video_id not in unreadable]
    if not readable:
        raise InputError(
            f"{videos}: expected the videos of {annotations}, none could be prepared; {failures[0].reason}"
        )
    fusions = {mode: build_fusion(recipe, mode) for mode in MODES}
    mask = localizer.model.mask
    cells = moment_cells(mask.numpy())
    rows = Ablation(readable, read, localizer, matcher, fusions, cells, len(mask), recipe.seed).run()
    differences = compare(_questions(rows), recipe.seed)
    write_json_atomically(out / "ablation.json", [row.to_json() for row in rows], indent=1)
    write_json_atomically(out / "differences.json", [item.to_json() for item in differences], indent=1)
    write_text_atomically(out / "ablation.md", rows_to_markdown(rows, differences))
    draw_heat_map(rows, out / "ablation.png")
    return Ablated(rows, differences, failures, read)


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
