"""What people read of causes and kinds of query."""

import pytest

from stvg.evaluation.ablation import AblationRow
from stvg.evaluation.breakdown import Group
from stvg.evaluation.error_analysis import ErrorBudget, ErrorShares
from stvg.evaluation.tables import errors_to_cells, errors_to_markdown, groups_to_markdown
from stvg.types import QueryScore, Scores

PAIRS = ((0.1, 0.3), (0.0, 0.2), (0.0, 0.0), (0.15, 0.25))
BUDGETS = [ErrorBudget(mode, 8, ErrorShares(0.5, 0.2, 0.1, 0.0, 0.2), PAIRS) for mode in ("two_stage", "joint")]


def row(mode, count):
    entries = tuple(QueryScore(str(k), 0.5, 0.25) for k in range(count))
    return AblationRow("mmn", "matcher", mode, Scores("official", 0.5, 0.25, {0.3: 0.0, 0.5: 0.0}, entries), (0.2, 0.3))


def test_errors_stand_with_their_intervals():
    head, first, second = errors_to_cells(BUDGETS)
    assert head == ("mode", "m_vIoU", "wrong time", "wrong person", "no candidate", "poor box")
    assert first == (
        "two_stage",
        "50.0",
        "20.0 (10.0 to 30.0)",
        "10.0 (0.0 to 20.0)",
        "0.0 (0.0 to 0.0)",
        "20.0 (15.0 to 25.0)",
    )
    assert second[0] == "joint"
    page = errors_to_markdown(BUDGETS, "bar.png")
    assert "](bar.png)" in page
    assert "| joint | 50.0 |" in page


@pytest.mark.parametrize(
    ("by", "low", "high", "title", "expected"),
    [
        ("words", 9, 12, "## By the length of the sentence", "| 9 to 12 | joint: mmn x matcher | 7 |"),
        ("people", 4, 4, "## By the number of people", "| 4 | joint: mmn x matcher | 7 |"),
        ("moment_share", 0.1, 0.2567, "## By the length of the moment", "| 10.0 to 25.7 | joint: mmn x matcher | 7 |"),
    ],
)
def test_groups_say_their_range_and_number(by, low, high, title, expected):
    page = groups_to_markdown([Group(by, low, high, row("joint", 7)), Group(by, 30, 40, row("joint", 2))])
    assert page.count("## ") == page.count(title) == 1
    assert f"{expected} 50.0 | 25.0 | 20.0 to 30.0 | 0.0 | 0.0 |" in page


def test_each_property_has_its_section_in_order():
    groups = [Group(by, 1, 2, row("joint", 3)) for by in ("words", "people", "moment_share")]
    titles = [line for line in groups_to_markdown(groups).splitlines() if line.startswith("## ")]
    assert [title.split()[-1] for title in titles] == ["sentence", "people", "moment"]
