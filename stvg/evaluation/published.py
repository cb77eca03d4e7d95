"""Published figures on HC-STVG, to stand beside ours; in percent, as their sources print them.

The table of v2 val is that of CG-STVG (https://github.com/HengLan/CGSTVG, README), TA-STVG's row is its own paper's.
Protocols differ in small ways between these papers (docs/data.md, Scores), so tenths of a point mean nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One system's figures; None where its source gives none."""

    system: str
    source: str
    m_tiou: float | None
    m_viou: float
    viou_03: float | None
    viou_05: float | None


PUBLISHED: Mapping[str, tuple[PublishedRow, ...]] = {
    "hcstvg_v2": (
        PublishedRow("MMN (challenge winner)", "arXiv 2109.04872", None, 30.3, 49.0, 25.6),
        PublishedRow("2D-TAN augmented", "in CG-STVG's table", None, 30.4, 50.4, 18.8),
        PublishedRow("TubeDETR", "arXiv 2203.16434", None, 36.4, 58.8, 30.6),
        PublishedRow("CSDVL (STVGFormer)", "in CG-STVG's table", 58.1, 38.7, 65.5, 33.8),
        PublishedRow("CG-STVG", "arXiv 2401.01578", 60.0, 39.5, 64.5, 36.3),
        PublishedRow("TA-STVG", "arXiv 2502.11168", 60.4, 40.2, 65.8, 36.7),
    ),
    "hcstvg_v1": (
        PublishedRow("TubeDETR", "arXiv 2203.16434", 43.7, 32.4, 49.8, 23.5),
        PublishedRow("STCAT", "in CG-STVG's table", 49.4, 35.1, 57.7, 30.1),
        PublishedRow("CG-STVG", "arXiv 2401.01578", 52.8, 38.4, 61.5, 36.3),
    ),
}
"""By data set: v2 on val, v1 on test."""


def comparison(dataset: str, ours: Mapping[str, tuple[float, float, float, float]]) -> str:
    """Return a Markdown table: our rows (name -> m_tIoU, m_vIoU, vIoU@0.3, vIoU@0.5 as fractions), then the others'."""
    lines = ["| system | m_tIoU | m_vIoU | vIoU@0.3 | vIoU@0.5 | source |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for name, values in ours.items():
        lines.append(_line(name, tuple(100 * value for value in values), "this run"))
    for row in PUBLISHED.get(dataset, ()):
        lines.append(_line(row.system, (row.m_tiou, row.m_viou, row.viou_03, row.viou_05), row.source))
    return "\n".join(lines)


def _line(name: str, values: tuple[float | None, ...], source: str) -> str:
    cells = ["" if value is None else f"{value:.1f}" for value in values]
    return f"| {name} | {' | '.join(cells)} | {source} |"
