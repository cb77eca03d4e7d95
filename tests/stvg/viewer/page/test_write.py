"""The report is one page with its data beside it; what it loads lies in its folder, and texts stay texts."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stvg.datasets.synthetic.make import write_video
from stvg.evaluation.ablation import AblationRow, Difference
from stvg.evaluation.metrics import score
from stvg.fusion.ranking import RankedTube, Ranking
from stvg.types import Annotation, FrameSpan, MomentMap, Prediction, Query, QueryScore, Tube, VideoMeta
from stvg.viewer.entry import ReportEntry, SplitResults
from stvg.viewer.page.write import page_script, write_report

TEXT = '</script><script>alert("x")</script> & a man\'s \u2028 hat'


def tube(start: int, stop: int, left: float = 10.0, number: int = 0) -> Tube:
    boxes = np.tile([left, 10.0, left + 20, 40.0], (stop - start, 1))
    return Tube(number, start, boxes, np.ones(stop - start), np.ones(stop - start, bool))


def entry(folder: Path, number: int) -> ReportEntry:
    name = f"{number}.mp4"
    write_video(folder / name, np.zeros((20, 48, 64, 3), np.uint8), 10, 64, 48)
    meta = VideoMeta(name, folder / name, 20, 10.0, 64, 48)
    reading = RankedTube(tube(0, 20), np.array([[0, 10], [0, 20], [10, 20]]), np.array([0.1, 0.2, 0.3]), 0.25)
    query = Query(name, name, f"{TEXT} {number}")
    moments = MomentMap(np.array([[0, 20]]), np.array([0.5]))
    ranking = Ranking(query, "two_stage", moments, (reading,), 0, FrameSpan(0, 20), 0.25)
    return ReportEntry(query, meta, tube(5, 15), tube(0, 10), QueryScore(name, 1 / 3, 0.1), ranking)


def data_of(page: Path) -> list[dict[str, object]]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    return json.loads(text)


def details(path: Path) -> tuple[int, dict[str, object]]:
    (found,) = re.findall(r"\AstvgReport\((\d+),(.*)\);\n\Z", path.read_text(), re.DOTALL)
    return int(found[0]), json.loads(found[1])


def results(entries: list[ReportEntry]) -> SplitResults:
    truth = [Annotation(one.query, one.truth) for one in entries]
    answers = [Prediction(one.query.query_id, one.query.video_id, one.found, 1.0) for one in entries]
    scores = score(truth, answers)
    row = AblationRow("mmn", "matcher", "two_stage", scores, (0.1, 0.2))
    tables = [("by <words>", ["", "m_vIoU"], [["<short>", "0.4"]])]
    budgets = [("<mode>", [("right", 60.0), ("wrong time", 40.0)])]
    return SplitResults(scores, [row], [Difference("a", "b", 0.1, (0.0, 0.2))], budgets, tables)


def test_page_and_its_folder(tmp_path: Path) -> None:
    entries = [entry(tmp_path, k) for k in range(3)]
    out = tmp_path / "report"
    (out / "data").mkdir(parents=True)
    for stale in ("7.js", "mine.js"):
        (out / "data" / stale).write_text("old")
    page = write_report(out, "a <title>", iter(entries), results(entries))
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert found == {
        "index.html",
        "data/mine.js",
        *(f"data/{k}.js" for k in range(3)),
        *(f"thumbs/{k}.jpg" for k in range(3)),
        *(f"videos/{k}.mp4" for k in range(3)),
    }
    assert (out / "videos" / "1.mp4").samefile(tmp_path / "1.mp4"), "a link, no copy"
    text = page.read_text()
    assert "a &lt;title&gt;" in text
    for escaped in ("by &lt;words&gt;", "&lt;short&gt;", "&lt;mode&gt;"):
        assert escaped in text
    assert text.count("alert(") == 3, "the sentences stand in the data alone"
    assert text.count("<script") == text.count("</script>") == 2
    assert not re.findall(r'(?:src|href)="(?!data:)', text), "nothing is fetched but on demand"
    assert [item["text"] for item in data_of(page)] == [f"{TEXT} {k}" for k in range(3)]
    assert data_of(page)[0] | {"text": ""} == {
        "text": "",
        "video": "0.mp4",
        "file": "0.mp4",
        "frames": 20,
        "fps": 10.0,
        "size": [64, 48],
        "people": 1,
        "found": [5, 15],
        "truth": [0, 10],
        "tiou": 0.3333,
        "viou": 0.1,
        "box": 1.0,
        "problems": ["wrong_time"],
    }


def test_details_of_a_query(tmp_path: Path) -> None:
    page = write_report(tmp_path / "r", "t", [entry(tmp_path, 4)], SplitResults())
    index, found = details(page.parent / "data" / "0.js")
    assert index == 0
    assert found["found"] == {"start": 5, "boxes": [10, 10, 30, 40] * 10}
    assert found["moments"] == {"spans": [0, 20], "values": [0.5]}
    assert (found["chosen"], found["mode"]) == (0, "two_stage")
    assert found["tubes"] == [
        {
            "id": 0,
            "start": 0,
            "boxes": [10, 10, 30, 40] * 20,
            "score": 0.25,
            "spans": [0, 10, 0, 20, 10, 20],
            "values": [0.1, 0.2, 0.3],
            "overlap": 1.0,
        }
    ]


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    bare = replace(entry(tmp_path, 0), truth=None, score=None, ranking=None)
    unanswered = replace(entry(tmp_path, 1), found=None)
    page = write_report(tmp_path / "r", "t", [bare, unanswered], SplitResults())
    first, second = data_of(page)
    assert [first[key] for key in ("truth", "tiou", "viou", "box", "problems", "people")] == [None] * 6
    assert (second["found"], second["problems"]) == (None, ["no_answer"])
    assert details(page.parent / "data" / "0.js")[1]["tubes"] is None
    assert "What each part is worth" not in page.read_text()


def test_the_same_report_again_keeps_its_videos(tmp_path: Path) -> None:
    one = entry(tmp_path, 0)
    page = write_report(tmp_path / "r", "t", [one], SplitResults())
    before = (page.parent / "videos" / "0.mp4").stat()
    write_report(tmp_path / "r", "t", [one], SplitResults())
    after = (page.parent / "videos" / "0.mp4").stat()
    assert (before.st_ino, before.st_ctime_ns) == (after.st_ino, after.st_ctime_ns)
    write_video(tmp_path / "new.mp4", np.full((20, 48, 64, 3), 9, np.uint8), 10, 64, 48)
    (tmp_path / "new.mp4").replace(tmp_path / "0.mp4")
    write_report(tmp_path / "r", "t", [one], SplitResults())
    assert (page.parent / "videos" / "0.mp4").samefile(tmp_path / "0.mp4"), "an exchanged video is linked to anew"


def test_a_report_into_the_folder_of_its_videos(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    one = entry(tmp_path / "videos", 0)
    before = (tmp_path / "videos" / "0.mp4").read_bytes()
    write_report(tmp_path, "t", [one], SplitResults())
    assert (tmp_path / "videos" / "0.mp4").read_bytes() == before


@pytest.mark.parametrize(
    "word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http:", "https:"]
)
def test_the_script_makes_no_markup_and_asks_no_server(word: str) -> None:
    assert word not in page_script()
