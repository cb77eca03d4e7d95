"""Plot the ablation matrix and the causes of error with matplotlib."""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stvg.evaluation.ablation import PARTS_SPATIAL, AblationRow
from stvg.evaluation.error_analysis import ErrorBudget
from stvg.io.files import writing

_DPI = 150
_PARTS = (
    ("right: m_vIoU", "#1b9e77", "white"),
    ("wrong time", "#f2a541", "black"),
    ("wrong person", "#c8553d", "white"),
    ("no candidate", "#5b6c8f", "white"),
    ("poor box", "#c3c9d4", "black"),
)
"""Name of each segment of a bar, its colour, its label's colour. Neighbours also differ in grey."""
_ROOM = 4.0
"""Length in percent that a segment needs for its label to fit."""


def draw_heat_map(rows: Sequence[AblationRow], path: Path) -> None:
    """Draw the m_vIoU of each mode's matrix of parts, one below the other, as a PNG; controls are left out."""
    from matplotlib.figure import Figure

    matrices = _matrices(rows)
    heights = [len(names) for names, _ in matrices.values()]
    figure = Figure(figsize=(6.4, 1.6 + 0.55 * sum(heights) + 0.35 * len(heights)), layout="constrained")
    panels = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (mode, (names, values)) in zip(panels, matrices.items(), strict=True):
        picture = axes.imshow(values, cmap="viridis", vmin=0, vmax=100, aspect="auto")
        axes.set_xticks(range(len(PARTS_SPATIAL)), PARTS_SPATIAL)
        axes.set_yticks(range(len(names)), names)
        axes.set_title(mode)
        for (row, column), value in np.ndenumerate(values):
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color="white" if value < 60 else "black")
    figure.supxlabel("spatial part", fontsize="medium")
    figure.supylabel("temporal part", fontsize="medium")
    figure.colorbar(picture, ax=list(panels), label="m_vIoU, %")
    _save(figure, path)


def draw_error_bars(budgets: Sequence[ErrorBudget], path: Path) -> None:
    """Draw one stacked horizontal bar per mode, m_vIoU and what each cause takes from 100 %, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 1.5 + 0.6 * len(budgets)), layout="constrained")
    axes = figure.subplots()
    lengths = 100 * np.array([astuple(one.shares) for one in budgets])
    starts = np.cumsum(lengths, axis=1) - lengths
    for column, (name, colour, ink) in enumerate(_PARTS):
        axes.barh(
            range(len(budgets)),
            lengths[:, column],
            left=starts[:, column],
            height=0.7,
            color=colour,
            edgecolor="white",
            label=name,
        )
        for row, length in enumerate(lengths[:, column]):
            if length >= _ROOM:
                middle = starts[row, column] + length / 2
                axes.text(middle, row, f"{length:.1f}", ha="center", va="center", color=ink, fontsize=9)
    axes.set_yticks(range(len(budgets)), [one.mode for one in budgets])
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel=f"% of a perfect m_vIoU, {budgets[0].num_queries} queries")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    figure.legend(loc="outside upper center", ncols=len(_PARTS), frameon=False, handlelength=1, columnspacing=1.2)
    _save(figure, path)


def _matrices(rows: Sequence[AblationRow]) -> dict[str, tuple[list[str], npt.NDArray[np.float64]]]:
    """Return, by mode with all spatial parts, the names of its temporal parts and their m_vIoU (T, S) in percent."""
    found = {(row.mode, row.temporal, row.spatial): 100 * row.scores.m_viou for row in rows}
    matrices = {}
    for mode in dict.fromkeys(row.mode for row in rows):
        names = list(dict.fromkeys(row.temporal for row in rows if row.mode == mode))
        if all((mode, name, spatial) in found for name in names for spatial in PARTS_SPATIAL):
            values = [[found[mode, name, spatial] for spatial in PARTS_SPATIAL] for name in names]
            matrices[mode] = (names, np.array(values))
    return matrices


def _save(figure: Any, path: Path) -> None:
    with writing(path) as beside:
        figure.savefig(beside, dpi=_DPI)
