"""Ablation rows as people read them: a Markdown table, a table for the terminal, a heat map."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stvg.ablation import PARTS_SPATIAL, PARTS_TEMPORAL, AblationRow, Difference, row_of
from stvg.files import writing

_HEAD = ("mode", "temporal", "spatial", "m_tIoU", "m_vIoU", "95 % interval", "vIoU@0.3", "vIoU@0.5")


def rows_to_cells(rows: Sequence[AblationRow]) -> list[tuple[str, ...]]:
    """Return the head and one tuple of words per row; scores in percent."""
    body = []
    for row in rows:
        s, (low, high) = row.scores, row.m_viou_ci
        shares = (s.m_tiou, s.m_viou), (s.viou_at[0.3], s.viou_at[0.5])
        first, last = ([f"{100 * share:.1f}" for share in pair] for pair in shares)
        body.append((row.mode, row.temporal, row.spatial, *first, f"{100 * low:.1f} to {100 * high:.1f}", *last))
    return [_HEAD, *body]


def rows_to_text(rows: Sequence[AblationRow]) -> str:
    """Return the rows as an aligned table for a terminal."""
    cells = rows_to_cells(rows)
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    lines = ["  ".join(_pad(cell, width, index) for index, (cell, width) in enumerate(zip(row, widths, strict=True)))
             for row in cells]  # fmt: skip
    return "\n".join(lines)


def rows_to_markdown(rows: Sequence[AblationRow], differences: Sequence[Difference]) -> str:
    """Return the rows and differences as a Markdown page."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows_to_cells(rows)]
    rule = "|" + " --- |" * 3 + " ---: |" * 5
    return "\n".join(["# Ablation", "", f"{len(rows[0].scores.per_query)} queries; scores in percent.", "", head, rule,
                      *body, "", "Differences in m_vIoU over the same queries:", "",
                      *(f"- {difference_to_text(item)}" for item in differences), ""])  # fmt: skip


def difference_to_text(item: Difference) -> str:
    """Return a difference as one line, in points of m_vIoU."""
    low, high = item.ci
    return f"{item.a} minus {item.b}: {100 * item.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def draw_heat_map(rows: Sequence[AblationRow], path: Path) -> None:
    """Draw the two_stage matrix of m_vIoU as a PNG."""
    from matplotlib.figure import Figure

    values = np.array([[100 * row_of(rows, temporal, spatial, "two_stage").scores.m_viou for spatial in PARTS_SPATIAL]
                       for temporal in PARTS_TEMPORAL])  # fmt: skip
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(values, cmap="viridis", vmin=0, vmax=100)
    axes.set_xticks(range(len(PARTS_SPATIAL)), PARTS_SPATIAL)
    axes.set_yticks(range(len(PARTS_TEMPORAL)), PARTS_TEMPORAL)
    axes.set(xlabel="spatial part", ylabel="temporal part", title="m_vIoU, %, two_stage")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.1f}", ha="center", va="center", color="white" if value < 60 else "black")
    figure.colorbar(picture)
    with writing(path) as beside:
        figure.savefig(beside, dpi=150)


def _pad(cell: str, width: int, index: int) -> str:
    return cell.ljust(width) if index < 3 else cell.rjust(width)
