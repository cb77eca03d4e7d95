import re
from pathlib import Path

import pytest

from tracking import benchmark as benchmark
from tracking.benchmark import OURS, Row, linking_speed, to_markdown


def row(data: str, tracker: str, clip: str, viou: float, idf1: float = 0.5) -> Row:
    return Row(data, tracker, clip, 3, 4, viou, idf1, 0.4, -0.1)


ROWS = [
    *(row("a", "other", "1", 0.5, 0.7), row("a", OURS, "1", 0.6)),
    *(row("a", "other", "2", 0.7), row("a", OURS, "2", 0.9)),
    *(row("b", "other", "3", 0.5), row("b", OURS, "3", 0.4)),
]


def test_table_has_means_and_intervals() -> None:
    lines = to_markdown(ROWS).splitlines()
    assert lines[2] == "| a | other | 60.0 ± 127.1 | 60.0 ± 127.1 | 40.0 ± 0.0 | -10.0 ± 0.0 | 4.0 ± 0.0 | 3.0 |"
    assert lines[4].startswith("| b | other | 50.0 | 50.0 |")
    assert len({line.count("|") for line in lines[:6]}) == 1


def test_speed_is_the_processors_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, 1.5, 10.0, 10.5, 11.5])  # tracking 1 s and 0.5 s, linking 0.5 s and 1 s
    monkeypatch.setattr(benchmark.time, "process_time", lambda: next(ticks))
    assert linking_speed(30, 3, 2) == (
        "\n30 frames with 3 people: linking takes 0.50 s of one core (60 frames/s), "
        "the tracker's two runs before it 0.50 s.\n"
    )


def test_leads_are_paired() -> None:
    leads = [line for line in to_markdown(ROWS).splitlines() if line.startswith("- ")]
    assert leads == [
        "- a, viou: 15.0 ± 63.5 points over other",
        "- a, idf1: -10.0 ± 127.1 points over other",
        "- b, viou: -10.0 points over other",
        "- b, idf1: 0.0 points over other",
    ]


def test_filmed_clips_end_to_end(tmp_path: Path) -> None:
    pytest.importorskip("trackeval")
    for name in benchmark.FILMED:
        (tmp_path / name).mkdir()
        lines = [f"{f + 1},{p},{60 + 150 * p + f},100,50,150,1,-1,-1,-1" for f in range(60) for p in range(3)]
        (tmp_path / name / "gt.txt").write_text("\n".join(lines))
    rows = benchmark.filmed_rows(tmp_path, [0])
    assert {row.tracker for row in rows} == {OURS, *benchmark.trackers_compared()}
    assert {row.data for row in rows} == set(benchmark.FILMED)
    for each in rows:
        if each.tracker == OURS:
            assert each.viou > 0.85
            assert each.tubes == 3
        assert 0 <= each.viou <= 1
        assert 0 <= each.idf1 <= 1
    assert not re.search("nan", to_markdown(rows))
