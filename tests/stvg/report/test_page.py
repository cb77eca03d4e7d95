"""The report is one page that needs nothing else, and texts from data files stay texts."""

import re

import numpy as np
import pytest

from stvg.ablation import AblationRow, Difference
from stvg.metrics import score
from stvg.report import ReportEntry, write_report
from stvg.types import Annotation, Prediction, Query, QueryScore, Tube, VideoMeta
from stvg.video import read_meta
from stvg.world.make import write_video

TEXT = '<script>alert("x")</script> & a man'


def tube(start, stop):
    boxes = np.tile([10.0, 10.0, 30.0, 40.0], (stop - start, 1))
    return Tube(0, start, boxes, np.ones(stop - start), np.ones(stop - start, bool))


def entry(folder, number, viou):
    name = f"{number}.mp4"
    if not (folder / name).exists():
        write_video(folder / name, np.zeros((20, 48, 64, 3), np.uint8), 10, 64, 48)
    query = Query(name, name, f"{TEXT} {number}")
    meta = VideoMeta(name, folder / name, 20, 10.0, 64, 48)
    found = Prediction(name, name, tube(5, 15), 0.5)
    return ReportEntry(meta, Annotation(query, tube(0, 10)), found, QueryScore(name, 0.25, viou))


@pytest.mark.parametrize(
    ("count", "expected", "reason"),
    [
        (0, [], "no videos"),
        (1, [3], "the best"),
        (2, [3, 0], "the best and the worst"),
        (3, [3, 2, 0], "and one between"),
        (9, [3, 1, 2, 0], "all there are"),
    ],
)
def test_page(tmp_path, count, expected, reason):
    entries = [entry(tmp_path, k, viou) for k, viou in enumerate([0.1, 0.6, 0.4, 0.9])]
    scores = score([one.annotation for one in entries], [one.prediction for one in entries])
    row = AblationRow("mmn", "matcher", "two_stage", scores, (0.1, 0.2))
    (tmp_path / "map.png").write_bytes(b"\x89PNG")
    out = tmp_path / "report"
    page = write_report(out, "a <title>", entries, [row], [Difference("a", "b", 0.1, (0.0, 0.2))],
                        tmp_path / "map.png", count)  # fmt: skip
    text = page.read_text()
    shown = re.findall(r'<video src="(\d)\.mp4"', text)
    assert [int(name) for name in shown] == expected, reason
    assert {path.name for path in out.iterdir()} == {"index.html", *(f"{k}.mp4" for k in expected)}
    assert all(read_meta(out / f"{k}.mp4", "x").num_frames == 20 for k in expected)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "a &lt;title&gt;" in text
    assert not re.findall(r'(?:src|href)="(?!data:|\d\.mp4)', text), "nothing is fetched from elsewhere"
    order = [int(k) for k in re.findall(r"<li>&lt;script.*?a man (\d) ", text)]
    assert order == [3, 1, 2, 0], "from the best to the worst"
    assert 'class="found" style="left: 25.00%; width: 50.00%"' in text
    assert 'class="truth" style="left: 0.00%; width: 50.00%"' in text
