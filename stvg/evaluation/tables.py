"""Format an ablation and published results as tables."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stvg.evaluation.ablation import AblationRow, Difference
from stvg.evaluation.breakdown import Group
from stvg.evaluation.error_analysis import ErrorBudget
from stvg.types import Scores

SCORE_HEAD = ("m_tIoU", "m_vIoU", "95 % interval", "vIoU@0.3", "vIoU@0.5")
"""Names of the columns that score_cells returns."""
_HEAD = ("mode", "temporal", "spatial", *SCORE_HEAD)
_ERROR_HEAD = ("mode", "m_vIoU", "wrong time", "wrong person", "no candidate", "poor box")
PROPERTIES = {
    "words": ("By the length of the sentence", "words"),
    "people": ("By the number of people", "candidate tubes in the true moment"),
    "moment_share": ("By the length of the moment", "% of the video"),
}
"""Section title of each query property, and the unit of its values."""


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
"""Figures by data set, v2 on val and v1 on test, in percent as their sources print them.

The table of v2 val is that of CG-STVG (https://github.com/HengLan/CGSTVG, README), TA-STVG's row is its own paper's.
Protocols differ in small ways between these papers (docs/data.md, Scores), so tenths of a point mean nothing.
"""


def comparison(dataset: str, ours: Mapping[str, tuple[float, float, float, float]]) -> str:
    """Return a Markdown table: our rows (name -> m_tIoU, m_vIoU, vIoU@0.3, vIoU@0.5 as fractions), then the others'."""
    lines = ["| system | m_tIoU | m_vIoU | vIoU@0.3 | vIoU@0.5 | source |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for name, values in ours.items():
        lines.append(_published_line(name, tuple(100 * value for value in values), "this run"))
    for row in PUBLISHED.get(dataset, ()):
        lines.append(_published_line(row.system, (row.m_tiou, row.m_viou, row.viou_03, row.viou_05), row.source))
    return "\n".join(lines)


def rows_to_cells(rows: Sequence[AblationRow]) -> list[tuple[str, ...]]:
    """Return the head and one tuple of words per row; scores in percent."""
    return [_HEAD, *((row.mode, row.temporal, row.spatial, *score_cells(row.scores, row.m_viou_ci)) for row in rows)]


def rows_to_text(rows: Sequence[AblationRow]) -> str:
    """Return the rows as an aligned table for a terminal."""
    return align(rows_to_cells(rows), num_words=3)


def align(cells: Sequence[tuple[str, ...]], num_words: int) -> str:
    """Return rows of cells as a table for a terminal; the first `num_words` columns are words, the others numbers.

    >>> print(align([("a", "b"), ("cd", "10")], num_words=1))
    a    b
    cd  10
    """
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < num_words else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )


def score_cells(scores: Scores, m_viou_ci: tuple[float, float]) -> tuple[str, ...]:
    """Return the scores of SCORE_HEAD in words, in percent."""
    low, high = m_viou_ci
    shares = (scores.m_tiou, scores.m_viou), (scores.viou_at[0.3], scores.viou_at[0.5])
    first, last = ([f"{100 * share:.1f}" for share in pair] for pair in shares)
    return (*first, f"{100 * low:.1f} to {100 * high:.1f}", *last)


def rows_to_markdown(rows: Sequence[AblationRow], differences: Sequence[Difference]) -> str:
    """Return the rows and differences as a Markdown page, which the other sections continue."""
    return "\n".join(
        [
            "# Ablation",
            "",
            f"{len(rows[0].scores.per_query)} queries; scores in percent.",
            "",
            *_table(rows_to_cells(rows), num_words=3),
            "",
            "Differences in m_vIoU over the same queries:",
            "",
            *(f"- {difference_to_text(item)}" for item in differences),
            "",
        ]
    )


def difference_to_text(item: Difference) -> str:
    """Return a difference as one line, in points of m_vIoU."""
    low, high = item.ci
    return f"{item.a} minus {item.b}: {100 * item.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def errors_to_cells(budgets: Sequence[ErrorBudget]) -> list[tuple[str, ...]]:
    """Return the head and one tuple of words per mode; shares in percent, with their intervals."""
    body = []
    for one in budgets:
        shares = (
            f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})"
            for share, (low, high) in zip(one.causes, one.intervals, strict=True)
        )
        body.append((one.mode, f"{100 * one.shares.viou:.1f}", *shares))
    return [_ERROR_HEAD, *body]


def errors_to_markdown(budgets: Sequence[ErrorBudget], picture: str) -> str:
    """Return the section on where the error comes from; `picture` is its file, beside the page."""
    return "\n".join(
        [
            "## Where the error comes from",
            "",
            "What each cause takes from 100, with the trained parts; m_vIoU and the causes add up to 100. The order in "
            "which span and tube are replaced by the best is averaged. 95 % intervals in brackets.",
            "",
            *_table(errors_to_cells(budgets), num_words=1),
            "",
            f"![What each cause takes, by mode]({picture})",
            "",
        ]
    )


def groups_to_markdown(groups: Sequence[Group]) -> str:
    """Return the sections on kinds of query, one per property, in the order of the groups."""
    lines = []
    for by, of_property in itertools.groupby(groups, key=lambda group: group.by):
        title, unit = PROPERTIES[by]
        body = [
            (
                _range(group),
                group.row.name,
                str(len(group.row.scores.per_query)),
                *score_cells(group.row.scores, group.row.m_viou_ci),
            )
            for group in of_property
        ]
        lines += [f"## {title}", "", *_table([(unit, "row", "queries", *SCORE_HEAD), *body], num_words=2), ""]
    return "\n".join(lines)


def _range(group: Group) -> str:
    """Return the values of a group: "5", "9 to 12", "10.3 to 15.0"."""
    ends = (f"{100 * end:.1f}" if group.by == "moment_share" else f"{end:.0f}" for end in (group.low, group.high))
    return " to ".join(dict.fromkeys(ends))


def _table(cells: Sequence[tuple[str, ...]], num_words: int) -> list[str]:
    """Return Markdown lines; the first `num_words` columns are words, the others numbers."""
    head, *body = ["| " + " | ".join(row) + " |" for row in cells]
    return [head, "|" + " --- |" * num_words + " ---: |" * (len(cells[0]) - num_words), *body]


def _published_line(name: str, values: tuple[float | None, ...], source: str) -> str:
    cells = ["" if value is None else f"{value:.1f}" for value in values]
    return f"| {name} | {' | '.join(cells)} | {source} |"
