import json
from pathlib import Path

import pytest

from stvg.errors import InputError
from stvg.viewer.page.results import read_results

ROW = {
    "temporal": "mmn",
    "spatial": "matcher",
    "mode": "two_stage",
    "m_tiou": 0.5,
    "m_viou": 0.4,
    "viou@0.3": 0.6,
    "viou@0.5": 0.3,
    "m_viou_ci": [0.3, 0.5],
}
GROUPS = [
    {"by": by, "low": low, "high": high, "num_queries": 7, **ROW}
    for by, low, high in [("words", 4, 8), ("words", 9, 9), ("moment_share", 0.103, 0.15)]
]


def test_what_is_there_is_read(tmp_path: Path) -> None:
    nothing = read_results(tmp_path, None)
    assert (nothing.rows, nothing.differences, nothing.budgets, nothing.tables) == ([], [], [], ())
    budget = {
        "mode": "joint",
        "m_viou": 0.4,
        "wrong_time": 0.25,
        "wrong_person": 0.2,
        "no_candidate": 0.05,
        "poor_box": 0.1,
    }
    difference = {"a": "x", "b": "y", "difference": 0.1, "ci": [0, 0.2]}
    for name, items in {
        "ablation": [ROW],
        "differences": [difference],
        "errors": [budget],
        "breakdown": GROUPS,
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(items))
    found = read_results(tmp_path, None)
    assert [row.to_json() for row in found.rows] == [ROW]
    assert [item.to_json() for item in found.differences] == [difference]
    assert found.budgets == [
        (
            "joint",
            [
                ("right: m_vIoU", 40.0),
                ("wrong time", 25.0),
                ("wrong person", 20.0),
                ("no candidate", 5.0),
                ("poor box", 10.0),
            ],
        )
    ]
    (by_words, by_moment) = found.tables
    assert by_words[0] == "By the length of the sentence"
    assert by_words[1][:4] == ["words", "row", "queries", "m_tIoU"]
    assert by_words[2][0] == ["4 to 8", "two_stage: mmn x matcher", "7", "50.0", "40.0", "30.0 to 50.0", "60.0", "30.0"]
    assert [line[0] for line in (*by_words[2][1:], *by_moment[2])] == ["9", "10.3 to 15.0"]


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"temporal": "mmn"}]', json.dumps([ROW | {"m_viou": "x"}])])
@pytest.mark.parametrize("name", ["ablation", "differences", "errors", "breakdown"])
def test_other_forms_are_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / f"{name}.json").write_text(text)
    with pytest.raises(InputError, match=rf"{name}\.json: expected"):
        read_results(tmp_path, None)
